-- Who changed what: a row in the transaction of each change. Kept as long as events.
CREATE TABLE audit (
    id          INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- Unix milliseconds.
    at_ms       BIGINT NOT NULL,
    -- token NAME, API_TOKEN, this machine, file, command.
    actor       TEXT   NOT NULL,
    token_id    BIGINT,
    -- Address of the client.
    address     TEXT,
    action      TEXT   NOT NULL,
    object      TEXT   NOT NULL,
    object_id   BIGINT,
    object_name TEXT,
    -- JSON: the fields that differ, with secrets masked.
    before      TEXT,
    after       TEXT
);

CREATE INDEX audit_by_object ON audit (object, object_id, id);
CREATE INDEX audit_by_time ON audit (at_ms);
