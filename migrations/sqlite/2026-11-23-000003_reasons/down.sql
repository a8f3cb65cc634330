-- Deletes data that the previous version does not know: unknown and paused events, unknown ticks,
-- and services with schemes other than http and https.
CREATE TABLE service_events_old (
    id             INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    service_id     BIGINT  NOT NULL REFERENCES services (id),
    event          TEXT    NOT NULL CHECK (event IN ('uptime', 'downtime')),
    failure        TEXT,
    failure_detail TEXT,
    date_started_ms BIGINT NOT NULL,
    date_ended_ms  BIGINT CHECK (date_ended_ms >= date_started_ms),
    created_at     BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL,
    date_started   BIGINT  GENERATED ALWAYS AS (date_started_ms / 1000) VIRTUAL,
    date_ended     BIGINT  GENERATED ALWAYS AS (date_ended_ms / 1000) VIRTUAL
);

INSERT INTO service_events_old
    (id, service_id, event, failure, failure_detail, date_started_ms, date_ended_ms, created_at,
     updated_at)
SELECT id, service_id, event, failure, failure_detail, date_started_ms, date_ended_ms, created_at,
    updated_at
FROM service_events WHERE event IN ('uptime', 'downtime');

CREATE TABLE service_metrics_old (
    service_id               INTEGER PRIMARY KEY NOT NULL REFERENCES services (id),
    tick_count               BIGINT  NOT NULL,
    up_count                 BIGINT  NOT NULL,
    down_count               BIGINT  NOT NULL,
    average_response_time_ms DOUBLE  NOT NULL,
    response_time_sum_ns     BIGINT  NOT NULL,
    latest_event_id          BIGINT  NOT NULL REFERENCES service_events_old (id),
    created_at               BIGINT  NOT NULL,
    updated_at               BIGINT  NOT NULL
);

INSERT INTO service_metrics_old
SELECT m.service_id, m.tick_count, m.up_count, m.down_count, m.average_response_time_ms,
    m.response_time_sum_ns, e.newest, m.created_at, m.updated_at
FROM service_metrics m
JOIN (SELECT service_id, max(id) AS newest FROM service_events_old GROUP BY service_id) e
    USING (service_id);

DROP TABLE service_metrics;
DROP TABLE service_events;
ALTER TABLE service_events_old RENAME TO service_events;
ALTER TABLE service_metrics_old RENAME TO service_metrics;

CREATE INDEX service_events_by_service ON service_events (service_id, id);
CREATE UNIQUE INDEX service_events_open ON service_events (service_id) WHERE date_ended_ms IS NULL;

DELETE FROM service_ticks WHERE is_unknown;
ALTER TABLE service_ticks DROP COLUMN is_unknown;
UPDATE services SET deleted_at = unixepoch()
WHERE deleted_at IS NULL AND NOT (url LIKE 'http://%' OR url LIKE 'https://%');
ALTER TABLE services DROP COLUMN options;
