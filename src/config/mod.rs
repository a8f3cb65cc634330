//! The configuration: names → [`Config`], with every problem found at once.
//!
//! [`Config::from_lookup`] takes a look-up function, so tests never touch the environment. The only I/O is in
//! [`Config::from_env`], which reads a `.env` file too. [`VARIABLES`] is the one list of names, defaults and
//! meanings.

mod env_file;
mod variables;

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

pub use variables::{VARIABLES, Variable, env_example};

use crate::domain::{Defaults, Interval, Invalid, Kind, Retention, Target, Timeout, Variables};
use crate::probe::net::policy::{Policy, parse_networks};

/// File descriptors that the program needs beside those of probes and connections.
const DESCRIPTORS_OF_OURS: u64 = 64;

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address that the API listens on.
    pub api_host: IpAddr,
    /// Port of the API; 0 picks a free one.
    pub api_port: u16,
    /// Name under which users reach the API.
    pub api_domain: String,
    /// Token that writes need, if any.
    pub api_token: Option<Secret>,
    /// Largest body of a request, in bytes.
    pub api_body_limit: usize,
    /// Connections that the API serves at once.
    pub api_max_connections: usize,
    /// The SQLite file.
    pub db_file: PathBuf,
    /// Interval and timeout of services that set none.
    pub defaults: Defaults,
    /// Number of prober actors.
    pub pool_size: usize,
    /// Probes that may wait for a prober.
    pub waiting_limit: usize,
    /// Outcomes that may wait for the store.
    pub buffer_limit: usize,
    /// Ticks of a full chunk.
    pub chunk_ticks: u32,
    /// How long history is kept.
    pub retention: Retention,
    /// Declarative list of services, if any.
    pub services_file: Option<PathBuf>,
    /// Authorities that probes trust beside the system's, if any.
    pub probe_ca_file: Option<PathBuf>,
    /// Which addresses probes may dial.
    pub probe_policy: Policy,
    /// Canaries for our own network; none means gateway and name server.
    pub self_check_targets: Vec<Target>,
    /// From which share of failures they decide, 0 to 1.
    pub self_check_share: f64,
    /// How long failures are held for that.
    pub self_check_window: Duration,
    /// How long probes under way may go on after a signal.
    pub shutdown_grace: Duration,
    /// Whether to log more.
    pub debug: bool,
    /// Name of the environment.
    pub environment: String,
    /// Name of this instance.
    pub service_name: String,
    /// Everything that is set, for the services that name variables.
    pub variables: Variables,
}

