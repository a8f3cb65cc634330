//! Keys of Gatus that load and are not used, each with the reason or an alternative.

/// Keys beside `endpoints`.
pub const TOP_LEVEL: &[(&str, &str)] = &[
    ("announcements", "not used: there is no status page yet"),
    ("concurrency", "not used: RUNNER_POOL_SIZE sets how many probes run at once"),
    ("debug", "not used: set DEBUG=true instead"),
    ("disable-monitoring-lock", "not used: RUNNER_POOL_SIZE sets how many probes run at once"),
    ("metrics", "not used: /metrics is always served"),
    ("remote", "not used: several instances share one database (DATABASE_URL)"),
    ("security", "not used: set API_TOKEN instead, and API_READ=token to restrict reads"),
    (
        "skip-invalid-config-update",
        "not used: a file that becomes invalid never changes or stops the running service",
    ),
    ("storage", "not used: set DB_FILE or DATABASE_URL instead"),
    ("suites", "not used: the endpoints of suites are not probed; list them under endpoints"),
    ("tunneling", "not used: there are no SSH tunnels; run one beside the service (ssh -L)"),
    ("ui", "not used: the dashboard has no settings, and there is no status page yet"),
    ("web", "not used: set API_PORT, API_HOST and API_TLS_CERTIFICATE_FILE instead"),
];

/// Keys of an endpoint, as paths with dots.
pub const OF_ENDPOINTS: &[(&str, &str)] = &[
    ("always-run", "not used: a key of endpoints in suites"),
    (
        "client.identity-aware-proxy",
        "not used: the request would have no Google identity token, so the endpoint is paused; \
         use bearer-token",
    ),
    (
        "client.store-cookies",
        "not used: cookies are kept within a probe and its redirects, not between probes",
    ),
    ("client.tls.renegotiation", "not used: TLS connections are never renegotiated"),
    (
        "client.tunnel",
        "not used: there are no SSH tunnels, so the endpoint is paused; run a tunnel beside the \
         service (ssh -L) and probe its local port",
    ),
    ("store", "not used: a key of endpoints in suites"),
    ("ui", "not used: the dashboard shows every endpoint alike"),
];

/// Keys in `ui` of an endpoint that hide something from readers.
pub const HIDING: &[&str] =
    &["hide-conditions", "hide-errors", "hide-hostname", "hide-port", "hide-url"];

/// The advice for [`HIDING`].
pub const HIDING_ADVICE: &str = "not used: dashboard and API show it to every client that may \
     read; give readers tokens that are limited to groups";

pub fn advice(table: &[(&str, &'static str)], key: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == key).map(|(_, advice)| *advice)
}
