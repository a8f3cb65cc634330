-- Lists of many services: a page must not scan all of them, neither to count them nor to find its
-- beginning.

CREATE TABLE service_count (
    id     INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    -- Services that are not deleted; the triggers below maintain it.
    living BIGINT  NOT NULL
);

INSERT INTO service_count (id, living) SELECT 1, count(*) FROM services WHERE deleted_at IS NULL;

CREATE TRIGGER services_counted_in AFTER INSERT ON services WHEN NEW.deleted_at IS NULL BEGIN
    UPDATE service_count SET living = living + 1;
END;

CREATE TRIGGER services_counted_over AFTER UPDATE OF deleted_at ON services
WHEN (OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL) BEGIN
    UPDATE service_count SET living = living + CASE WHEN NEW.deleted_at IS NULL THEN 1 ELSE -1 END;
END;

CREATE TRIGGER services_counted_out AFTER DELETE ON services WHEN OLD.deleted_at IS NULL BEGIN
    UPDATE service_count SET living = living - 1;
END;

CREATE INDEX services_living ON services (id) WHERE deleted_at IS NULL;
