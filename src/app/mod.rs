//! Starts everything, serves, and stops everything in order.

mod actors;
mod certificate;
mod heartbeat_tokens;
mod modules;
pub mod reload;
pub mod services_file;
pub mod shutdown;
pub mod startup;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::prelude::*;
use actix_web::dev::ServerHandle;
use slog::{Logger, error, info, warn};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout, timeout_at};

use crate::actors::messages::alerting::{SetAlertingSettings, StopDispatcher};
use crate::actors::messages::live::CloseStreams;
use crate::actors::messages::probing::{Drain, Stop};
use crate::actors::messages::recording::Flush;
use crate::actors::messages::relaying::StopRelay;
use crate::actors::runtime::{Fault, Runtime};
use crate::api;
use crate::api::{
    Api, Connections, CurrentCertificate, CurrentModules, Guard, ModuleProbes, Pages,
    ResponseBudget, ResponseCache, Scrapes, ServerSettings, ServiceTexts, UseWriter, WriteAccess,
};
use crate::app::actors::{Actors, Network, Stored};
use crate::app::certificate::CertificateWatch;
use crate::app::modules::ModulesWatch;
use crate::app::reload::Reload;
use crate::app::shutdown::Signals;
use crate::app::startup::{Prepared, example_command};
use crate::bounded_file::detached;
use crate::config::Config;
use crate::domain::maintenance::zone::Zone;
use crate::error::Error;
use crate::metrics::Telemetry;
use crate::probe::Rules;
use crate::probe::exec::group::kill_all;
use crate::services_file::Snapshot;
use crate::storage::{OpenError, Rescued, SavedFiles, Store};
use crate::ui;

/// The part of the grace period that is reserved for the flush: a tenth, and at most this.
const FLUSH_RESERVE: Duration = Duration::from_millis(500);

/// Longest grace period after an actor has died: most of the others would wait for it in vain.
const GRACE_AFTER_DEATH: Duration = Duration::from_secs(1);

/// Shortest time for the flush, even when the grace period is shorter.
const FLUSH_AT_LEAST: Duration = Duration::from_secs(2);

/// Runs the service until a signal stops it.
pub fn run(config: &Config, log: &Logger) -> Result<(), Error> {
    System::new().block_on(async {
        // First, so that a signal during a long start also stops the service in order.
        let mut signals = Signals::new().map_err(Error::failed)?;
        let hangup = signal(SignalKind::hangup()).map_err(Error::failed)?;
        let Some(prepared) = prepare(config, &mut signals, log).await? else { return Ok(()) };
        warn_without_authorities(&prepared.rules, log);
        warn_of_open_families(&prepared.rules, log);
        warn_of_open_plugins(config, log);
        warn_of_open_reads(config, log);
        let app = App::start(config, prepared, hangup, log)?;
        app.run_until_stopped(&mut signals, config.process.shutdown_grace).await
    })
}

/// Prepares the start on another thread, since a large file takes a while, and the database may not
/// answer yet. After a signal meanwhile the store is left consistent and nothing starts (`None`); a
/// second signal exits at once. A
/// signal does not wait for files, since one may hang.
async fn prepare(
    config: &Config,
    signals: &mut Signals,
    log: &Logger,
) -> Result<Option<Prepared>, Error> {
    let (config, log) = (config.clone(), log.clone());
    let reading = {
        let config = config.clone();
        detached(move || startup::read_files(&config)).map_err(Error::failed)?
    };
    let files = tokio::select! {
        files = reading => files.map_err(Error::failed)??,
        _ = signals.next() => return Ok(None),
    };
    let is_stopping = Arc::new(AtomicBool::new(false));
    let mut preparing = {
        let is_stopping = Arc::clone(&is_stopping);
        spawn_blocking(move || startup::prepare(&config, files, &is_stopping, &log))
    };
    loop {
        tokio::select! {
            prepared = &mut preparing => {
                let is_stopping = is_stopping.load(Ordering::Relaxed);
                return match prepared.map_err(Error::failed)? {
                    Err(Error::Open(OpenError::Interrupted)) => Ok(None),
                    prepared => Ok(Some(prepared?).filter(|_| !is_stopping)),
                };
            }
            (_, code) = signals.next() => {
                if is_stopping.swap(true, Ordering::Relaxed) {
                    std::process::exit(code);
                }
            }
        }
    }
}

/// A deny list that forgets the other address family protects nothing.
fn warn_of_open_families(rules: &Rules, log: &Logger) {
    for warning in rules.policy.warnings() {
        warn!(log, "PROBE_DENY_NETWORKS leaves the other address family open"; "why" => warning);
    }
}

