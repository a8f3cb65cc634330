-- Tokens of the API and sessions of browsers (docs/security.md). Times are unix milliseconds.

CREATE TABLE api_tokens (
    -- Never used twice: the audit log refers to it.
    id              INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name            TEXT    NOT NULL,
    -- The first 8 characters.
    shown           TEXT    NOT NULL,
    -- SHA-256 of the whole token, which is stored nowhere.
    hash            BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    -- JSON lists; groups is null for all.
    scopes          TEXT    NOT NULL,
    groups          TEXT,
    created_at_ms   BIGINT  NOT NULL,
    created_by      TEXT    NOT NULL,
    expires_at_ms   BIGINT,
    -- Up to five minutes too old.
    last_used_at_ms BIGINT,
    revoked_at_ms   BIGINT
);

CREATE UNIQUE INDEX api_tokens_living_name ON api_tokens (name) WHERE revoked_at_ms IS NULL;

CREATE TABLE api_sessions (
    -- SHA-256 of the cookie.
    hash          BLOB   PRIMARY KEY NOT NULL CHECK (length(hash) = 32),
    -- 0 for API_TOKEN.
    token_id      BIGINT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX api_sessions_by_token ON api_sessions (token_id, created_at_ms);
CREATE INDEX api_sessions_by_end ON api_sessions (expires_at_ms);
