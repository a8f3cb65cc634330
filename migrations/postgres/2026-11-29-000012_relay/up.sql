-- service_metrics.relayed_seq has been there from the start.
SELECT 1;
