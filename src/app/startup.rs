//! What happens before the actors start: checks, files, the address, the store.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use slog::{Logger, info, warn};

use crate::actors::access_registry::AccessRegistry;
use crate::api::{ApiCertificate, WriteAccess};
use crate::app::heartbeat_tokens::warn_about_tokens;
use crate::app::services_file::{canaries, check_canary, read};
use crate::clock::unix_ms;
use crate::config::{
    Config, ConfigError, MODULES_FILE, RDAP_BOOTSTRAP, REMOTE_WRITE_CA_FILE, StorageConfig,
};
use crate::domain::alert::Policy;
use crate::domain::alert::settings::AlertingSettings;
use crate::domain::live::LiveService;
use crate::domain::maintenance::Windows;
use crate::domain::time::timestamp;
use crate::domain::{FullName, Invalid, ShardSet, Target};
use crate::error::Error;
use crate::modules::Modules;
use crate::probe::Rules;
use crate::probe::exec::folder::{self, Trusted};
use crate::probe::net::tls::Trust;
use crate::probe::registry::DomainRegistry;
use crate::services_file;
use crate::services_file::{Content, FileApplied, Notices, Snapshot};
use crate::storage::coordination::Duty;
use crate::storage::records::{Gap, LoadedService, Resumed, SetBack};
use crate::storage::{Awaiting, Joiner, OpenError, PATIENCE, Store, StoreWarning};

/// What the actors and the API need to start.
pub struct Prepared {
    pub rules: Rules,
    /// Bound to the address of the API.
    pub listener: TcpListener,
    pub store: Store,
    /// The services that are not deleted.
    pub services: Vec<LoadedService>,
    /// Their states.
    pub live: Vec<LiveService>,
    /// Policies of alerting, in their order.
    pub policies: Vec<Policy>,
    pub windows: Windows,
    /// Tokens and sessions of the API.
    pub access: AccessRegistry,
    pub resumed: Resumed,
    /// Number of services that the grid of slots is computed from.
    pub spread: usize,
    /// The newest change of definitions that is loaded, if others may change them.
    pub revision: i64,
    /// State of the services file that was read.
    pub services_file: Snapshot,
    /// Keys of the services file that are not used, as they were logged.
    pub notices: Notices,
    /// Canaries of the self-check.
    pub canaries: Vec<Target>,
    /// Settings of the services file.
    pub alerting: AlertingSettings,
    /// The certificate of the API; `None` without TLS.
    pub certificate: Option<ApiCertificate>,
    /// The modules, and the state of their file; `None` without `MODULES_FILE`.
    pub modules: Option<(Modules, Snapshot)>,
    /// Of the receiver of remote write.
    pub remote_write_trust: Option<Trust>,
}

/// Takes the address, and then opens the store: with [`read_files`] before, a failed start changes
/// nothing.
///
/// Error `Interrupted` when `is_stopping` becomes true while the database is awaited.
pub fn prepare(
    config: &Config,
    files: Files,
    is_stopping: &AtomicBool,
    log: &Logger,
) -> Result<Prepared, Error> {
    let Files { services_file, rules, mut content, certificate, modules, remote_write_trust } =
        files;
    let listener = listen(config)?;
    let store = open_store(config, is_stopping, log)?;
    log_warnings(&store, log);
    let canaries = canaries(config, content.as_ref());
    let defaults = &config.services.defaults;
    let of_content = |content| services_file::differences_from_gatus(content, defaults);
    let differences = content.as_ref().map(of_content).unwrap_or_default();
    let Stored { services, live, policies, windows, access, resumed, spread, revision } =
        prepare_store(config, &store, content.as_mut(), log)?;
    warn_about_tokens(&services, &config.variables, log);
    if !differences.is_empty() {
        info!(log, "services file: {}", differences.join("; "));
    }
    let Content { notices, alerting, .. } = content.unwrap_or_default();
    log_notices(log, &notices);
    Ok(Prepared {
        rules,
        listener,
        store,
        services,
        live,
        policies,
        windows,
        access,
        resumed,
        spread,
        revision,
        services_file,
        notices,
        canaries,
        alerting,
        certificate,
        modules,
        remote_write_trust,
    })
}

/// The files that the configuration names.
pub struct Files {
    /// State of the services file that was read.
    services_file: Snapshot,
    rules: Rules,
    /// `None` without a services file.
    content: Option<Content>,
    certificate: Option<ApiCertificate>,
    modules: Option<(Modules, Snapshot)>,
    remote_write_trust: Option<Trust>,
}

