//! The only wiring: opens the store, starts the actors, serves, and stops everything in order.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use actix_web::dev::ServerHandle;
use slog::{Logger, error, info, warn};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::actors::Lifeline;
use crate::actors::board::Board;
use crate::actors::pool::{Drain, Pool};
use crate::actors::prober::{Parts, Prober};
use crate::actors::reader::Reader;
use crate::actors::recorder::{Flush, Recorder, Subscribe};
use crate::actors::scheduler::{Scheduler, Stop};
use crate::actors::writer::Writer;
use crate::config::{Config, ConfigError};
use crate::http::{self, Api, Writes};
use crate::import::go_db;
use crate::logging::Throttle;
use crate::probe::tls::{self, Trust};
use crate::probe::unix_ms;
use crate::services_file::{self, Entry};
use crate::shutdown::Signals;
use crate::storage::reader::{Known, load_known};
use crate::storage::{OpenError, StorageError, Store, connection};
use crate::telemetry::Telemetry;

/// Threads that read the store.
const READERS: usize = 2;

/// Of the grace period, the part that is kept for writing out what was measured: a tenth, and at most this.
const FLUSH_RESERVE: Duration = Duration::from_millis(500);

/// Longest grace period after an actor has died: most of what would be waited for cannot come any more.
const GRACE_AFTER_DEATH: Duration = Duration::from_secs(1);

/// Time to write out what was measured, even when the grace period is shorter.
const FLUSH_AT_LEAST: Duration = Duration::from_secs(2);

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

/// Runs the service until a signal stops it.
pub fn run(config: &Config, log: &Logger) -> Result<(), Failed> {
    System::new().block_on(async {
        // First of all, so that a signal during a long start stops it in order too.
        let mut signals = Signals::new().map_err(|error| Failed::System(error.to_string()))?;
        let files = read_files(config)?;
        if files.trust.authorities == 0 {
            warn!(
                log,
                "no certificate authority is known, so every https probe will fail; \
                install ca-certificates or set PROBE_CA_FILE"
            );
        }
        let listener = listen(config)?;
        let store = Store::open(&config.db_file)?;
        let known = prepare(config, &store, files.entries.as_deref(), log)?;
        let house = House::start(config, &store, files.trust, listener, known, log)?;
        house.live(&mut signals, config.shutdown_grace, log).await
    })
}

/// What the configuration leads to, read before anything is touched.
struct Files {
    trust: Trust,
    /// The entries of the services file, if there is one.
    entries: Option<Vec<Entry>>,
}

/// Checks the configuration against this machine and reads its files; every problem is told.
fn read_files(config: &Config) -> Result<Files, Failed> {
    let mut problems = Vec::new();
    if let Err(error) = config.check_descriptors(raise_descriptor_limit()?) {
        problems.extend(error.problems);
    }
    let trust = tls::trust(config.probe_ca_file.as_deref()).map_err(|why| {
        problems.push(format!("PROBE_CA_FILE: {why}; accepted is a PEM file of certificates"));
    });
    let entries = config.services_file.as_deref().map(services_file::read).transpose();
    let entries = entries.map_err(|told| problems.extend(told));
    match (trust, entries) {
        (Ok(trust), Ok(entries)) if problems.is_empty() => Ok(Files { trust, entries }),
        _ => Err(ConfigError { problems }.into()),
    }
}

/// Takes over a database of go-service-healthcheck into the configured store.
pub fn import_go_db(config: &Config, file: &Path) -> Result<go_db::Summary, Failed> {
    let store = Store::open(&config.db_file)?;
    let mut connection =
        connection::writer(store.path()).map_err(|error| Failed::System(error.to_string()))?;
    go_db::import(file, &mut connection).map_err(Failed::System)
}

