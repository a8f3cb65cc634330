//! The one list of variables. `.env.example` and docs/configuration.md are compared with it by tests.

/// One variable of the configuration.
pub struct Variable {
    /// Its name in the environment.
    pub name: &'static str,
    /// What holds when it is not set; empty when nothing does.
    pub default: &'static str,
    /// The valid values, as a noun phrase.
    pub expected: &'static str,
    /// What it is for.
    pub about: &'static str,
}

const fn variable(
    name: &'static str,
    default: &'static str,
    expected: &'static str,
    about: &'static str,
) -> Variable {
    Variable { name, default, expected, about }
}

/// Every variable there is, in the order of `.env.example`.
pub const VARIABLES: &[Variable] = &[
    variable(
        "API_PORT",
        "9999",
        "a port from 0 to 65535",
        "port of the API; 0 picks a free one, the log tells which",
    ),
    variable(
        "API_HOST",
        "127.0.0.1",
        "an IP address or localhost",
        "address that the API listens on",
    ),
    variable(
        "API_DOMAIN",
        "localhost",
        "a host name or IP address",
        "name under which users reach the API; used in what the service prints",
    ),
    variable(
        "API_TOKEN",
        "",
        "visible ASCII characters without spaces",
        "writes need `Authorization: Bearer` with this token; without it they are allowed on a loopback API_HOST only",
    ),
    variable(
        "API_BODY_LIMIT_BYTES",
        "262144",
        "a number from 1 to 67108864",
        "largest body of a request",
    ),
    variable(
        "API_MAX_CONNECTIONS",
        "512",
        "a number from 1 to 1000000",
        "connections that the API serves at once",
    ),
    variable("DB_FILE", "db.db", "a file name", "the SQLite file, created when missing"),
    variable(
        "RUNNER_SCRAPE_INTERVAL_SECONDS",
        "15",
        "a number of seconds from 0.1 to 2592000",
        "interval of services that set none",
    ),
    variable(
        "RUNNER_HTTP_TIMEOUT_SECONDS",
        "15",
        "a number of seconds from 0.001 to 3600",
        "timeout of services that set none",
    ),
    variable(
        "RUNNER_POOL_SIZE",
        "1024",
        "a number from 1 to 100000",
        "number of prober actors: never more probes than this at once",
    ),
    variable(
        "RUNNER_WAITING_LIMIT",
        "65536",
        "a number from 1 to 10000000",
        "probes that may wait for a prober; what finds the line full is missed",
    ),
    variable(
        "RECORDER_BUFFER_LIMIT",
        "65536",
        "a number from 1 to 10000000",
        "outcomes that may wait for the store",
    ),
    variable(
        "TICK_RETENTION_DAYS",
        "30",
        "a number of days from 0.0000116 (a second) to 36500",
        "how long every single result is kept",
    ),
    variable(
        "ROLLUP_RETENTION_DAYS",
        "1830",
        "a number of days from 0.0000116 (a second) to 36500",
        "how long events and what results add up to an hour and a day are kept",
    ),
    variable(
        "TICKS_PER_CHUNK",
        "2048",
        "a number from 2 to 65536",
        "results of a service that are packed together; more take less room, fewer are packed sooner",
    ),
    variable(
        "SERVICES_FILE",
        "",
        "the name of a file or folder",
        "declarative list of services in Gatus's form, or a folder of such files; applied at start, on SIGHUP and when it changes",
    ),
    variable(
        "PROBE_CA_FILE",
        "",
        "a file name",
        "PEM file of authorities that probes trust beside the system's",
    ),
    variable(
        "PROBE_DENY_NETWORKS",
        "",
        "networks or addresses such as 10.0.0.0/8, separated by commas",
        "networks that probes never reach; link-local and cloud metadata addresses are never reached anyway",
    ),
    variable(
        "PROBE_ALLOW_NETWORKS",
        "",
        "networks or addresses such as 10.1.0.0/16, separated by commas",
        "exceptions from PROBE_DENY_NETWORKS",
    ),
    variable(
        "SELF_CHECK_TARGETS",
        "",
        "URLs as services have them, separated by commas",
        "canaries: while none of them answers, our own network is gone and failures are unknown; gateway and name server when not set",
    ),
    variable(
        "SELF_CHECK_SHARE_PERCENT",
        "50",
        "a number from 1 to 100",
        "from which share of services that fail together the canaries decide",
    ),
    variable(
        "SELF_CHECK_WINDOW_SECONDS",
        "3",
        "a number of seconds from 0 to 60",
        "how long a failure that may be our own network is held until that is decided; 0 never holds one",
    ),
    variable(
        "SHUTDOWN_GRACE_SECONDS",
        "10",
        "a number of seconds from 0 to 3600",
        "how long probes under way may go on after SIGTERM or SIGINT",
    ),
    variable("DEBUG", "false", "true or false", "log more: every request, every probe"),
    variable(
        "ENV",
        "production",
        "any text",
        "name of the environment, told in the first log line",
    ),
    variable(
        "SERVICE_NAME",
        "service-healthcheck",
        "any text",
        "name of this instance, told in the first log line",
    ),
];

/// The text of `.env.example`: every variable with its meaning, its valid values and its default.
pub fn env_example() -> String {
    let mut text = String::from(
        "# Configuration of service-healthcheck: copy to .env and uncomment what should differ from the default.\n\
         # A variable of the real environment wins over this file; an empty value counts as not set.\n",
    );
    for Variable { name, default, expected, about } in VARIABLES {
        text.push_str(&format!("\n# {about}\n# valid: {expected}\n#{name}={default}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_file_is_what_the_code_says() {
        assert!(
            include_str!("../../.env.example") == env_example(),
            "expected:\n{}",
            env_example()
        );
    }
}
