//! What comes before anything runs: limits, files, the address, the store. And why it may fail.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use diesel::sqlite::SqliteConnection;
use slog::{Logger, info};
use url::Host;

use crate::api::WriteAccess;
use crate::clock::unix_ms;
use crate::config::{Config, ConfigError};
use crate::domain::time::timestamp;
use crate::domain::{Invalid, Target};
use crate::probe::Rules;
use crate::probe::net::tls;
use crate::services_file;
use crate::services_file::{Entry, FileApplied, FileError, Stamp};
use crate::storage::history::gaps;
use crate::storage::history::gaps::Gap;
use crate::storage::reader::{LoadedService, load_known};
use crate::storage::{OpenError, StorageError, Store, connection};

/// Why the service ended, other than by a signal.
#[derive(Debug)]
pub enum Failed {
    /// The configuration or the services file cannot be accepted; nothing was started.
    Config(ConfigError),
    /// The database file cannot be used.
    Open(OpenError),
    /// The store could not be read.
    Storage(StorageError),
    /// The address cannot be listened on, or another call to the system failed.
    System(String),
    /// An actor without which nothing is to go on has died.
    ActorDied(&'static str),
    /// The store took no writes to the end; this many outcomes were measured and are not in it.
    Lost(i64),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Open(error) => error.fmt(f),
            Self::Storage(error) => error.fmt(f),
            Self::System(error) => f.write_str(error),
            Self::ActorDied(actor) => write!(f, "the {actor} has died"),
            Self::Lost(count) => {
                write!(f, "the store took no writes to the end; {count} outcomes are lost")
            }
        }
    }
}

impl std::error::Error for Failed {}

impl From<ConfigError> for Failed {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<FileError> for Failed {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Refused(problems) => Self::Config(ConfigError { problems }),
            FileError::Store(error) => Self::Storage(error),
        }
    }
}