/// Checks the configuration against this machine and reads its files. Reports every problem.
/// Changes nothing.
pub fn read_files(config: &Config) -> Result<Files, Error> {
    let file = config.services.file.as_deref();
    let stats = file.map(services_file::stats).unwrap_or_default();
    let mut problems = Vec::new();
    if let Err(error) = config.check_descriptors(raise_descriptor_limit()?) {
        problems.extend(error.problems);
    }
    let rules = rules(config).map_err(|error| problems.extend(error.problems));
    let content = file.map(|file| read(config, file)).transpose();
    let content = content.map_err(|found| problems.extend(found));
    let canaries = config.self_check.targets.iter();
    problems.extend(
        canaries.filter_map(|canary| check_canary(config, canary, "SELF_CHECK_TARGETS").err()),
    );
    let certificate = config.api.tls.as_ref().map(ApiCertificate::load).transpose();
    let certificate = certificate.map_err(|problem| problems.push(problem));
    let modules = config.modules.file.as_deref().map(read_modules).transpose();
    let modules = modules.map_err(|found| problems.extend(found));
    let remote_write = config.remote_write.as_ref().map(|it| Trust::load(it.ca_file.as_deref()));
    let remote_write = remote_write.transpose();
    let remote_write =
        remote_write.map_err(|invalid| problems.push(invalid.of(REMOTE_WRITE_CA_FILE.name)));
    match (rules, content, certificate, modules, remote_write) {
        (Ok(rules), Ok(content), Ok(certificate), Ok(modules), Ok(remote_write_trust))
            if problems.is_empty() =>
        {
            let services_file = file.map(|file| services_file::snapshot_since(stats, file));
            let services_file = services_file.unwrap_or_default();
            Ok(Files { services_file, rules, content, certificate, modules, remote_write_trust })
        }
        _ => Err(ConfigError { problems }.into()),
    }
}

fn read_modules(file: &Path) -> Result<(Modules, Snapshot), Vec<String>> {
    let stats = services_file::stats(file);
    let modules = Modules::read(file).map_err(|problems| {
        problems.into_iter().map(|problem| format!("{}: {problem}", MODULES_FILE.name)).collect()
    });
    modules.map(|modules: Modules| (modules, services_file::snapshot_since(stats, file)))
}

/// The rules of every probe, from `config`.
pub fn rules(config: &Config) -> Result<Rules, ConfigError> {
    let mut problems = Vec::new();
    let trust = Trust::load(config.probing.ca_file.as_deref())
        .map_err(|invalid| problems.push(invalid.of("PROBE_CA_FILE")));
    let domain_registry = DomainRegistry::new(config.domain_registry.clone())
        .map_err(|invalid| problems.push(invalid.of(RDAP_BOOTSTRAP.name)));
    let (Ok(trust), Ok(domain_registry)) = (trust, domain_registry) else {
        return Err(ConfigError { problems });
    };
    let (policy, variables) = (config.probing.policy.clone(), config.variables.clone());
    let (requests, resolver_health) = (config.process.requests, Arc::default());
    let domain_registry = Arc::new(domain_registry);
    let plugins = config.plugins.clone();
    if let Some(rules) = &plugins {
        let invalid = |why| {
            let expected = "a folder that only root and this user may write";
            Invalid::quoted(&rules.folder, expected).because(why).of("PLUGINS_DIR")
        };
        folder::check(&rules.folder, Trusted::of_this_process())
            .map_err(|why| ConfigError { problems: vec![invalid(why)] })?;
    }
    let tokens = Arc::default();
    Ok(Rules {
        trust,
        policy,
        variables,
        requests,
        resolver_health,
        plugins,
        domain_registry,
        tokens,
    })
}

/// Raises the limit of file descriptors as far as this process may, and returns it.
fn raise_descriptor_limit() -> Result<u64, Error> {
    rlimit::increase_nofile_limit(u64::MAX)
        .map_err(|error| Error::Failed(format!("cannot raise the file descriptor limit: {error}")))
}

fn listen(config: &Config) -> Result<TcpListener, Error> {
    let address = SocketAddr::new(config.api.host, config.api.port);
    TcpListener::bind(address)
        .map_err(|error| Error::Failed(format!("cannot listen on {address}: {error}")))
}

fn open_store(config: &Config, is_stopping: &AtomicBool, log: &Logger) -> Result<Store, OpenError> {
    let StorageConfig { file, database, instance_name, role, .. } = &config.storage;
    let Some(database) = database else { return Store::open_file(file) };
    let joiner = Joiner { name: instance_name, role: *role, duties: &duties(config) };
    let awaiting = Awaiting {
        patience: PATIENCE,
        is_stopping: &|| is_stopping.load(Ordering::Relaxed),
        report: &|why| warn!(log, "waiting for the database"; "why" => why),
    };
    Store::join_server(database, &joiner, &awaiting)
}

/// The duties that this instance may have.
pub fn duties(config: &Config) -> Vec<Duty> {
    let has_file = config.services.file.is_some();
    let wanted = |duty: &Duty| match duty {
        Duty::Alerts => config.storage.role.owns(),
        Duty::ServicesFile => config.storage.role.owns() && has_file,
    };
    Duty::ALL.into_iter().filter(wanted).collect()
}

