//! The only wiring: opens the store, starts the actors, serves, and stops everything in order.

pub mod reload;
pub mod shutdown;
pub mod startup;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use actix_web::dev::ServerHandle;
use slog::{Logger, error, info, warn};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use crate::actors::Lifeline;
use crate::actors::board::Board;
use crate::actors::outage::OutageRules;
use crate::actors::pool::{Drain, Pool, SubscribeConfirmations};
use crate::actors::prober::{Crews, Parts};
use crate::actors::reader::Reader;
use crate::actors::recorder;
use crate::actors::recorder::{Flush, Hands, Recorder, Subscribe};
use crate::actors::revision::Revision;
use crate::actors::scheduler::{Scheduler, Stop};
use crate::actors::sentinel::Sentinel;
use crate::actors::upkeep::UpkeepRules;
use crate::actors::writer::Writer;
use crate::api;
use crate::api::{Api, MAX_CONCURRENT_SCRAPES, WriteAccess};
use crate::app::shutdown::Signals;
use crate::app::startup::{Failed, Ready, how_to_add, open_writer};
use crate::clock::unix_ms;
use crate::commands::import::go_db;
use crate::config::Config;
use crate::logging::Throttle;
use crate::metrics::Telemetry;
use crate::storage::reader::LoadedService;
use crate::storage::{OpenError, Store};

/// Threads that read the store.
const READERS: usize = 2;

/// Of the grace period, the part that is kept for writing out what was measured: a tenth, and at most this.
const FLUSH_RESERVE: Duration = Duration::from_millis(500);

/// Longest grace period after an actor has died: most of what would be waited for cannot come any more.
const GRACE_AFTER_DEATH: Duration = Duration::from_secs(1);

/// Time to write out what was measured, even when the grace period is shorter.
const FLUSH_AT_LEAST: Duration = Duration::from_secs(2);

/// Runs the service until a signal stops it.
pub fn run(config: &Config, log: &Logger) -> Result<(), Failed> {
    System::new().block_on(async {
        // First of all, so that a signal during a long start stops it in order too.
        let told = |error: std::io::Error| Failed::System(error.to_string());
        let mut signals = Signals::new().map_err(told)?;
        let hangup = signal(SignalKind::hangup()).map_err(told)?;
        let Some(ready) = get_ready(config, &mut signals, log).await? else { return Ok(()) };
        if ready.rules.trust.authorities == 0 {
            warn!(
                log,
                "no certificate authority is known, so no https probe can tell up from down; \
                install ca-certificates or set PROBE_CA_FILE"
            );
        }
        let house = House::start(config, ready, hangup, log)?;
        house.live(&mut signals, config.shutdown_grace, log).await
    })
}

/// Everything a start needs. On a thread of its own, since a large file takes a while: a signal meanwhile ends it once the
/// store is left in order (`None`), and a second one at once.
async fn get_ready(
    config: &Config,
    signals: &mut Signals,
    log: &Logger,
) -> Result<Option<Ready>, Failed> {
    let (config, log) = (config.clone(), log.clone());
    let mut getting = spawn_blocking(move || startup::get_ready(&config, &log));
    let mut stops = false;
    loop {
        tokio::select! {
            ready = &mut getting => {
                let ready = ready.map_err(|error| Failed::System(error.to_string()))??;
                return Ok((!stops).then_some(ready));
            }
            (_, code) = signals.next() => {
                if stops {
                    std::process::exit(code);
                }
                stops = true;
            }
        }
    }
}

/// Takes over a database of go-service-healthcheck into the configured store.
pub fn import_go_db(config: &Config, file: &Path) -> Result<go_db::Summary, Failed> {
    // First, so that a wrong name makes no new file.
    let source = go_db::open(file).map_err(Failed::System)?;
    let store = Store::open(&config.db_file).map_err(|error| match error {
        OpenError::Foreign { .. } => {
            Failed::System(format!("{error}; set DB_FILE to the file to import into"))
        }
        other => Failed::Open(other),
    })?;
    let chunk_ticks = config.chunk_ticks as usize;
    go_db::import(source, &mut open_writer(&store)?, chunk_ticks, unix_ms()).map_err(Failed::System)
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
    /// Applies the services file again; ends when the house stops.
    reload: JoinHandle<()>,
    /// Keeps the lock on the file.
    _store: Store,
}

impl House {
    fn start(config: &Config, ready: Ready, hangup: Signal, log: &Logger) -> Result<Self, Failed> {
        let Ready { rules, listener, store, known, stamp } = ready;
        let telemetry = Telemetry::new();
        let (died, deaths) = mpsc::unbounded_channel();
        let address = listener.local_addr().map_err(|error| Failed::System(error.to_string()))?;
        let nothing_to_do = known.is_empty();

        let revision = Revision::default();
        let recorder =
            start_recorder(config, &store, &known, &telemetry, revision.clone(), &died, log);
        let arbiters: Vec<Arbiter> = (0..cores()).map(|_| Arbiter::new()).collect();
        let canaries = config.self_check_targets.clone();
        let sentinel = Sentinel::start_on(&arbiters[0].handle(), canaries, rules.clone());
        let parts = Parts {
            rules,
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
        let tell = (scheduler.clone().recipient(), pool.clone().recipient());
        recorder.do_send(Subscribe { scheduler: tell.0, pool: tell.1, sentinel });
        pool.do_send(SubscribeConfirmations(scheduler.clone().recipient()));

        let api = Api {
            recorder: recorder.clone(),
            scheduler: scheduler.clone(),
            pool: pool.clone(),
            variables: config.variables.clone(),
            telemetry: telemetry.clone(),
            defaults: config.defaults,
            write_access: WriteAccess::from_config(config),
            body_limit: config.api_body_limit,
            scrapes: Arc::new(Semaphore::new(MAX_CONCURRENT_SCRAPES)),
            revision,
            response_cache: Arc::default(),
            log: log.clone(),
        };
        let server = api::serve(api, listener, config.api_max_connections, config.shutdown_grace)
            .map_err(|error| Failed::System(error.to_string()))?;
        let handle = server.handle();
        let reload = reload::watch(config.clone(), recorder.clone(), hangup, stamp, log.clone());
        let reload = actix_rt::spawn(reload);
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
        Ok(Self {
            scheduler,
            pool,
            recorder,
            server: handle,
            telemetry,
            deaths,
            arbiters,
            reload,
            _store: store,
        })
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
        self.reload.abort();
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
            _ => match self.telemetry.buffered.get() {
                0 => Ok(()),
                lost => Err(Failed::Lost(lost)),
            },
        }
    }
}

fn start_recorder(
    config: &Config,
    store: &Store,
    known: &[LoadedService],
    telemetry: &Telemetry,
    revision: Revision,
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
    let (path, deaths) = (store.path().to_owned(), died.clone());
    let keeper =
        SyncArbiter::start(1, move || Reader::new(path.clone(), Lifeline::new("keeper", &deaths)));
    let rules = recorder::Rules {
        revision,
        buffer_limit: config.buffer_limit,
        outage: OutageRules {
            window: config.self_check_window,
            share: config.self_check_share,
            limit: config.buffer_limit,
        },
        upkeep: UpkeepRules { chunk_ticks: config.chunk_ticks, retention: config.retention },
    };
    Recorder::new(
        &rules,
        board,
        Hands { writer, reader, keeper },
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
    let crews = Crews::new(arbiters.iter().map(Arbiter::handle).collect(), parts);
    Pool::new(
        config.pool_size,
        config.waiting_limit,
        crews,
        telemetry.clone(),
        log.clone(),
        Lifeline::new("pool", died),
    )
    .start()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