/// Without a token, every program of this machine may write services.
fn warn_of_open_plugins(config: &Config, log: &Logger) {
    if config.plugins.is_some() && WriteAccess::from_config(config) == WriteAccess::Loopback {
        warn!(
            log,
            "every program on this machine may run plugins as the user of this process; \
            set API_TOKEN"
        );
    }
}

/// Every machine that reaches the address may read.
fn warn_of_open_reads(config: &Config, log: &Logger) {
    if config.api.reads_are_open() && !config.api.listens_on_loopback() {
        warn!(log, "reads need no token, and other machines reach this address; set API_READ=token";
            "address" => %config.api.host);
    }
}

fn warn_without_authorities(rules: &Rules, log: &Logger) {
    if rules.trust.authorities == 0 {
        warn!(
            log,
            "no certificate authority is known, so no https probe can tell up from down; \
            install ca-certificates or set PROBE_CA_FILE"
        );
    }
}

/// The running service.
struct App {
    actors: Actors,
    server: ServerHandle,
    runtime: Runtime,
    /// Faults that end the process.
    faults: mpsc::UnboundedReceiver<Fault>,
    /// Applies the services file again.
    reload: JoinHandle<()>,
    /// Reads the certificate of the API again; `None` without TLS.
    certificate: Option<JoinHandle<()>>,
    /// Reads the modules again; `None` without `MODULES_FILE`.
    modules: Option<JoinHandle<()>>,
    /// Keeps other processes away from the store.
    store: Store,
}

impl App {
    fn start(
        config: &Config,
        ready: Prepared,
        hangup: Signal,
        log: &Logger,
    ) -> Result<Self, Error> {
        let Prepared {
            rules,
            listener,
            store,
            services,
            live,
            windows,
            access,
            resumed,
            canaries,
            ..
        } = ready;
        let (runtime, faults) = Runtime::new(Telemetry::new(), log.clone());
        let address = listener.local_addr().map_err(Error::failed)?;
        let has_services = !services.is_empty();

        let zone = ready.alerting.timezone.clone().unwrap_or_else(Zone::utc);
        let remote_write_trust = ready.remote_write_trust;
        let network = Network { rules, canaries, zone, remote_write_trust };
        let stored = Stored { services, live, policies: ready.policies, windows, access, resumed };
        let actors = Actors::start(config, &store, stored, network, &runtime);
        let certificate = ready.certificate.map(CurrentCertificate::new);
        let modules = ready.modules.map(|(modules, read)| (CurrentModules::new(modules), read));
        let current_modules = modules.as_ref().map(|(modules, _)| modules.clone());
        let files = (certificate.clone(), current_modules);
        let server = start_server(config, listener, &actors, files, &runtime);
        let server = server.map_err(Error::failed)?;
        let modules = watch_modules(config, modules, log)?;
        let certificate = watch_certificate(config, certificate, &runtime)?;
        actors.dispatcher.do_send(SetAlertingSettings(ready.alerting));
        let reload = Reload {
            config: config.clone(),
            recorder: actors.recorder.clone(),
            canaries: actors.canaries.clone(),
            dispatcher: actors.dispatcher.clone().recipient(),
            alerting: actors.dispatcher.clone().recipient(),
            notices: ready.notices,
            problems: Vec::new(),
            log: log.clone(),
        };
        let reload = reload.watch(hangup, ready.services_file);
        let reload = actix_rt::spawn(reload);

        log_started(config, &store, address, log);
        if !has_services {
            info!(
                log,
                "no service is watched yet; add the first one with: {}",
                example_command(config, address)
            );
        }
        Ok(Self { actors, server, runtime, faults, reload, certificate, modules, store })
    }

    /// Waits for a signal or a fault, and stops in order.
    async fn run_until_stopped(
        mut self,
        signals: &mut Signals,
        grace: Duration,
    ) -> Result<(), Error> {
        let fault = self.wait_for_stop(signals, grace).await;
        let stopped = tokio::select! {
            stopped = self.stop(fault, grace) => stopped,
            // A second signal exits at once; queued log lines are lost.
            (_, code) = signals.next() => {
                kill_all();
                std::process::exit(code)
            }
        };
        kill_all();
        for arbiter in &self.actors.arbiters {
            arbiter.stop();
        }
        match fault {
            Some(Fault::ActorDied(actor)) => Err(Error::ActorDied(actor)),
            Some(Fault::StoreChanged) => stopped.and_then(|()| self.store_change()),
            None => stopped,
        }
    }