impl From<OpenError> for Failed {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// What a start needs.
pub struct Ready {
    /// What probes keep to.
    pub rules: Rules,
    /// The address of the API.
    pub listener: TcpListener,
    /// The open store.
    pub store: Store,
    /// The living services.
    pub known: Vec<LoadedService>,
    /// What the services file looked like before it was read.
    pub stamp: Stamp,
}

/// Checks and reads everything, in the order that leaves nothing behind: the configuration and its files, the address, the
/// store.
pub fn get_ready(config: &Config, log: &Logger) -> Result<Ready, Failed> {
    let stamp = config.services_file.as_deref().map(services_file::stamp).unwrap_or_default();
    let files = read_files(config)?;
    let listener = listen(config)?;
    let store = Store::open(&config.db_file)?;
    let known = prepare(config, &store, files.entries.as_deref(), log)?;
    Ok(Ready { rules: files.rules, listener, store, known, stamp })
}

/// What the configuration leads to, read before anything is touched.
struct Files {
    rules: Rules,
    /// The entries of the services file, if there is one.
    entries: Option<Vec<Entry>>,
}

/// Checks the configuration against this machine and reads its files; every problem is told.
fn read_files(config: &Config) -> Result<Files, Failed> {
    let mut problems = Vec::new();
    if let Err(error) = config.check_descriptors(raise_descriptor_limit()?) {
        problems.extend(error.problems);
    }
    let rules = rules(config).map_err(|error| problems.extend(error.problems));
    let file = config.services_file.as_deref();
    let entries = file.map(|file| services_file::read(file, &config.variables)).transpose();
    let entries = entries.map_err(|told| problems.extend(told));
    problems.extend(config.self_check_targets.iter().filter_map(|it| unusable(config, it)));
    match (rules, entries) {
        (Ok(rules), Ok(entries)) if problems.is_empty() => Ok(Files { rules, entries }),
        _ => Err(ConfigError { problems }.into()),
    }
}

/// Why a canary can never be asked, if so.
fn unusable(config: &Config, canary: &Target) -> Option<String> {
    let invalid = |reason: &dyn fmt::Display| {
        let invalid = Invalid::new(canary.shown(), "a target that probes may reach");
        invalid.because(reason).of("SELF_CHECK_TARGETS")
    };
    let url = match canary.url(&config.variables) {
        Ok(url) => url,
        Err(why) => return Some(invalid(&why)),
    };
    let address = match url.host()? {
        Host::Ipv4(ip) => ip.into(),
        Host::Ipv6(ip) => ip.into(),
        Host::Domain(_) => return None,
    };
    config.probe_policy.check(address).err().map(|refusal| invalid(&format!("{address} {refusal}")))
}

/// What a probe keeps to, as `config` says.
pub fn rules(config: &Config) -> Result<Rules, ConfigError> {
    let trust = tls::trust(config.probe_ca_file.as_deref())
        .map_err(|invalid| ConfigError { problems: vec![invalid.of("PROBE_CA_FILE")] })?;
    let (policy, variables) = (config.probe_policy.clone(), config.variables.clone());
    Ok(Rules { trust, policy, variables })
}

/// Raises the limit of file descriptors as far as this process may, and tells how far that is.
fn raise_descriptor_limit() -> Result<u64, Failed> {
    rlimit::increase_nofile_limit(u64::MAX)
        .map_err(|error| Failed::System(format!("the limit of file descriptors: {error}")))
}

/// Takes the address of the API, before anything else is touched.
fn listen(config: &Config) -> Result<TcpListener, Failed> {
    let address = SocketAddr::new(config.api_host, config.api_port);
    TcpListener::bind(address)
        .map_err(|error| Failed::System(format!("cannot listen on {address}: {error}")))
}

/// Applies the services file, if there is one, and loads the living services.
fn prepare(
    config: &Config,
    store: &Store,
    entries: Option<&[Entry]>,
    log: &Logger,
) -> Result<Vec<LoadedService>, Failed> {
    let mut connection = open_writer(store)?;
    // Before the file is applied: what it changes, it changes now and not when we last watched.
    if let Some(Gap { from_ms, services }) = gaps::close(&mut connection, unix_ms())? {
        info!(log, "nothing was watched since this last ran; that time is unknown";
            "since" => timestamp::to_rfc3339(from_ms), "services" => services);
    }
    if let (Some(file), Some(entries)) = (&config.services_file, entries) {
        let applied = services_file::apply(&mut connection, entries, unix_ms())?;
        tell_applied(log, file, entries.len(), &applied);
    }
    Ok(load_known(&mut connection)?)
}

/// The log line for a services file that was applied.
pub fn tell_applied(log: &Logger, file: &Path, entries: usize, applied: &FileApplied) {
    let (added, changed, removed) = applied.counts;
    info!(log, "services file applied"; "file" => %file.display(), "entries" => entries,
        "added" => added, "changed" => changed, "removed" => removed);
}

/// A connection that writes, for what is done before the actors run.
pub fn open_writer(store: &Store) -> Result<SqliteConnection, Failed> {
    connection::writer(store.path()).map_err(|error| Failed::System(error.to_string()))
}

/// How to add a service, as it can be typed.
pub fn how_to_add(config: &Config, address: SocketAddr) -> String {
    let token = match WriteAccess::from_config(config) {
        WriteAccess::Token(_) => " -H \"Authorization: Bearer $API_TOKEN\"",
        WriteAccess::Loopback => "",
        WriteAccess::Denied => return "set API_TOKEN first, or a loopback API_HOST".to_owned(),
    };
    // The domain stands for every address and for the usual loopback one; another address is reached by itself only.
    let reached_by_name = address.ip().is_unspecified()
        || address.ip() == Ipv4Addr::LOCALHOST
        || config.api_domain != "localhost";
    let host = if reached_by_name {
        format!("{}:{}", config.api_domain, address.port())
    } else {
        address.to_string()
    };
    format!(
        "curl -X POST http://{host}/v1/services{token} -H 'Content-Type: application/json' \
         -d '{{\"name\": \"example\", \"url\": \"https://example.org/\"}}'",
    )
}
