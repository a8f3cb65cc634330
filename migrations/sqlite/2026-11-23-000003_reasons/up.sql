-- Options of a service without columns of their own, as JSON with the names of the API; null for
-- none.
ALTER TABLE services ADD COLUMN options TEXT;

-- The tick says nothing about its target, because the local network was down; is_up is then false
-- and has no meaning.
ALTER TABLE service_ticks ADD COLUMN is_unknown BOOLEAN NOT NULL DEFAULT FALSE;

-- Reasons of the previous version become the nearest new ones.
UPDATE service_ticks SET failure = CASE failure
    WHEN 'dns' THEN 'dns_server' WHEN 'tls' THEN 'tls_handshake' ELSE 'redirect_loop' END
WHERE failure IN ('dns', 'tls', 'redirect');

-- Two more events: unknown, while the local network was down, and paused. SQLite cannot change a
-- CHECK, so this rebuilds the table and the one that references it.
CREATE TABLE service_events_new (
    id             INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    service_id     BIGINT  NOT NULL REFERENCES services (id),
    event          TEXT    NOT NULL CHECK (event IN ('uptime', 'downtime', 'unknown', 'paused')),
    failure        TEXT,
    failure_detail TEXT,
    date_started_ms BIGINT NOT NULL,
    date_ended_ms  BIGINT CHECK (date_ended_ms >= date_started_ms),
    created_at     BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL,
    date_started   BIGINT  GENERATED ALWAYS AS (date_started_ms / 1000) VIRTUAL,
    date_ended     BIGINT  GENERATED ALWAYS AS (date_ended_ms / 1000) VIRTUAL
);

INSERT INTO service_events_new
    (id, service_id, event, failure, failure_detail, date_started_ms, date_ended_ms, created_at,
     updated_at)
SELECT id, service_id, event,
    CASE failure WHEN 'dns' THEN 'dns_server' WHEN 'tls' THEN 'tls_handshake'
        WHEN 'redirect' THEN 'redirect_loop' ELSE failure END,
    failure_detail, date_started_ms, date_ended_ms, created_at, updated_at
FROM service_events;

-- One row for each service with a tick. The sum is exact and covers ticks that are up or down; the
-- mean is the sum divided by their count. Thresholds count the streak: consecutive ticks that
-- differ from the newest event.
CREATE TABLE service_metrics_new (
    service_id               INTEGER PRIMARY KEY NOT NULL REFERENCES services (id),
    tick_count               BIGINT  NOT NULL,
    up_count                 BIGINT  NOT NULL,
    down_count               BIGINT  NOT NULL,
    unknown_count            BIGINT  NOT NULL DEFAULT 0,
    average_response_time_ms DOUBLE  NOT NULL,
    response_time_sum_ns     BIGINT  NOT NULL,
    latest_event_id          BIGINT  REFERENCES service_events_new (id),
    -- The last known state of the events; null before the first.
    known_is_up              BOOLEAN,
    streak_is_up             BOOLEAN,
    streak_count             BIGINT,
    streak_since_ms          BIGINT,
    -- The newest 21 states as bits below a leading one; the lowest bit is the newest.
    recent_states            BIGINT  NOT NULL DEFAULT 1,
    is_flapping              BOOLEAN NOT NULL DEFAULT FALSE,
    created_at               BIGINT  NOT NULL,
    updated_at               BIGINT  NOT NULL
);

INSERT INTO service_metrics_new
    (service_id, tick_count, up_count, down_count, average_response_time_ms, response_time_sum_ns,
     latest_event_id, known_is_up, created_at, updated_at)
SELECT service_id, tick_count, up_count, down_count, average_response_time_ms, response_time_sum_ns,
    latest_event_id,
    (SELECT event = 'uptime' FROM service_events e WHERE e.id = latest_event_id),
    created_at, updated_at
FROM service_metrics;

DROP TABLE service_metrics;
DROP TABLE service_events;
ALTER TABLE service_events_new RENAME TO service_events;
ALTER TABLE service_metrics_new RENAME TO service_metrics;

CREATE INDEX service_events_by_service ON service_events (service_id, id);
CREATE UNIQUE INDEX service_events_open ON service_events (service_id) WHERE date_ended_ms IS NULL;
