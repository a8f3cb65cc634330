-- At most one row: the move that fills this store, or has filled it (docs/design/storage.md).
CREATE TABLE moves (
    id                BIGINT  PRIMARY KEY CHECK (id = 1),
    -- The id of the store that is moved, its state when the move began, and its name for people.
    source_id         TEXT    NOT NULL,
    source_state      TEXT    NOT NULL,
    source_name       TEXT    NOT NULL,
    -- Random: the process that writes. One that goes on with the move takes its place.
    mover             TEXT    NOT NULL,
    -- Every service up to this id is here.
    behind_service_id BIGINT  NOT NULL,
    -- Whether everything else is here, too.
    is_copied         BOOLEAN NOT NULL,
    -- Unix milliseconds; null until everything was compared.
    finished_ms       BIGINT
);
