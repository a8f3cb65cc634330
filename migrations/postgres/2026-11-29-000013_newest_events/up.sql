-- The newest events of all services, for the first page: without it, all events are read and
-- sorted.
CREATE INDEX service_events_newest ON service_events (date_started_ms, id);
