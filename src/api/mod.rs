//! The HTTP API: routes, handlers, JSON shapes, error → status. No SQL.
//!
//! A handler reads its input ([`input`]), asks an actor by message, and answers with a shape of [`views`]. Everything
//! that goes wrong is an [`error::ApiError`], so that every error has one shape.

pub mod error;
mod guard;
mod history;
mod input;
mod internal;
mod openapi;
mod parameters;
pub mod probe_view;
mod probes;
mod response_cache;
mod responses;
mod services;
mod views;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Addr;
use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::guard as method;
use actix_web::http::Method;
use actix_web::middleware::{Next, NormalizePath, from_fn};
use actix_web::{App, FromRequest, Handler, HttpServer, Resource, Responder, web};
use slog::{Logger, debug, info, warn};
use tokio::sync::Semaphore;

use crate::actors::pool::Pool;
use crate::actors::recorder::Recorder;
use crate::actors::revision::Revision;
use crate::actors::scheduler::Scheduler;
use crate::config::{Config, Secret};
use crate::domain::{Defaults, Variables};
use crate::metrics::Telemetry;
use error::ApiError;
pub use response_cache::Answers;

/// Threads that serve the API.
const WORKERS: usize = 2;

/// What the handlers work with.
#[derive(Clone)]
pub struct Api {
    /// Reads and writes go here.
    pub recorder: Addr<Recorder>,
    /// Knows whether slots are on time.
    pub scheduler: Addr<Scheduler>,
    /// Probes beside the slots.
    pub pool: Addr<Pool>,
    /// What `/metrics` tells.
    pub telemetry: Telemetry,
    /// Interval and timeout of services that set none.
    pub defaults: Defaults,
    /// What the tokens of heartbeats are filled with.
    pub variables: Variables,
    /// Who may write.
    pub writes: Writes,
    /// Largest body of a request, in bytes.
    pub body_limit: usize,
    /// Scrapes of `/metrics` at once; each holds the whole text, 1 KB a service.
    pub scrapes: Arc<Semaphore>,
    /// Moves with each write to the store.
    pub revision: Revision,
    /// Lists that were made since the last one.
    pub answers: Arc<Answers>,
    /// The access log.
    pub log: Logger,
}

/// Most scrapes at once; who comes then waits.
pub const SCRAPES_LIMIT: usize = 2;

/// Who may write.
#[derive(Debug, Clone)]
pub enum Writes {
    /// Who shows this token.
    WithToken(Secret),
    /// Everyone, since the API listens on a loopback address only.
    FromThisMachine,
    /// Nobody.
    Refused,
}

impl Writes {
    /// Who may write where `config` says what it says (contract, `API_TOKEN`).
    pub fn of(config: &Config) -> Self {
        match &config.api_token {
            Some(token) => Self::WithToken(token.clone()),
            None if config.listens_on_loopback() => Self::FromThisMachine,
            None => Self::Refused,
        }
    }
}

/// The server on `listener`. It handles no signals; the app stops it.
pub fn serve(
    api: Api,
    listener: TcpListener,
    max_connections: usize,
    grace: Duration,
) -> std::io::Result<Server> {
    let factory = move || {
        App::new()
            .app_data(web::Data::new(api.clone()))
            .configure(routes)
            .default_service(web::to(|| async { Err::<&str, _>(ApiError::not_found()) }))
            .wrap(NormalizePath::trim())
            .wrap(from_fn(access_log))
    };
    let server = HttpServer::new(factory)
        .workers(WORKERS)
        .max_connections(max_connections.div_ceil(WORKERS))
        .disable_signals()
        .shutdown_timeout(grace.as_secs())
        .listen(listener)?
        .run();
    Ok(server)
}

fn routes(config: &mut web::ServiceConfig) {
    use services::{create, delete, events, get, list, patch};
    config
        .service(read(path("/v1/services", "GET, HEAD, POST"), list).route(web::post().to(create)))
        .service(
            read(path("/v1/services/{id}", "GET, HEAD, PATCH, DELETE"), get)
                .route(web::patch().to(patch))
                .route(web::delete().to(delete)),
        )
        .service(read(path("/v1/services/{id}/events", "GET, HEAD"), events))
        .service(read(path("/v1/services/{id}/ticks", "GET, HEAD"), history::ticks))
        .service(read(path("/v1/services/{id}/series", "GET, HEAD"), history::series))
        .service(read(path("/v1/services/{id}/uptime", "GET, HEAD"), history::uptime))
        .service(read(path("/v1/services/{id}/slo", "GET, HEAD"), history::slo))
        .service(read(path("/v1/uptime", "GET, HEAD"), history::all_uptime))
        .service(read(path("/v1/events", "GET, HEAD"), history::all_events))
        .service(path("/v1/services/{id}/probe", "POST").route(web::post().to(probes::probe)))
        .service(
            path("/v1/services/{id}/heartbeat", "POST").route(web::post().to(probes::heartbeat)),
        )
        .service(read(path("/v1/_internal/health", "GET, HEAD"), internal::health))
        .service(read(path("/v1/_internal/ready", "GET, HEAD"), internal::ready))
        .service(read(path("/v1/_internal/storage", "GET, HEAD"), internal::storage))
        .service(read(path("/metrics", "GET, HEAD"), internal::metrics))
        .service(read(path("/openapi.json", "GET, HEAD"), openapi::document));
}

/// A path that answers 405 to every method but `allowed`.
fn path(path: &'static str, allowed: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || async move {
        Err::<&str, _>(ApiError::method_not_allowed(allowed))
    }))
}

/// Adds a handler for GET, and for HEAD, which is GET without the body.
fn read<F, Args>(resource: Resource, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let reading = method::Any(method::Get()).or(method::Head());
    resource.route(web::route().guard(reading).to(handler))
}

/// One line a request: an error of ours as a warning, a write or a refusal for everyone, a read for those who debug.
async fn access_log(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let started = Instant::now();
    let log = request.app_data::<web::Data<Api>>().map(|api| api.log.clone());
    let method = request.method().clone();
    let path = request.path().to_owned();
    let peer = request.peer_addr().map(|peer| peer.ip().to_string()).unwrap_or_default();
    let response = next.call(request).await?;
    let status = response.status();
    let elapsed_ms = started.elapsed().as_secs_f64() * 1e3;
    if let Some(log) = log {
        let fields = slog::o!("method" => method.to_string(), "path" => path, "status" => status.as_u16(),
            "elapsed_ms" => elapsed_ms, "peer" => peer);
        let log = log.new(fields);
        if status.is_server_error() {
            warn!(log, "request failed");
        } else if status.is_client_error() || !matches!(method, Method::GET | Method::HEAD) {
            info!(log, "request");
        } else {
            debug!(log, "request");
        }
    }
    Ok(response)
}