/// A text that no log line and no debug print shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one place that compares it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Everything that is wrong with a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// One sentence a problem, each naming the variable, its value and what is accepted.
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the environment, and a `.env` file in the working directory if there is one; the real environment wins.
    pub fn from_env() -> Result<Self, ConfigError> {
        let (file, mut problems) = env_file::read(Path::new(".env"));
        let mut variables = file;
        for (name, value) in std::env::vars_os().filter(|(_, value)| !value.is_empty()) {
            let text = |text: OsString| text.to_string_lossy().into_owned();
            variables.insert(text(name), text(value));
        }
        let config = Self::from_lookup(|name| variables.get(name).cloned());
        match config {
            Ok(config) if problems.is_empty() => {
                Ok(Self { variables: Variables::new(variables), ..config })
            }
            Ok(_) => Err(ConfigError { problems }),
            Err(error) => {
                problems.extend(error.problems);
                Err(ConfigError { problems })
            }
        }
    }

    /// Builds a configuration from what `lookup` says of each name. An empty value counts as not set.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut read = Reading { lookup, problems: Vec::new() };
        let config = Self {
            api_port: read.number("API_PORT", 0, u16::MAX),
            api_host: read.value("API_HOST", host),
            api_domain: read.value("API_DOMAIN", domain),
            api_token: read.optional("API_TOKEN", |text| printable(text).map(Secret)),
            api_body_limit: read.number("API_BODY_LIMIT_BYTES", 1, 64 * 1024 * 1024),
            api_max_connections: read.number("API_MAX_CONNECTIONS", 1, 1_000_000),
            db_file: read.value("DB_FILE", |text| Some(PathBuf::from(text))),
            defaults: Defaults {
                interval: read.value("RUNNER_SCRAPE_INTERVAL_SECONDS", |text| {
                    Interval::from_seconds(text.parse().ok()?).ok()
                }),
                timeout: read.value("RUNNER_HTTP_TIMEOUT_SECONDS", |text| {
                    Timeout::from_seconds(text.parse().ok()?).ok()
                }),
            },
            pool_size: read.number("RUNNER_POOL_SIZE", 1, 100_000),
            waiting_limit: read.number("RUNNER_WAITING_LIMIT", 1, 10_000_000),
            buffer_limit: read.number("RECORDER_BUFFER_LIMIT", 1, 10_000_000),
            chunk_ticks: read.number("TICKS_PER_CHUNK", 2, 65_536),
            retention: Retention {
                ticks: read.value("TICK_RETENTION_DAYS", days),
                rollups: read.value("ROLLUP_RETENTION_DAYS", days),
            },
            services_file: read.optional("SERVICES_FILE", |text| Some(PathBuf::from(text))),
            probe_ca_file: read.optional("PROBE_CA_FILE", |text| Some(PathBuf::from(text))),
            probe_policy: Policy::new(
                read.optional("PROBE_DENY_NETWORKS", parse_networks).unwrap_or_default(),
                read.optional("PROBE_ALLOW_NETWORKS", parse_networks).unwrap_or_default(),
            ),
            self_check_targets: read.optional("SELF_CHECK_TARGETS", canaries).unwrap_or_default(),
            self_check_share: f64::from(read.number::<u8>("SELF_CHECK_SHARE_PERCENT", 1, 100))
                / 100.0,
            self_check_window: read.value("SELF_CHECK_WINDOW_SECONDS", |text| seconds(text, 60.0)),
            shutdown_grace: read.value("SHUTDOWN_GRACE_SECONDS", |text| seconds(text, 3_600.0)),
            debug: read.value("DEBUG", boolean),
            environment: read.value("ENV", one_line),
            service_name: read.value("SERVICE_NAME", one_line),
            variables: Variables::default(),
        };
        if read.problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError { problems: read.problems })
        }
    }

    /// Refuses a pool, or a number of connections, that does not fit in `descriptors`, the most this process may have.
    ///
    /// A probe holds one socket and a connection of the API holds one; store, log, signals and event loops fit in the
    /// rest. While a name is looked up or addresses race, a probe holds more for a moment: what then finds no descriptor
    /// is a fault of ours and never a downtime.
    pub fn check_descriptors(&self, descriptors: u64) -> Result<(), ConfigError> {
        let (pool, api) = (self.pool_size as u64, self.api_max_connections as u64);
        let room = descriptors.saturating_sub(DESCRIPTORS_OF_OURS);
        if pool + api <= room {
            return Ok(());
        }
        let too_many = |name: &str, value: u64, most: u64| {
            let expected = format!(
                "at most {most}: RUNNER_POOL_SIZE ({pool}), API_MAX_CONNECTIONS ({api}) and \
                 {DESCRIPTORS_OF_OURS} for the program must fit in the hard limit of {descriptors} \
                 file descriptors"
            );
            Invalid::new(value, expected).of(name)
        };
        let beside = |other: u64| if other < room { room - other } else { room / 2 };
        // Each is told if it leaves nothing for the other; if neither does by itself, it is the pool.
        let mut problems = Vec::new();
        if api >= room {
            problems.push(too_many("API_MAX_CONNECTIONS", api, beside(pool)));
        }
        if pool >= room || problems.is_empty() {
            problems.push(too_many("RUNNER_POOL_SIZE", pool, beside(api)));
        }
        Err(ConfigError { problems })
    }

    /// Whether writes without a token can only come from this machine.
    pub fn listens_on_loopback(&self) -> bool {
        self.api_host.is_loopback()
    }
}

/// A reading under way: problems gather, and the rest is read on with the defaults.
struct Reading<L> {
    lookup: L,
    problems: Vec<String>,
}

impl<L: Fn(&str) -> Option<String>> Reading<L> {
    /// The value of `name`, or of its default when it is not set or not accepted.
    fn value<T>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>) -> T {
        let default = described(name).default;
        self.optional(name, &parse)
            .or_else(|| parse(default))
            .unwrap_or_else(|| unreachable!("the default of {name} is accepted"))
    }

    fn optional<T>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = (self.lookup)(name).filter(|text| !text.is_empty())?;
        let parsed = parse(&text);
        if parsed.is_none() {
            let expected = described(name).expected;
            // These may contain credentials.
            let invalid = match name {
                "API_TOKEN" | "SELF_CHECK_TARGETS" => Invalid::hidden(expected),
                _ => Invalid::quoted(text, expected),
            };
            self.problems.push(invalid.of(name));
        }
        parsed
    }

    fn number<N: FromStr + PartialOrd + Copy>(&mut self, name: &str, least: N, most: N) -> N {
        self.value(name, |text| text.parse().ok().filter(|n| (least..=most).contains(n)))
    }
}

fn described(name: &str) -> &'static Variable {
    VARIABLES
        .iter()
        .find(|variable| variable.name == name)
        .unwrap_or_else(|| unreachable!("{name} is in VARIABLES"))
}

fn host(text: &str) -> Option<IpAddr> {
    match text {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        _ => text.parse().ok(),
    }
}

