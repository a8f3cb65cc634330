ALTER TABLE service_metrics DROP COLUMN relayed_seq;
