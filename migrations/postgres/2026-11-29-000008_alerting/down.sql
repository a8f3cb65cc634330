DROP TABLE maintenance_spans, maintenances, deliveries, notification_alerts, notifications, alerts,
    alert_signals, silences, policies, channels, alerting;
ALTER TABLE service_metrics
    DROP COLUMN certificate_fine_since_ms,
    DROP COLUMN certificate_step,
    DROP COLUMN slow_run,
    DROP COLUMN result_run;