/// A host as it stands in a URL: an IPv6 address gets its brackets.
fn domain(text: &str) -> Option<String> {
    let host = match text.parse() {
        Ok(IpAddr::V6(ip)) => url::Host::Ipv6(ip),
        _ => url::Host::parse(text).ok()?,
    };
    Some(host.to_string())
}

/// A time of at most so many seconds.
fn seconds(text: &str, most: f64) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    (0.0..=most).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// A number of days, at least a second.
fn days(text: &str) -> Option<Duration> {
    let days: f64 = text.parse().ok()?;
    (1.0 / 86_400.0..=36_500.0).contains(&days).then(|| Duration::from_secs_f64(days * 86_400.0))
}

/// Targets that can be asked without anything more being said of them.
fn canaries(text: &str) -> Option<Vec<Target>> {
    let parse = |text: &str| Target::template(text.trim()).ok();
    let targets: Option<Vec<Target>> = text.split(',').map(parse).collect();
    targets.filter(|all| all.iter().all(|it| !matches!(it.kind(), Kind::Dns | Kind::Push)))
}

fn one_line(text: &str) -> Option<String> {
    (!text.contains(char::is_control)).then(|| text.to_owned())
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn printable(text: &str) -> Option<String> {
    text.chars().all(|c| c.is_ascii_graphic()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_lookup(|name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
        })
    }

    #[test]
    fn nothing_set_gives_the_defaults_of_the_contract() {
        let config = with(&[]).unwrap();
        assert_eq!((config.api_port, config.pool_size), (9999, 1024));
        assert_eq!(config.defaults.interval.as_seconds(), 15.0);
        assert_eq!(config.defaults.timeout.as_seconds(), 15.0);
        assert_eq!(config.api_body_limit, 256 * 1024);
        assert!(config.listens_on_loopback() && config.api_token.is_none() && !config.debug);
    }

    #[test]
    fn every_problem_is_told_at_once_with_value_and_what_is_accepted() {
        let error = with(&[
            ("API_PORT", "99999"),
            ("RUNNER_POOL_SIZE", "-3"),
            ("RUNNER_SCRAPE_INTERVAL_SECONDS", "soon"),
            ("DEBUG", "maybe"),
        ])
        .unwrap_err();
        assert_eq!(error.problems.len(), 4);
        assert_eq!(
            error.problems[0],
            "API_PORT: invalid value \"99999\", expected a port from 0 to 65535"
        );
        assert!(error.problems[1].contains("soon") && error.problems[1].contains("0.1"));
    }

    #[test]
    fn an_empty_value_counts_as_not_set() {
        let config = with(&[("API_TOKEN", ""), ("API_PORT", "")]).unwrap();
        assert!(config.api_token.is_none());
        assert_eq!(config.api_port, 9999);
    }

    #[test]
    fn a_domain_is_a_host_and_nothing_more() {
        assert_eq!(with(&[("API_DOMAIN", "::1")]).unwrap().api_domain, "[::1]");
        assert_eq!(
            with(&[("API_DOMAIN", "mon.example.org")]).unwrap().api_domain,
            "mon.example.org"
        );
        for bad in ["a:80", "http://a", "a/b", "a b"] {
            assert!(with(&[("API_DOMAIN", bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let config = with(&[("API_TOKEN", "s3cret")]).unwrap();
        assert!(!format!("{config:?}").contains("s3cret"));
        let error = with(&[("API_TOKEN", "s3 cret")]).unwrap_err();
        assert!(!error.to_string().contains("s3 cret"));
    }

    #[test]
    fn a_pool_that_does_not_fit_in_the_descriptors_is_refused() {
        let config = with(&[("RUNNER_POOL_SIZE", "1000"), ("API_MAX_CONNECTIONS", "100")]).unwrap();
        assert!(config.check_descriptors(1_164).is_ok());
        let problems = |config: &Config, most| config.check_descriptors(most).unwrap_err().problems;
        let told = problems(&config, 1_163);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("RUNNER_POOL_SIZE: invalid value 1000, expected at most 999:"),
            "{told:?}"
        );
        let told = problems(&config, 500);
        assert!(
            told[0].starts_with("RUNNER_POOL_SIZE: invalid value 1000, expected at most 336:"),
            "{told:?}"
        );
        let told = problems(&with(&[("RUNNER_POOL_SIZE", "8")]).unwrap(), 500);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("API_MAX_CONNECTIONS: invalid value 512, expected at most 428:"),
            "{told:?}"
        );
        assert_eq!(problems(&with(&[]).unwrap(), 500).len(), 2, "each by itself is too much");
    }

    #[test]
    fn every_variable_of_the_list_is_read() {
        let asked = std::cell::RefCell::new(Vec::new());
        Config::from_lookup(|name| {
            asked.borrow_mut().push(name.to_owned());
            None
        })
        .unwrap();
        let mut asked = asked.into_inner();
        asked.sort();
        let mut listed: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
        listed.sort();
        assert_eq!(asked, listed);
    }
}