fn log_warnings(store: &Store, log: &Logger) {
    for warning in store.warnings() {
        match warning {
            StoreWarning::SharedFile { file, mode } => warn!(log,
                "other users may open a file that may hold secrets; take their permissions away: \
                chmod go= FILE";
                "file" => %file.display(), "mode" => format!("{mode:03o}")),
            StoreWarning::SeveralNames { names } => warn!(log,
                "the database has several names (hard links); under another one, SQLite does not \
                find its log";
                "file" => store.name(), "names" => names),
            StoreWarning::Database(warning) => warn!(log, "database: {}", warning),
        }
    }
}

/// What the store has at the start.
struct Stored {
    services: Vec<LoadedService>,
    live: Vec<LiveService>,
    policies: Vec<Policy>,
    windows: Windows,
    access: AccessRegistry,
    resumed: Resumed,
    spread: usize,
    revision: i64,
}

/// Records the gap since the last run, applies the services file, and loads the services. Takes the
/// entries out of `content`.
fn prepare_store(
    config: &Config,
    store: &Store,
    content: Option<&mut Content>,
    log: &Logger,
) -> Result<Stored, Error> {
    let mut writer = store.access().writer()?;
    // Before the services file is applied: its changes are made now, not at the start of the gap.
    let resumed = writer.close_gap(unix_ms(), config.services.defaults.interval.get())?;
    if let Some(SetBack { by_ms, services }) = resumed.set_back {
        warn!(log,
            "the wall clock is behind the store; events and results that lay in the future were \
            moved";
            "by_seconds" => by_ms as f64 / 1e3, "services" => services);
    }
    if let Some(Gap { from_ms, services }) = resumed.gap {
        info!(log, "the monitor did not run for a while; results of that time are unknown";
            "since" => timestamp::to_rfc3339(from_ms), "services" => services);
    }
    if let (Some(file), Some(content)) = (&config.services.file, content) {
        if !store.access().duties().has(Duty::ServicesFile) {
            info!(log, "services file: another instance applies its own";
                "file" => %file.display());
            content.entries = Vec::new();
        } else {
            let applied = services_file::apply(&mut *writer, content, unix_ms())?;
            log_applied(log, file, content, &applied);
            // Before the services are loaded, so that both are never in memory together.
            content.entries = Vec::new();
        }
    }
    // Before anything is read: what others change meanwhile is found by the first look.
    let revision = match store.access().coordinator() {
        Some(coordinator) => coordinator.open()?.look(&ShardSet::ALL)?.revision,
        None => 0,
    };
    let maintenance = writer.maintenances()?.into_iter().map(|record| record.maintenance);
    let windows = maintenance.collect();
    let services = writer.load_services()?;
    let spread = writer.agree_spread(services.len(), store.was_alone())?;
    let mut live = writer.live_services(None)?;
    for (live, service) in live.iter_mut().zip(&services) {
        // Shares its texts with the scheduler.
        let FullName { group, name } = service.definition.full_name();
        (live.definition.group, live.definition.name) = (group, name);
    }
    let access = AccessRegistry::new(writer.tokens()?, writer.sessions()?);
    let policies = writer.policies()?;
    Ok(Stored { services, live, policies, windows, access, resumed, spread, revision })
}

pub fn log_applied(log: &Logger, file: &Path, content: &Content, applied: &FileApplied) {
    let &FileApplied { added, changed, removed, .. } = applied;
    info!(log, "services file applied"; "file" => %file.display(),
        "entries" => content.entries.len(), "added" => added, "changed" => changed,
        "removed" => removed, "channels" => content.channels.len(),
        "policies" => content.policies.len());
}

/// One line for each key of the services file that is not used.
pub fn log_notices(log: &Logger, notices: &Notices) {
    for notice in notices.messages() {
        warn!(log, "services file: {}", notice);
    }
}

/// A shell command that adds a service, for the log of an empty store.
pub fn example_command(config: &Config, address: SocketAddr) -> String {
    let token = match WriteAccess::from_config(config) {
        WriteAccess::Token => " -H \"Authorization: Bearer $API_TOKEN\"",
        WriteAccess::Loopback => "",
        WriteAccess::Denied => return "set API_TOKEN first, or a loopback API_HOST".to_owned(),
    };
    // API_DOMAIN names the unspecified address and 127.0.0.1. Its default, localhost, does not
    // name any other address.
    let use_domain = address.ip().is_unspecified()
        || address.ip() == Ipv4Addr::LOCALHOST
        || config.api.domain != "localhost";
    let host = if use_domain {
        format!("{}:{}", config.api.domain, address.port())
    } else {
        address.to_string()
    };
    let scheme = config.api.scheme();
    format!(
        "curl -X POST {scheme}://{host}/v1/services{token} -H 'Content-Type: application/json' \
         -d '{{\"name\": \"example\", \"url\": \"https://example.org/\"}}'",
    )
}
