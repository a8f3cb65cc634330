//! The configuration from environment variables and a `.env` file.
//!
//! Each subject has a file with its variables, its settings and their validation. All problems are
//! reported at once. [`Config::from_lookup`] takes a look-up function, so tests do not depend on
//! the environment. It reads no files but those that a valid value needs (`DATABASE_CA_FILE`, the
//! authorities and the name of this machine); [`Config::from_env`] reads environment and `.env`.

mod alerting;
mod api;
mod descriptors;
mod domain_registry;
#[cfg(test)]
mod env_example;
mod env_file;
mod error;
mod instance_name;
mod modules;
mod plugins;
mod probing;
mod process;
mod queries;
mod reader;
mod remote_write;
mod secret;
mod self_check;
mod services;
mod storage;
mod variable;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

pub use alerting::AlertingConfig;
pub use api::{
    ApiConfig, RESERVED_CONNECTIONS, TLS_CERTIFICATE as API_TLS_CERTIFICATE,
    TLS_KEY as API_TLS_KEY, TlsFiles,
};
pub use domain_registry::BOOTSTRAP as RDAP_BOOTSTRAP;
pub use error::ConfigError;
pub use modules::{FILE as MODULES_FILE, ModulesConfig};
pub use probing::ProbingConfig;
pub use process::ProcessConfig;
pub use queries::QueriesConfig;
pub use remote_write::{CA_FILE as REMOTE_WRITE_CA_FILE, RemoteWriteConfig};
pub use secret::Secret;
pub use self_check::SelfCheckConfig;
pub use services::ServicesConfig;
pub use storage::StorageConfig;
pub use variable::{Section, Variable};

use crate::config::reader::Reader;
use crate::domain::service::template::Variables;
use crate::probe::exec::launcher::PluginRules;
use crate::probe::registry;

/// All variables by subject, in the order of `.env.example`.
pub const SECTIONS: [Section; 12] = [
    api::SECTION,
    services::SECTION,
    probing::SECTION,
    modules::SECTION,
    plugins::SECTION,
    domain_registry::SECTION,
    self_check::SECTION,
    alerting::SECTION,
    queries::SECTION,
    storage::SECTION,
    remote_write::SECTION,
    process::SECTION,
];

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    pub api: ApiConfig,
    pub services: ServicesConfig,
    pub probing: ProbingConfig,
    pub modules: ModulesConfig,
    /// `None` without a folder of plugins.
    pub plugins: Option<PluginRules>,
    pub domain_registry: registry::Settings,
    pub self_check: SelfCheckConfig,
    pub alerting: AlertingConfig,
    pub queries: QueriesConfig,
    pub storage: StorageConfig,
    /// `None` without a receiver.
    pub remote_write: Option<RemoteWriteConfig>,
    pub process: ProcessConfig,
    /// The environment without secrets of servers of this program, for the templates of services.
    pub variables: Variables,
}

impl Config {
    /// Reads the environment, and a `.env` file in the working directory if there is one. The
    /// environment overrides the file.
    pub fn from_env() -> Result<Self, ConfigError> {
        let (mut variables, mut problems) = env_file::read(Path::new(".env"));
        // An empty value counts as not set, also for the templates of services.
        variables.retain(|_, value| !value.is_empty());
        for (name, value) in std::env::vars_os().filter(|(_, value)| !value.is_empty()) {
            let text = |text: OsString| text.to_string_lossy().into_owned();
            variables.insert(text(name), text(value));
        }
        let config = Self::from_lookup(|name| variables.get(name).cloned());
        match config {
            Ok(config) if problems.is_empty() => {
                Ok(Self { variables: for_templates(variables), ..config })
            }
            Ok(_) => Err(ConfigError { problems }),
            Err(error) => {
                problems.extend(error.problems);
                Err(ConfigError { problems })
            }
        }
    }

    /// Reads variables from `lookup`. An empty value counts as not set.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(&lookup);
        let api = ApiConfig::read(&mut reader);
        let port = api.port;
        let config = Self {
            api,
            services: ServicesConfig::read(&mut reader),
            probing: ProbingConfig::read(&mut reader),
            modules: ModulesConfig::read(&mut reader),
            plugins: plugins::read(&mut reader),
            domain_registry: domain_registry::read(&mut reader),
            self_check: SelfCheckConfig::read(&mut reader),
            alerting: AlertingConfig::read(&mut reader),
            queries: QueriesConfig::read(&mut reader),
            storage: StorageConfig::read(&mut reader, port),
            remote_write: remote_write::read(&mut reader),
            process: ProcessConfig::read(&mut reader),
            variables: Variables::default(),
        };
        match reader.problems {
            problems if problems.is_empty() => Ok(config),
            problems => Err(ConfigError { problems }),
        }
    }

    /// Checks the pool and the connections against `limit`, the hard limit of file descriptors.
    pub fn check_descriptors(&self, limit: u64) -> Result<(), ConfigError> {
        let pool = self.probing.pool_size as u64;
        descriptors::check(pool, self.api.max_connections as u64, limit)
    }
}

