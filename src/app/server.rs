//! Starts the HTTP server, and what reads its files again.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use slog::Logger;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::actors::runtime::Runtime;
use crate::api;
use crate::api::{
    Api, Connections, CurrentCertificate, CurrentModules, Guard, ModuleProbes, Pages,
    ResponseBudget, ResponseCache, Scrapes, ServerSettings, ServiceTexts, UseWriter,
};
use crate::app::actors::Actors;
use crate::app::certificate;
use crate::app::certificate::CertificateWatch;
use crate::app::modules::ModulesWatch;
use crate::clock::unix_ms;
use crate::config::Config;
use crate::error::Error;
use crate::services_file::Snapshot;
use crate::ui;

/// Starts it. Its lifeline reports when it serves no longer.
pub fn start(
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
        instances: api::Instances {
            role: config.storage.role,
            roster: actors.roster.clone(),
            owned: actors.owned.clone(),
            duties: actors.duties.clone(),
            has_several: config.storage.database.is_some(),
            started_at_ms: unix_ms(),
        },
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

/// Reads the certificate of the API again and again; `None` without TLS.
pub fn watch_certificate(
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
pub fn watch_modules(
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
