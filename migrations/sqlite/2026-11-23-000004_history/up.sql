-- Sealed ticks and roll-ups (docs/design/history.md).

-- Fresh ticks: appended, then sealed into chunks all at once. Emptying a table is nearly free as
-- long as it references no other, so service_id is no foreign key; the writer ensures consistency.
-- Still without a secondary index: service_metrics.latest_tick_id leads to the newest tick of a
-- service, and step_back from a tick to the previous one. Each byte of a row is written four times
-- until it is sealed, so derived values are generated columns.
CREATE TABLE service_ticks_new (
    id               INTEGER PRIMARY KEY NOT NULL,
    service_id       BIGINT  NOT NULL,
    -- Difference of its id to that of the previous tick of its service; null for the first.
    step_back        BIGINT,
    is_up            BOOLEAN NOT NULL,
    -- The local network was down: the tick says nothing about its target, is_up has no meaning.
    is_unknown       BOOLEAN NOT NULL DEFAULT FALSE,
    http_status      INTEGER,
    failure          TEXT,
    created_at_ms    BIGINT  NOT NULL,
    -- Duration of each phase in microseconds. Null for imported ticks.
    dns_us           BIGINT,
    connect_us       BIGINT,
    tls_us           BIGINT,
    first_byte_us    BIGINT,
    transfer_us      BIGINT,
    -- Part of the response time that belongs to no phase; null for none.
    unphased_us      BIGINT,
    response_time_us BIGINT  GENERATED ALWAYS AS
        (coalesce(dns_us, 0) + coalesce(connect_us, 0) + coalesce(tls_us, 0)
        + coalesce(first_byte_us, 0) + coalesce(transfer_us, 0) + coalesce(unphased_us, 0)) VIRTUAL,
    response_time_ms DOUBLE  GENERATED ALWAYS AS (response_time_us / 1000.0) VIRTUAL,
    created_at       BIGINT  GENERATED ALWAYS AS (created_at_ms / 1000) VIRTUAL
);

INSERT INTO service_ticks_new
    (id, service_id, step_back, is_up, is_unknown, http_status, failure, created_at_ms,
     dns_us, connect_us, tls_us, first_byte_us, transfer_us, unphased_us)
SELECT id, service_id, id - lag(id) OVER (PARTITION BY service_id ORDER BY id), is_up, is_unknown,
    http_status, failure, created_at_ms, dns_us, connect_us, tls_us, first_byte_us, transfer_us,
    nullif(max(0, CAST(round(response_time_ms * 1000) AS INTEGER)
        - coalesce(dns_us, 0) - coalesce(connect_us, 0) - coalesce(tls_us, 0)
        - coalesce(first_byte_us, 0) - coalesce(transfer_us, 0)), 0)
FROM service_ticks ORDER BY id;

DROP TABLE service_ticks;
ALTER TABLE service_ticks_new RENAME TO service_ticks;

-- Derived values are generated columns: every byte here is written again with each commit.
CREATE TABLE service_metrics_new (
    service_id               INTEGER PRIMARY KEY NOT NULL REFERENCES services (id),
    tick_count               BIGINT  NOT NULL,
    up_count                 BIGINT  NOT NULL,
    unknown_count            BIGINT  NOT NULL DEFAULT 0,
    response_time_sum_ns     BIGINT  NOT NULL,
    latest_event_id          BIGINT  REFERENCES service_events (id),
    -- The newest tick, whether it is fresh or sealed.
    latest_tick_id           BIGINT,
    -- The last known state of the events; null before the first.
    known_is_up              BOOLEAN,
    streak_is_up             BOOLEAN,
    streak_count             BIGINT,
    streak_since_ms          BIGINT,
    -- The newest 21 states as bits below a leading one; the lowest bit is the newest.
    recent_states            BIGINT  NOT NULL DEFAULT 1,
    is_flapping              BOOLEAN NOT NULL DEFAULT FALSE,
    created_at               BIGINT  NOT NULL,
    updated_at               BIGINT  NOT NULL,
    -- Imported history: start of the unobserved time, until the first result here; null otherwise.
    unwatched_from_ms        BIGINT,
    down_count               BIGINT  GENERATED ALWAYS AS (tick_count - up_count) VIRTUAL,
    average_response_time_ms DOUBLE  GENERATED ALWAYS AS
        (CASE WHEN tick_count = 0 THEN 0.0 ELSE response_time_sum_ns / 1e6 / tick_count END) VIRTUAL
);

INSERT INTO service_metrics_new
    (service_id, tick_count, up_count, unknown_count, response_time_sum_ns, latest_event_id,
     latest_tick_id, known_is_up, streak_is_up, streak_count, streak_since_ms, recent_states,
     is_flapping, created_at, updated_at)
SELECT m.service_id, tick_count, up_count, unknown_count, response_time_sum_ns, latest_event_id,
    t.newest, known_is_up, streak_is_up, streak_count, streak_since_ms, recent_states,
    is_flapping, created_at, updated_at