    /// Waits for a signal (`None`) or a fault.
    async fn wait_for_stop(&mut self, signals: &mut Signals, grace: Duration) -> Option<Fault> {
        let log = &self.runtime.log;
        tokio::select! {
            (signal, _) = signals.next() => {
                info!(log, "stopping"; "signal" => signal, "grace_seconds" => grace.as_secs_f64());
                None
            }
            fault = self.faults.recv() => {
                let fault = fault.unwrap_or(Fault::ActorDied("app"));
                if let Fault::ActorDied(actor) = fault {
                    error!(log, "an actor has died; stopping, since a half-dead monitor is worse \
                        than a restarted one"; "actor" => actor);
                }
                Some(fault)
            }
        }
    }

    /// No new probe starts; running probes and API requests get the grace period; then the buffered
    /// outcomes are committed. After a change of the store, the API serves to the end, so that
    /// it says that the service is not ready.
    async fn stop(&self, fault: Option<Fault>, grace: Duration) -> Result<(), Error> {
        let grace = match fault {
            Some(Fault::ActorDied(_)) => grace.min(GRACE_AFTER_DEATH),
            Some(Fault::StoreChanged) | None => grace,
        };
        self.reload.abort();
        for watch in self.certificate.iter().chain(&self.modules) {
            watch.abort();
        }
        // Their clients resume with the next run.
        self.actors.live.do_send(CloseStreams);
        let started = Instant::now();
        let drained = started + grace.saturating_sub(FLUSH_RESERVE.min(grace / 10));
        let flushed = started + grace;
        if fault == Some(Fault::StoreChanged) {
            self.drain_probes(drained).await;
            let result = self.flush(flushed).await;
            // A client that reads slowly is cut off.
            let _ = timeout(FLUSH_RESERVE, self.server.stop(true)).await;
            return result;
        }
        tokio::join!(self.drain_probes(drained), async {
            let _ = timeout_at(drained, self.server.stop(true)).await;
        });
        self.flush(flushed.max(Instant::now() + FLUSH_AT_LEAST)).await
    }

    fn store_change(&self) -> Result<(), Error> {
        self.store.access().change().map_or(Ok(()), |change| Err(Error::StoreChanged(change)))
    }

    async fn drain_probes(&self, deadline: Instant) {
        let probes = async {
            // An error means that the actor has died and runs nothing any more.
            let _ = self.actors.scheduler.send(Stop).await;
            let _ = self.actors.pool.send(Drain).await;
        };
        // What was sent is stored before the recorder closes.
        let dispatcher = self.actors.dispatcher.send(StopDispatcher);
        let relay = async {
            if let Some(relay) = &self.actors.relay {
                let _ = relay.send(StopRelay).await;
            }
        };
        let probes = async { tokio::join!(probes, dispatcher, relay) };
        if timeout_at(deadline, probes).await.is_err() {
            let running = self.runtime.telemetry.slots_busy.get();
            info!(self.runtime.log, "running probes were cancelled at the end of the grace period";
                "count" => running);
        }
    }

    /// Without a deadline when files are rescued: the copy may take a while.
    async fn flush(&self, deadline: Instant) -> Result<(), Error> {
        let flush = self.actors.recorder.send(Flush);
        let flushed = if self.store.access().may_close() {
            timeout_at(deadline, flush).await.ok()
        } else {
            Some(flush.await)
        };
        match flushed {
            Some(Ok(Ok(None))) => {
                info!(self.runtime.log, "stopped; every outcome is in the store");
                Ok(())
            }
            Some(Ok(Ok(Some(rescued)))) => {
                log_rescued(&rescued, &self.runtime.log);
                Err(Error::StoreChanged(rescued.change))
            }
            _ => match self.runtime.telemetry.buffered.get() {
                0 => Ok(()),
                lost => Err(Error::OutcomesLost(lost)),
            },
        }
    }
}

/// Says where the data is, or that there is none.
fn log_rescued(rescued: &Rescued, log: &Logger) {
    if let Some(files) = &rescued.files {
        log_saved(files, log);
    }
    if rescued.lost > 0 {
        error!(log, "outcomes could not be saved"; "lost" => rescued.lost);
    }
}

fn log_saved(files: &SavedFiles, log: &Logger) {
    match &files.copy {
        Ok(file) => {
            warn!(log, "the database that was open is saved"; "file" => %file.display());
        }
        Err(error) => {
            error!(log, "the database that was open could not be saved"; "error" => error);
        }
    }
    if let Some(file) = &files.outcomes {
        warn!(log, "outcomes that were not committed are saved"; "file" => %file.display());
    }
    if let Some(file) = &files.log {
        warn!(log, "the log of the database that was open is set aside";
            "file" => %file.display());
    }
}

