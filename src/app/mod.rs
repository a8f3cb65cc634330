//! Starts everything, serves, and stops everything in order.

mod actors;
mod certificate;
mod heartbeat_tokens;
mod modules;
mod orderly_stop;
pub mod reload;
mod server;
pub mod services_file;
pub mod shutdown;
pub mod startup;
mod warnings;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::prelude::*;
use actix_web::dev::ServerHandle;
use slog::{Logger, error, info};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::actors::messages::alerting::SetAlertingSettings;
use crate::actors::runtime::{Fault, Runtime};
use crate::api::{CurrentCertificate, CurrentModules};
use crate::app::actors::{Actors, Network, Stored, pool_size};
use crate::app::reload::Reload;
use crate::app::shutdown::Signals;
use crate::app::startup::{Prepared, example_command};
use crate::bounded_file::detached;
use crate::config::Config;
use crate::domain::maintenance::zone::Zone;
use crate::error::Error;
use crate::metrics::Telemetry;
use crate::probe::exec::group::kill_all;
use crate::storage::{OpenError, Store};

/// Runs the service until a signal stops it.
pub fn run(config: &Config, log: &Logger) -> Result<(), Error> {
    System::new().block_on(async {
        // First, so that a signal during a long start also stops the service in order.
        let mut signals = Signals::new().map_err(Error::failed)?;
        let hangup = signal(SignalKind::hangup()).map_err(Error::failed)?;
        let Some(prepared) = prepare(config, &mut signals, log).await? else { return Ok(()) };
        warnings::log_all(config, &prepared.rules, log);
        let app = App::start(config, prepared, hangup, log)?;
        app.run_until_stopped(&mut signals, config.process.shutdown_grace).await
    })
}

/// Prepares the start on another thread, since a large file takes a while, and the database may not
/// answer yet. After a signal meanwhile the store is left consistent and nothing starts (`None`); a
/// second signal exits at once. A signal does not wait for files, since one may hang.
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
            spread,
            revision,
            canaries,
            ..
        } = ready;
        let (runtime, faults) = Runtime::new(Telemetry::new(), log.clone());
        let address = listener.local_addr().map_err(Error::failed)?;
        let has_services = !services.is_empty();

        let zone = ready.alerting.timezone.clone().unwrap_or_else(Zone::utc);
        let remote_write_trust = ready.remote_write_trust;
        let network = Network { rules, canaries, zone, remote_write_trust };
        let policies = ready.policies;
        let stored =
            Stored { services, live, policies, windows, access, resumed, spread, revision };
        let actors = Actors::start(config, &store, stored, network, &runtime);
        let certificate = ready.certificate.map(CurrentCertificate::new);
        let modules = ready.modules.map(|(modules, read)| (CurrentModules::new(modules), read));
        let current_modules = modules.as_ref().map(|(modules, _)| modules.clone());
        let files = (certificate.clone(), current_modules);
        let server = server::start(config, listener, &actors, files, &runtime);
        let server = server.map_err(Error::failed)?;
        let modules = server::watch_modules(config, modules, log)?;
        let certificate = server::watch_certificate(config, certificate, &runtime)?;
        actors.dispatcher.do_send(SetAlertingSettings(ready.alerting));
        let reload = Reload {
            config: config.clone(),
            recorder: actors.recorder.clone(),
            canaries: actors.canaries.clone(),
            dispatcher: actors.dispatcher.clone().recipient(),
            alerting: actors.dispatcher.clone().recipient(),
            duties: store.access().duties(),
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
}

fn log_started(config: &Config, store: &Store, address: SocketAddr, log: &Logger) {
    let process = &config.process;
    info!(log, "started"; "name" => &process.service_name, "env" => &process.environment,
        "version" => env!("CARGO_PKG_VERSION"), store.kind() => store.name(),
        "pool_size" => pool_size(config), "role" => config.storage.role.as_str());
    info!(log, "listening"; "address" => %address);
}