/// Raises the limit of file descriptors as far as this process may, and tells how far that is.
fn raise_descriptor_limit() -> Result<u64, Failed> {
    rlimit::increase_nofile_limit(u64::MAX)
        .map_err(|error| Failed::System(format!("the limit of file descriptors: {error}")))
}

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
) -> Result<Vec<Known>, Failed> {
    let mut connection =
        connection::writer(store.path()).map_err(|error| Failed::System(error.to_string()))?;
    if let (Some(file), Some(entries)) = (&config.services_file, entries) {
        let known = load_known(&mut connection)?;
        let plan = services_file::plan(entries, &known)
            .map_err(|problems| ConfigError { problems: problems.located(file) })?;
        let done = services_file::apply(&plan, &mut connection, unix_ms())?;
        info!(log, "services file applied"; "file" => %file.display(), "entries" => entries.len(),
            "added" => done.added, "changed" => done.changed, "removed" => done.removed);
    }
    Ok(load_known(&mut connection)?)
}

/// Everything that runs.
struct House {
    scheduler: Addr<Scheduler>,
    pool: Addr<Pool>,
    recorder: Addr<Recorder>,
    server: ServerHandle,
    telemetry: Telemetry,
    /// The names of actors that died; none of them may.
    deaths: mpsc::UnboundedReceiver<&'static str>,
    /// The arbiters of the probers; they end with the house.
    arbiters: Vec<Arbiter>,
}

impl House {
    fn start(
        config: &Config,
        store: &Store,
        trust: Trust,
        listener: TcpListener,
        known: Vec<Known>,
        log: &Logger,
    ) -> Result<Self, Failed> {
        let telemetry = Telemetry::new();
        let (died, deaths) = mpsc::unbounded_channel();
        let address = listener.local_addr().map_err(|error| Failed::System(error.to_string()))?;
        let nothing_to_do = known.is_empty();

        let recorder = start_recorder(config, store, &known, &telemetry, &died, log);
        let arbiters: Vec<Arbiter> = (0..cores()).map(|_| Arbiter::new()).collect();
        let parts = Parts {
            trust,
            recorder: recorder.clone(),
            telemetry: telemetry.clone(),
            faults: Arc::new(Throttle::default()),
            log: log.clone(),
        };
        let pool = start_pool(config, &arbiters, parts, &telemetry, &died, log);
        let scheduler = Scheduler::new(
            known,
            config.defaults,
            pool.clone(),
            telemetry.clone(),
            Lifeline::new("scheduler", &died),
        )
        .start();
        recorder.do_send(Subscribe(scheduler.clone().recipient()));

        let api = Api {
            recorder: recorder.clone(),
            scheduler: scheduler.clone(),
            telemetry: telemetry.clone(),
            defaults: config.defaults,
            writes: writes(config),
            body_limit: config.api_body_limit,
            log: log.clone(),
        };
        let server = http::serve(api, listener, config.api_max_connections, config.shutdown_grace)
            .map_err(|error| Failed::System(error.to_string()))?;
        let handle = server.handle();
        let lifeline = Lifeline::new("API", &died);
        actix_rt::spawn(async move {
            // However it ended, nothing answers any more.
            let _ = server.await;
            drop(lifeline);
        });

        info!(log, "started"; "name" => &config.service_name, "env" => &config.environment,
            "version" => env!("CARGO_PKG_VERSION"), "db_file" => store.path(), "pool_size" => config.pool_size);
        info!(log, "listening"; "address" => %address);
        if nothing_to_do {
            info!(
                log,
                "no service is watched yet; add the first one with: {}",
                how_to_add(config, address)
            );
        }
        Ok(Self { scheduler, pool, recorder, server: handle, telemetry, deaths, arbiters })
    }

    /// Lives until a signal comes or an actor dies, and stops in order.
    async fn live(
        mut self,
        signals: &mut Signals,
        grace: Duration,
        log: &Logger,
    ) -> Result<(), Failed> {
        let died = tokio::select! {
            (signal, _) = signals.next() => {
                info!(log, "stopping"; "signal" => signal, "grace_seconds" => grace.as_secs_f64());
                None
            }
            actor = self.deaths.recv() => {
                let actor = actor.unwrap_or("house");
                error!(log, "an actor has died; stopping, since a half-dead monitor is worse than a \
                    restarted one"; "actor" => actor);
                Some(actor)
            }
        };
        let grace = if died.is_some() { grace.min(GRACE_AFTER_DEATH) } else { grace };
        let stopped = tokio::select! {
            stopped = self.stop(grace, log) => stopped,
            // At once, as the second signal asks; what is queued for the log is given up.
            (_, code) = signals.next() => std::process::exit(code),
        };
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
        died.map_or(stopped, |actor| Err(Failed::ActorDied(actor)))
    }

