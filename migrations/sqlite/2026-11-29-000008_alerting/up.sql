-- Alerting and maintenance (docs/design/alerting.md). Times are unix milliseconds. A matcher, the
-- options, the facts and the terms are JSON.

-- Signed lengths of runs of results, counted up to the longest one that is signalled.
ALTER TABLE service_metrics ADD COLUMN result_run INTEGER NOT NULL DEFAULT 0;
ALTER TABLE service_metrics ADD COLUMN slow_run INTEGER NOT NULL DEFAULT 0;
-- The smallest step of days that was signalled for the certificate in use; null for none.
ALTER TABLE service_metrics ADD COLUMN certificate_step SMALLINT;
-- Since when no certificate expires soon, while a step is signalled.
ALTER TABLE service_metrics ADD COLUMN certificate_fine_since_ms BIGINT;

-- One row.
CREATE TABLE alerting (
    id                   INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    -- 8 random letters, part of the keys that receivers get.
    instance_key         TEXT    NOT NULL,
    -- Greater than every id so far: a key never belongs to two alerts.
    next_alert_id        BIGINT  NOT NULL DEFAULT 1,
    next_notification_id BIGINT  NOT NULL DEFAULT 1
);

INSERT INTO alerting (id, instance_key)
WITH RECURSIVE letters (nth, letter) AS (
    SELECT 1, char(97 + abs(random() % 26))
    UNION ALL SELECT nth + 1, char(97 + abs(random() % 26)) FROM letters WHERE nth < 8
)
SELECT 1, group_concat(letter, '') FROM letters;

CREATE TABLE channels (
    id               INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name             TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    -- 'api' or 'file'.
    origin           TEXT    NOT NULL,
    enabled          BOOLEAN NOT NULL,
    -- Texts of the file keep their ${NAME} unfilled.
    options          TEXT    NOT NULL,
    -- Since when every delivery failed.
    failing_since_ms BIGINT
);

CREATE UNIQUE INDEX channels_name ON channels (name);

CREATE TABLE policies (
    id       INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name     TEXT    NOT NULL,
    origin   TEXT    NOT NULL,
    position BIGINT  NOT NULL,
    matcher  TEXT    NOT NULL,
    options  TEXT    NOT NULL
);

CREATE UNIQUE INDEX policies_name ON policies (name);

CREATE TABLE silences (
    id      INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    matcher TEXT    NOT NULL,
    from_ms BIGINT  NOT NULL,
    to_ms   BIGINT  NOT NULL,
    author  TEXT,
    note    TEXT
);

-- What the ledger noted for the dispatcher, which deletes it. An id is never used twice, since a
-- settlement that is repeated deletes all up to one.
CREATE TABLE alert_signals (
    id         INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    service_id BIGINT  NOT NULL,
    kind       TEXT    NOT NULL,
    -- 'begin', 'end' or 'gone'.
    edge       TEXT    NOT NULL,
    -- Results in a row, or days until the expiry of a certificate.
    amount     BIGINT  NOT NULL,
    at_ms      BIGINT  NOT NULL,
    since_ms   BIGINT  NOT NULL,
    facts      TEXT    NOT NULL
);

CREATE TABLE alerts (
    id                    INTEGER PRIMARY KEY NOT NULL,
    -- Null for an alert of the monitor's own.
    service_id            BIGINT,
    kind                  TEXT    NOT NULL,
    severity              TEXT    NOT NULL,
    state                 TEXT    NOT NULL,
    since_ms              BIGINT  NOT NULL,
    fired_ms              BIGINT,
    acknowledged_ms       BIGINT,
    acknowledged_by       TEXT,
    acknowledged_note     TEXT,
    acknowledged_until_ms BIGINT,
    resolved_ms           BIGINT,
    cause                 TEXT,
    -- The greatest count of its signals.
    amount                BIGINT  NOT NULL,
    suppressed_by         TEXT,
    group_name            TEXT,
    facts                 TEXT    NOT NULL
);

CREATE UNIQUE INDEX alerts_open ON alerts (coalesce(service_id, 0), kind)
WHERE state <> 'resolved';
CREATE INDEX alerts_by_end ON alerts (resolved_ms) WHERE resolved_ms IS NOT NULL;
CREATE INDEX alerts_by_service ON alerts (service_id);

-- What one channel knows of an alert or of a group; the outbox is those with
-- delivered < revision.
CREATE TABLE notifications (
    id              INTEGER PRIMARY KEY NOT NULL,
    channel_id      BIGINT  NOT NULL,
    recipient       TEXT,
    -- Null for an entry of the service's own alerts.
    policy_id       BIGINT,
    scope           TEXT    NOT NULL,
    step            INTEGER NOT NULL,
    revision        BIGINT  NOT NULL,
    delivered       BIGINT  NOT NULL,
    state           TEXT    NOT NULL,
    due_ms          BIGINT,
    attempts        BIGINT  NOT NULL,
    revised_ms      BIGINT  NOT NULL,
    reference       TEXT,
    reminder_due_ms BIGINT,
    opened_ms       BIGINT  NOT NULL,
    closed_ms       BIGINT,
    is_dead         BOOLEAN NOT NULL,
    terms           TEXT    NOT NULL
);

CREATE INDEX notifications_open ON notifications (id) WHERE closed_ms IS NULL;
CREATE INDEX notifications_by_end ON notifications (closed_ms) WHERE closed_ms IS NOT NULL;

CREATE TABLE notification_alerts (
    notification_id BIGINT NOT NULL,
    alert_id        BIGINT NOT NULL,
    PRIMARY KEY (notification_id, alert_id)
) WITHOUT ROWID;

CREATE INDEX notification_alerts_by_alert ON notification_alerts (alert_id);

-- Attempts. They outlive their notification.
CREATE TABLE deliveries (
    id              INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    notification_id BIGINT  NOT NULL,
    channel_id      BIGINT  NOT NULL,
    revision        BIGINT  NOT NULL,
    at_ms           BIGINT  NOT NULL,
    took_ms         BIGINT  NOT NULL,
    outcome         TEXT    NOT NULL,
    http_status     INTEGER,
    error           TEXT
);

-- A settlement that is repeated adds nothing.
CREATE UNIQUE INDEX deliveries_once ON deliveries (notification_id, revision, at_ms, outcome);
CREATE INDEX deliveries_by_channel ON deliveries (channel_id);
CREATE INDEX deliveries_by_time ON deliveries (at_ms);

CREATE TABLE maintenances (
    id           INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    origin       TEXT   NOT NULL,
    -- JSON: schedule, services, note.
    definition   TEXT   NOT NULL,
    -- Since when the definition holds.
    effective_ms BIGINT NOT NULL,
    -- Every span that begins up to here is written.
    mark_ms      BIGINT NOT NULL,
    -- Unix seconds.
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);

-- What was in maintenance, written as it begins: a changed definition changes no history.
CREATE TABLE maintenance_spans (
    -- 0 for every service.
    service_id     BIGINT NOT NULL,
    from_ms        BIGINT NOT NULL,
    -- Exclusive; the planned end while it lasts.
    to_ms          BIGINT NOT NULL,
    maintenance_id BIGINT NOT NULL,
    PRIMARY KEY (service_id, from_ms, maintenance_id)
) WITHOUT ROWID;

CREATE INDEX maintenance_spans_by_end ON maintenance_spans (to_ms);