FROM service_metrics m
LEFT JOIN (SELECT service_id, max(id) AS newest FROM service_ticks GROUP BY service_id) t
    USING (service_id);

DROP TABLE service_metrics;
ALTER TABLE service_metrics_new RENAME TO service_metrics;

-- Sealed ticks: consecutive ticks of one service, column by column, compressed (the chunk codec).
CREATE TABLE service_tick_chunks (
    id          INTEGER PRIMARY KEY NOT NULL,
    service_id  BIGINT  NOT NULL,
    -- Number of its first tick; 1 is the service's first tick ever. Numbers never change.
    first_seq   BIGINT  NOT NULL,
    -- Time of its earliest and latest tick, in unix milliseconds.
    from_ms     BIGINT  NOT NULL,
    to_ms       BIGINT  NOT NULL,
    tick_count  BIGINT  NOT NULL,
    up_count    BIGINT  NOT NULL,
    down_count  BIGINT  NOT NULL,
    data        BLOB    NOT NULL
);

-- A covering index: finds the chunks of a window without reading them.
CREATE UNIQUE INDEX service_tick_chunks_by_service
    ON service_tick_chunks (service_id, first_seq, from_ms, to_ms);
CREATE INDEX service_tick_chunks_by_end ON service_tick_chunks (to_ms);

-- Roll-ups of the sealed ticks of an hour (step_s = 3600) or a day (86400, UTC); a day has a row
-- once it is over. Response times and phases cover ticks that are up or down.
CREATE TABLE service_rollups (
    service_id       BIGINT  NOT NULL,
    step_s           INTEGER NOT NULL CHECK (step_s IN (3600, 86400)),
    -- Unix seconds, a multiple of step_s.
    start_s          BIGINT  NOT NULL,
    up_count         BIGINT  NOT NULL,
    down_count       BIGINT  NOT NULL,
    unknown_count    BIGINT  NOT NULL,
    -- Times from the events, from the start to the end of the bucket, or to the last sealing in it.
    up_ms            BIGINT  NOT NULL,
    down_ms          BIGINT  NOT NULL,
    unknown_ms       BIGINT  NOT NULL,
    paused_ms        BIGINT  NOT NULL,
    response_sum_us  BIGINT  NOT NULL,
    response_min_us  BIGINT,
    response_max_us  BIGINT,
    -- Ticks with phases; the sums below cover these.
    phased_count     BIGINT  NOT NULL,
    dns_us           BIGINT  NOT NULL,
    connect_us       BIGINT  NOT NULL,
    tls_us           BIGINT  NOT NULL,
    first_byte_us    BIGINT  NOT NULL,
    transfer_us      BIGINT  NOT NULL,
    -- Response times as a mergeable histogram (domain/history/sketch.rs).
    sketch           BLOB    NOT NULL,
    PRIMARY KEY (service_id, step_s, start_s)
) WITHOUT ROWID;

-- One row: progress of sealing and retention, and totals, updated in the transactions that change
-- them. Times are 0 before the first.
CREATE TABLE history (
    id                    INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    -- Every tick up to this id is sealed; ids are never reused.
    sealed_tick_id        BIGINT  NOT NULL DEFAULT 0,
    -- Every event up to this id is in the times of the roll-ups. The newest event of a service is
    -- never deleted, so no id is reused.
    sealed_event_id       BIGINT  NOT NULL DEFAULT 0,
    sealed_at_ms          BIGINT  NOT NULL DEFAULT 0,
    chunk_count           BIGINT  NOT NULL DEFAULT 0,
    sealed_tick_count     BIGINT  NOT NULL DEFAULT 0,
    sealed_byte_count     BIGINT  NOT NULL DEFAULT 0,
    rollup_count          BIGINT  NOT NULL DEFAULT 0,
    -- Pages of the fresh ticks at the last sealing: the next fresh ticks take as many.
    emptied_page_count    BIGINT  NOT NULL DEFAULT 0,
    -- Ticks that metrics count and that retention has deleted; none of them was later than
    -- ticks_expired_to_ms.
    expired_tick_count    BIGINT  NOT NULL DEFAULT 0,
    ticks_expired_to_ms   BIGINT  NOT NULL DEFAULT 0,
    -- No roll-up that retention has deleted ended later.
    rollups_expired_to_ms BIGINT  NOT NULL DEFAULT 0
);

-- A store that was migrated down to the previous version lacks its sealed ticks.
INSERT INTO history (id, expired_tick_count)
SELECT 1, (SELECT coalesce(sum(tick_count + unknown_count), 0) FROM service_metrics)
    - (SELECT count(*) FROM service_ticks);

-- Windows select the events of a service by time; the order by time is also the order of the ids.
DROP INDEX service_events_by_service;
CREATE INDEX service_events_by_time ON service_events (service_id, date_started_ms);
