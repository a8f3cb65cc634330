-- A name is unique within its group among services that are not deleted; services without a group
-- form one group.
DROP INDEX services_living_name;
CREATE UNIQUE INDEX services_living_name ON services (name, coalesce(group_name, ''))
WHERE deleted_at IS NULL;