/// A services file must not send the password of the store, or the token of the receiver of remote
/// write, to a target.
fn for_templates(mut variables: HashMap<String, String>) -> Variables {
    variables.remove(storage::DATABASE_URL.name);
    variables.remove(remote_write::TOKEN.name);
    Variables::new(variables)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_lookup(|name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
        })
    }

    #[test]
    fn nothing_set_gives_the_defaults_of_the_contract() {
        let config = with(&[]).unwrap();
        assert_eq!((config.api.port, config.probing.pool_size), (9999, 1024));
        assert_eq!(config.services.defaults.interval.as_seconds(), 15.0);
        assert_eq!(config.services.defaults.timeout.as_seconds(), 15.0);
        assert_eq!(config.api.body_limit, 256 * 1024);
        assert!(config.api.listens_on_loopback() && config.api.token.is_none());
    }

    #[test]
    fn all_problems_are_reported_with_value_and_valid_values() {
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
    fn streams_take_at_most_half_of_the_connections() {
        let streams = |pairs: &[(&str, &str)]| with(pairs).map(|config| config.api.max_streams);
        assert_eq!(streams(&[]).unwrap(), 192);
        assert_eq!(streams(&[("API_MAX_CONNECTIONS", "100")]).unwrap(), 50);
        assert_eq!(streams(&[("API_MAX_CONNECTIONS", "1")]).unwrap(), 0);
        assert_eq!(streams(&[("STREAM_MAX_CONNECTIONS", "256")]).unwrap(), 256);
        let error = streams(&[("STREAM_MAX_CONNECTIONS", "257")]).unwrap_err();
        let expected = "STREAM_MAX_CONNECTIONS: invalid value \"257\", expected a number from 0 to \
                        half of API_MAX_CONNECTIONS";
        assert_eq!(error.problems, [expected]);
    }

    #[test]
    fn an_empty_value_counts_as_not_set() {
        let config = with(&[("API_TOKEN", ""), ("API_PORT", "")]).unwrap();
        assert!(config.api.token.is_none());
        assert_eq!(config.api.port, 9999);
    }

    #[test]
    fn a_domain_is_only_a_host() {
        assert_eq!(with(&[("API_DOMAIN", "::1")]).unwrap().api.domain, "[::1]");
        assert_eq!(with(&[("API_DOMAIN", "Mon.example.")]).unwrap().api.domain, "mon.example");
        assert_eq!(
            with(&[("API_DOMAIN", "mon.example.org")]).unwrap().api.domain,
            "mon.example.org"
        );
        for bad in ["a:80", "http://a", "a/b", "a b", "*", "u@a", "a,,b"] {
            assert!(with(&[("API_DOMAIN", bad)]).is_err(), "{bad}");
            assert!(with(&[("API_HOSTS", bad)]).is_err(), "{bad}");
        }
        let hosts = with(&[("API_HOSTS", "Mon.example., my_app,::1, 10.0.0.1")]).unwrap().api.hosts;
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["mon.example", "my_app", "[::1]", "10.0.0.1"]);
    }

    #[test]
    fn a_token_has_at_least_16_characters() {
        assert!(with(&[("API_TOKEN", "0123456789abcdef")]).unwrap().api.token.is_some());
        let error = with(&[("API_TOKEN", "0123456789abcde")]).unwrap_err().to_string();
        assert!(error.contains("API_TOKEN: invalid value, expected at least 16 "), "{error}");
        assert!(!error.contains("0123"), "{error}");
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let text = "https://Grafana.example.org/, http://localhost:3000,https://a.example:443";
        let origins = with(&[("API_CORS_ORIGINS", text)]).unwrap().api.cors_origins;
        let expected =
            ["https://grafana.example.org", "http://localhost:3000", "https://a.example"];
        assert_eq!(origins, expected);
        for bad in ["*", "a.example", "https://a.example/b", "https://u@a.example", "null", ","] {
            let error = with(&[("API_CORS_ORIGINS", bad)]).unwrap_err();
            assert!(error.problems[0].starts_with("API_CORS_ORIGINS: invalid value"), "{bad}");
        }
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let certificate = ("API_TLS_CERTIFICATE_FILE", "a.pem");
        let key = ("API_TLS_KEY_FILE", "a.key");
        let tls = with(&[certificate, key]).unwrap().api.tls.unwrap();
        assert_eq!((tls.certificate, tls.key), ("a.pem".into(), "a.key".into()));
        for (set, problem) in [
            (certificate, "API_TLS_KEY_FILE: required together with API_TLS_CERTIFICATE_FILE"),
            (key, "API_TLS_CERTIFICATE_FILE: required together with API_TLS_KEY_FILE"),
        ] {
            assert_eq!(with(&[set]).unwrap_err().problems, [problem]);
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let config = with(&[("API_TOKEN", "s3cret-s3cret-s3cret")]).unwrap();
        assert!(!format!("{config:?}").contains("s3cret"));
        let error = with(&[("API_TOKEN", "s3 cret s3cret s3cret")]).unwrap_err();
        assert!(!error.to_string().contains("s3 cret"));
    }

    #[test]
    fn the_url_of_the_database_is_never_shown() {
        let url = "postgres://mon:s3cret@db.example/uptime";
        let config = with(&[("DATABASE_URL", url)]).unwrap();
        assert!(!format!("{config:?}").contains("s3cret"));
        let database = config.storage.database.unwrap();
        assert_eq!(database.shown(), "postgres://mon:***@db.example:5432/uptime");
        let error = with(&[("DATABASE_URL", &format!("{url}?sslmode=prefer"))]).unwrap_err();
        assert_eq!(error.problems.len(), 1);
        let problem = &error.problems[0];
        assert!(
            problem.starts_with("DATABASE_URL: invalid value sslmode=prefer, expected disable")
        );
        assert!(!problem.contains("s3cret"), "{problem}");
    }

    #[test]
    fn a_services_file_does_not_see_secrets_of_this_programs_servers() {
        let names = ["DATABASE_URL", "REMOTE_WRITE_TOKEN", "ENV"];
        let variables = names.map(|name| (name.to_owned(), "x".to_owned()));
        let variables = for_templates(HashMap::from(variables));
        assert_eq!(names.map(|name| variables.get(name)), [None, None, Some("x")]);
    }

    #[test]
    fn the_store_is_a_file_without_the_url_of_a_database() {
        let storage = with(&[("API_PORT", "8080")]).unwrap().storage;
        assert!(storage.database.is_none());
        assert!(storage.instance_name.ends_with("-8080"), "{}", storage.instance_name);
        assert_eq!(storage.instance_ttl, Duration::from_secs(10));
        // A file of authorities without a database is not read.
        assert!(with(&[("DATABASE_CA_FILE", "missing.pem")]).is_ok());
        let remote = ("DATABASE_URL", "postgres://db.example/uptime");
        let error = with(&[remote, ("DATABASE_CA_FILE", "missing.pem")]).unwrap_err();
        assert!(error.problems[0].starts_with("DATABASE_CA_FILE: invalid value \"missing.pem\""));
    }

    #[test]
    fn an_instance_has_a_name_and_a_time_to_live() {
        let storage = with(&[("INSTANCE_NAME", "a b"), ("INSTANCE_TTL_SECONDS", "300")]).unwrap();
        let storage = storage.storage;
        assert_eq!(storage.instance_name, "a b");
        assert_eq!(storage.instance_ttl, Duration::from_secs(300));
        for (name, bad) in [
            ("INSTANCE_NAME", " "),
            ("INSTANCE_NAME", "a\nb"),
            ("INSTANCE_TTL_SECONDS", "2"),
            ("INSTANCE_TTL_SECONDS", "301"),
            ("INSTANCE_TTL_SECONDS", "3.5"),
        ] {
            let error = with(&[(name, bad)]).unwrap_err();
            assert!(error.problems[0].starts_with(&format!("{name}: invalid value")), "{bad:?}");
        }
    }

    #[test]
    fn deliveries_are_stored_for_thirty_days_unless_configured() {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        assert_eq!(with(&[]).unwrap().storage.retention.deliveries, days(30));
        let week = with(&[("DELIVERY_RETENTION_DAYS", "7")]).unwrap();
        assert_eq!(week.storage.retention.deliveries, days(7));
        let error = with(&[("DELIVERY_RETENTION_DAYS", "0")]).unwrap_err();
        assert!(error.problems[0].starts_with("DELIVERY_RETENTION_DAYS: invalid value"));
        let url = with(&[("PUBLIC_URL", "https://mon.example.org/")]).unwrap().alerting.public_url;
        assert_eq!(url.as_deref(), Some("https://mon.example.org"));
    }

    #[test]
    fn every_variable_of_the_list_is_read() {
        let names = std::cell::RefCell::new(Vec::new());
        Config::from_lookup(|name| {
            names.borrow_mut().push(name.to_owned());
            None
        })
        .unwrap();
        let mut read = names.into_inner();
        read.sort();
        read.dedup();
        let variables = SECTIONS.iter().flat_map(|section| section.variables);
        let mut listed: Vec<_> = variables.map(|variable| variable.name).collect();
        listed.sort();
        assert_eq!(read, listed);
    }
}
