-- The tables of go-service-healthcheck, extended. Times without a unit are whole unix seconds; a
-- column that ends in _ms has unix milliseconds. The column names of go-service-healthcheck remain
-- as generated columns, which take no space.

CREATE TABLE services (
    id               INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name             TEXT    NOT NULL,
    url              TEXT    NOT NULL,
    group_name       TEXT,
    enabled          BOOLEAN NOT NULL DEFAULT TRUE,
    interval_seconds DOUBLE,
    timeout_seconds  DOUBLE,
    origin           TEXT    NOT NULL DEFAULT 'api' CHECK (origin IN ('api', 'file')),
    created_at       BIGINT  NOT NULL,
    updated_at       BIGINT  NOT NULL,
    deleted_at       BIGINT
);

-- A name is unique among services that are not deleted.
CREATE UNIQUE INDEX services_living_name ON services (name) WHERE deleted_at IS NULL;

-- Append-only. Deliberately without a secondary index, which makes a tick ten times as expensive
-- (docs/design/history.md).
CREATE TABLE service_ticks (
    id               INTEGER PRIMARY KEY NOT NULL,
    service_id       BIGINT  NOT NULL REFERENCES services (id),
    is_up            BOOLEAN NOT NULL,
    response_time_ms DOUBLE  NOT NULL,
    http_status      INTEGER,
    failure          TEXT,
    created_at_ms    BIGINT  NOT NULL,
    created_at       BIGINT  GENERATED ALWAYS AS (created_at_ms / 1000) VIRTUAL
);

CREATE TABLE service_events (
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

CREATE INDEX service_events_by_service ON service_events (service_id, id);

-- At most one event of a service is open.
CREATE UNIQUE INDEX service_events_open ON service_events (service_id) WHERE date_ended_ms IS NULL;

-- One row for each service with a tick. The sum is exact; the mean is the sum divided by the count.
CREATE TABLE service_metrics (
    service_id               INTEGER PRIMARY KEY NOT NULL REFERENCES services (id),
    tick_count               BIGINT  NOT NULL,
    up_count                 BIGINT  NOT NULL,
    down_count               BIGINT  NOT NULL,
    average_response_time_ms DOUBLE  NOT NULL,
    response_time_sum_ns     BIGINT  NOT NULL,
    latest_event_id          BIGINT  NOT NULL REFERENCES service_events (id),
    created_at               BIGINT  NOT NULL,
    updated_at               BIGINT  NOT NULL
);

-- The liveness mark: time of the last write. Every commit updates it; without commits, it is
-- updated every few seconds.
CREATE TABLE liveness (
    id    INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    at_ms BIGINT  NOT NULL
);
