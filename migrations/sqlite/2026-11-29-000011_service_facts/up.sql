-- What probes learned of their targets besides the result: a row where it changes, and at most one
-- a minute and service. A row holds until the next one of its service.
CREATE TABLE service_facts (
    id                     INTEGER PRIMARY KEY NOT NULL,
    service_id             BIGINT  NOT NULL,
    -- Unix milliseconds of the tick.
    at_ms                  BIGINT  NOT NULL,
    -- Earliest expiry of all certificates that the target sent, in unix seconds.
    certificate_expires_at BIGINT,
    -- Null without TLS.
    tls_version            TEXT,
    http_version           TEXT,
    redirects              INTEGER NOT NULL,
    -- 4 or 6; null without a connection.
    ip_version             INTEGER
);

CREATE INDEX service_facts_by_time ON service_facts (service_id, at_ms);
