-- Number of the newest tick of the service that remote write has relayed.
ALTER TABLE service_metrics ADD COLUMN relayed_seq BIGINT NOT NULL DEFAULT 0;
