-- The previous version has no sealed ticks and roll-ups: they are deleted, and the metrics still
-- count them.
DROP TABLE service_tick_chunks;
DROP TABLE service_rollups;
DROP TABLE history;

CREATE TABLE service_ticks_old (
    id               INTEGER PRIMARY KEY NOT NULL,
    service_id       BIGINT  NOT NULL REFERENCES services (id),
    is_up            BOOLEAN NOT NULL,
    response_time_ms DOUBLE  NOT NULL,
    http_status      INTEGER,
    failure          TEXT,
    created_at_ms    BIGINT  NOT NULL,
    created_at       BIGINT  GENERATED ALWAYS AS (created_at_ms / 1000) VIRTUAL
);
ALTER TABLE service_ticks_old ADD COLUMN dns_us BIGINT;
ALTER TABLE service_ticks_old ADD COLUMN connect_us BIGINT;
ALTER TABLE service_ticks_old ADD COLUMN tls_us BIGINT;
ALTER TABLE service_ticks_old ADD COLUMN first_byte_us BIGINT;
ALTER TABLE service_ticks_old ADD COLUMN transfer_us BIGINT;
ALTER TABLE service_ticks_old ADD COLUMN is_unknown BOOLEAN NOT NULL DEFAULT FALSE;

INSERT INTO service_ticks_old
    (id, service_id, is_up, response_time_ms, http_status, failure, created_at_ms, dns_us,
     connect_us, tls_us, first_byte_us, transfer_us, is_unknown)
SELECT id, service_id, is_up, response_time_us / 1000.0, http_status, failure, created_at_ms,
    dns_us, connect_us, tls_us, first_byte_us, transfer_us, is_unknown
FROM service_ticks;
DROP TABLE service_ticks;
ALTER TABLE service_ticks_old RENAME TO service_ticks;

CREATE TABLE service_metrics_old (
    service_id               INTEGER PRIMARY KEY NOT NULL REFERENCES services (id),
    tick_count               BIGINT  NOT NULL,
    up_count                 BIGINT  NOT NULL,
    down_count               BIGINT  NOT NULL,
    unknown_count            BIGINT  NOT NULL DEFAULT 0,
    average_response_time_ms DOUBLE  NOT NULL,
    response_time_sum_ns     BIGINT  NOT NULL,
    latest_event_id          BIGINT  REFERENCES service_events (id),
    known_is_up              BOOLEAN,
    streak_is_up             BOOLEAN,
    streak_count             BIGINT,
    streak_since_ms          BIGINT,
    recent_states            BIGINT  NOT NULL DEFAULT 1,
    is_flapping              BOOLEAN NOT NULL DEFAULT FALSE,
    created_at               BIGINT  NOT NULL,
    updated_at               BIGINT  NOT NULL
);

INSERT INTO service_metrics_old
SELECT service_id, tick_count, up_count, down_count, unknown_count, average_response_time_ms,
    response_time_sum_ns, latest_event_id, known_is_up, streak_is_up, streak_count, streak_since_ms,
    recent_states, is_flapping, created_at, updated_at
FROM service_metrics;
DROP TABLE service_metrics;
ALTER TABLE service_metrics_old RENAME TO service_metrics;

DROP INDEX service_events_by_time;
CREATE INDEX service_events_by_service ON service_events (service_id, id);
