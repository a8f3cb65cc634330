//! The HTTP server and its access log.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Next, NormalizePath, from_fn};
use actix_web::{App, HttpServer, web};
use slog::{debug, info, warn};

use crate::api::error::ApiError;
use crate::api::middleware;
use crate::api::routes::routes;
use crate::api::state::Api;

/// Worker threads of the HTTP server.
const WORKERS: usize = 2;

/// Starts the server on `listener`. The server handles no signals: the caller stops it through its
/// handle. `grace` is the longest time that a graceful stop waits for open requests.
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
            .wrap(from_fn(middleware::guard))
            .wrap(NormalizePath::trim())
            .wrap(from_fn(middleware::response_headers))
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

/// Logs one line per request: server errors at level warning, writes and client errors at info,
/// successful reads at debug.
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
        let fields = slog::o!("method" => method.to_string(), "path" => path,
            "status" => status.as_u16(), "elapsed_ms" => elapsed_ms, "peer" => peer);
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