    /// No new probe starts; those under way and the API's requests get the grace period; what was measured is committed.
    async fn stop(&self, grace: Duration, log: &Logger) -> Result<(), Failed> {
        let started = Instant::now();
        let deadline = started + grace.saturating_sub(FLUSH_RESERVE.min(grace / 10));
        let probes = async {
            // An error means that the actor has died: then there is nothing to wait for.
            let _ = self.scheduler.send(Stop).await;
            let _ = self.pool.send(Drain).await;
        };
        let (drained, _) = tokio::join!(
            timeout_at(deadline, probes),
            timeout_at(deadline, self.server.stop(true))
        );
        if drained.is_err() {
            info!(log, "probes under way were given up at the end of the grace period";
                "count" => self.telemetry.slots_busy.get());
        }
        let deadline = (started + grace).max(Instant::now() + FLUSH_AT_LEAST);
        match timeout_at(deadline, self.recorder.send(Flush)).await {
            Ok(Ok(Ok(()))) => {
                info!(log, "stopped; everything measured is in the store");
                Ok(())
            }
            _ => Err(Failed::Lost(self.telemetry.buffered.get())),
        }
    }
}

fn start_recorder(
    config: &Config,
    store: &Store,
    known: &[Known],
    telemetry: &Telemetry,
    died: &mpsc::UnboundedSender<&'static str>,
    log: &Logger,
) -> Addr<Recorder> {
    let mut board = Board::default();
    for known in known.iter().filter(|known| known.definition.enabled) {
        board.watch(known.id, &known.definition);
    }
    let (path, deaths) = (store.path().to_owned(), died.clone());
    let writer =
        SyncArbiter::start(1, move || Writer::new(path.clone(), Lifeline::new("writer", &deaths)));
    let (path, deaths) = (store.path().to_owned(), died.clone());
    let reader = SyncArbiter::start(READERS, move || {
        Reader::new(path.clone(), Lifeline::new("reader", &deaths))
    });
    Recorder::new(
        config.buffer_limit,
        board,
        writer,
        reader,
        telemetry.clone(),
        log.clone(),
        Lifeline::new("recorder", died),
    )
    .start()
}

fn start_pool(
    config: &Config,
    arbiters: &[Arbiter],
    parts: Parts,
    telemetry: &Telemetry,
    died: &mpsc::UnboundedSender<&'static str>,
    log: &Logger,
) -> Addr<Pool> {
    let handles: Vec<ArbiterHandle> = arbiters.iter().map(Arbiter::handle).collect();
    let factory = Box::new(move |slot: usize, pool: Addr<Pool>| {
        Prober::start_on(&handles[slot % handles.len()], slot, pool, parts.clone())
    });
    Pool::new(
        config.pool_size,
        config.waiting_limit,
        factory,
        telemetry.clone(),
        log.clone(),
        Lifeline::new("pool", died),
    )
    .start()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn writes(config: &Config) -> Writes {
    match &config.api_token {
        Some(token) => Writes::WithToken(token.clone()),
        None if config.listens_on_loopback() => Writes::FromThisMachine,
        None => Writes::Refused,
    }
}

/// How to add a service, as it can be typed.
fn how_to_add(config: &Config, address: SocketAddr) -> String {
    let token = match writes(config) {
        Writes::WithToken(_) => " -H \"Authorization: Bearer $API_TOKEN\"",
        Writes::FromThisMachine => "",
        Writes::Refused => return "set API_TOKEN first, or a loopback API_HOST".to_owned(),
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
