-- Sealing in small transactions (docs/design/history.md).

-- Fresh ticks that are being sealed. When a sealing begins, this table and service_ticks exchange
-- their names, so both have the same columns. Empty while no sealing runs.
CREATE TABLE sealing_ticks (
    id               INTEGER PRIMARY KEY NOT NULL,
    service_id       BIGINT  NOT NULL,
    step_back        BIGINT,
    is_up            BOOLEAN NOT NULL,
    is_unknown       BOOLEAN NOT NULL DEFAULT FALSE,
    http_status      INTEGER,
    failure          TEXT,
    created_at_ms    BIGINT  NOT NULL,
    dns_us           BIGINT,
    connect_us       BIGINT,
    tls_us           BIGINT,
    first_byte_us    BIGINT,
    transfer_us      BIGINT,
    unphased_us      BIGINT,
    response_time_us BIGINT  GENERATED ALWAYS AS
        (coalesce(dns_us, 0) + coalesce(connect_us, 0) + coalesce(tls_us, 0)
        + coalesce(first_byte_us, 0) + coalesce(transfer_us, 0) + coalesce(unphased_us, 0)) VIRTUAL,
    response_time_ms DOUBLE  GENERATED ALWAYS AS (response_time_us / 1000.0) VIRTUAL,
    created_at       BIGINT  GENERATED ALWAYS AS (created_at_ms / 1000) VIRTUAL
);

-- The running sealing: its newest tick and its newest event; both null while no sealing runs.
ALTER TABLE history ADD COLUMN sealing_tick_id BIGINT;
ALTER TABLE history ADD COLUMN sealing_event_id BIGINT;
-- Services up to this id are sealed, so their rows in sealing_ticks are obsolete.
ALTER TABLE history ADD COLUMN sealing_service_id BIGINT NOT NULL DEFAULT 0;
-- Number of ticks that it has sealed.
ALTER TABLE history ADD COLUMN sealing_tick_count BIGINT NOT NULL DEFAULT 0;

-- Every tick that is not sealed yet, for other tools. Queries for the ticks of one service follow
-- the chain instead.
CREATE VIEW fresh_ticks AS
SELECT * FROM service_ticks
UNION ALL
SELECT * FROM sealing_ticks WHERE service_id > (SELECT sealing_service_id FROM history);
