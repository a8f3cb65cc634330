DROP INDEX service_events_newest;