/// Reads the certificate of the API again and again; `None` without TLS.
fn watch_certificate(
    config: &Config,
    current: Option<CurrentCertificate>,
    runtime: &Runtime,
) -> Result<Option<JoinHandle<()>>, Error> {
    let (Some(files), Some(current)) = (config.api.tls.clone(), current) else { return Ok(None) };
    let hangup = signal(SignalKind::hangup()).map_err(Error::failed)?;
    let (telemetry, log) = (runtime.telemetry.clone(), runtime.log.clone());
    let watch = CertificateWatch { files, current, telemetry, log };
    Ok(Some(actix_rt::spawn(watch.run(hangup, certificate::CHECK_INTERVAL))))
}

/// Reads the modules again and again; `None` without `MODULES_FILE`.
fn watch_modules(
    config: &Config,
    modules: Option<(CurrentModules, Snapshot)>,
    log: &Logger,
) -> Result<Option<JoinHandle<()>>, Error> {
    let (Some(file), Some((current, read))) = (config.modules.file.clone(), modules) else {
        return Ok(None);
    };
    let hangup = signal(SignalKind::hangup()).map_err(Error::failed)?;
    let watch = ModulesWatch { file, current, log: log.clone() };
    Ok(Some(actix_rt::spawn(watch.run(hangup, read))))
}

/// Starts the API. Its lifeline reports when it serves no longer.
fn start_server(
    config: &Config,
    listener: TcpListener,
    actors: &Actors,
    (certificate, modules): (Option<CurrentCertificate>, Option<CurrentModules>),
    runtime: &Runtime,
) -> std::io::Result<ServerHandle> {
    let connections = Connections::new(config.api.max_connections, config.api.client_timeout);
    let api = Api {
        dispatcher: api::Dispatcher {
            test: actors.dispatcher.clone().recipient(),
            acknowledge: actors.dispatcher.clone().recipient(),
            retry: actors.dispatcher.clone().recipient(),
        },
        channel_tests: Arc::new(Semaphore::new(1)),
        alerting_changes: Arc::default(),
        recorder: actors.recorder.clone(),
        scheduler: actors.scheduler.clone(),
        pool: actors.pool.clone(),
        last_results: actors.last_results.clone(),
        push_keys: actors.push_keys.clone(),
        windows: actors.windows.clone(),
        open_alerts: actors.open_alerts.clone(),
        variables: config.variables.clone(),
        has_plugins: config.plugins.is_some(),
        telemetry: runtime.telemetry.clone(),
        queriers: actors.queriers.clone(),
        query_timeout: config.queries.timeout,
        module_probes: modules.map(|modules| ModuleProbes::new(config, modules)),
        defaults: config.services.defaults,
        requests: config.process.requests,
        guard: Guard::new(config, actors.access.clone(), &runtime.telemetry),
        access: actors.access.clone(),
        uses: UseWriter::default(),
        pages: Pages { routes: ui::pages::routes, refusal: ui::pages::refusal },
        name: config.process.service_name.as_str().into(),
        body_limit: config.api.body_limit,
        scrapes: Arc::new(Scrapes::new(connections.clone())),
        revision: actors.revision.clone(),
        response_cache: Arc::new(ResponseCache::new(config.api.response_bytes)),
        service_texts: Arc::new(ServiceTexts::new(config.api.service_text_bytes)),
        budget: ResponseBudget::new(config.api.response_bytes, connections.clone()),
        connections,
        certificate,
        log: runtime.log.clone(),
    };
    let settings = ServerSettings {
        max_connections: config.api.max_connections,
        grace: config.process.shutdown_grace,
        cors_origins: config.api.cors_origins.clone(),
    };
    let server = api::serve(api, listener, settings)?;
    let handle = server.handle();
    let lifeline = runtime.lifeline("API");
    actix_rt::spawn(async move {
        let _ = server.await;
        drop(lifeline);
    });
    Ok(handle)
}

fn log_started(config: &Config, store: &Store, address: SocketAddr, log: &Logger) {
    let process = &config.process;
    info!(log, "started"; "name" => &process.service_name, "env" => &process.environment,
        "version" => env!("CARGO_PKG_VERSION"), store.kind() => store.name(),
        "pool_size" => config.probing.pool_size);
    info!(log, "listening"; "address" => %address);
}
