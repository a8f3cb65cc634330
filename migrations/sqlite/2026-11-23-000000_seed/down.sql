DROP TABLE liveness;
DROP TABLE service_metrics;
DROP TABLE service_events;
DROP TABLE service_ticks;
DROP TABLE services;
