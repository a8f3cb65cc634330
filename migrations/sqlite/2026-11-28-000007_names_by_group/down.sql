DROP INDEX services_living_name;

-- The former index knows no groups: each further service of a name gets its id behind the name.
UPDATE services SET name = name || ' #' || id
WHERE deleted_at IS NULL AND id > (
    SELECT min(first.id) FROM services first
    WHERE first.name = services.name AND first.deleted_at IS NULL
);

CREATE UNIQUE INDEX services_living_name ON services (name) WHERE deleted_at IS NULL;
