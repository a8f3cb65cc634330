//! The HTTP server and its access log.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Condition, Next, NormalizePath, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::{App, web};
use slog::{debug, info, warn};
use tokio_rustls::TlsAcceptor;

use crate::api::cors::cors;
use crate::api::error::ApiError;
use crate::api::middleware;
use crate::api::representation::represent;
use crate::api::routes::routes;
use crate::api::state::Api;
use crate::api::transport::{ClientStream, Connections, SLICE, track};
use crate::config::RESERVED_CONNECTIONS;

/// Worker threads of the HTTP server.
const WORKERS: usize = 2;

/// Longest time for the head of the first request of a connection.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time for the handshake of TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection without a request stays open.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Settings of the server.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    pub max_connections: usize,
    /// The longest time that a graceful stop waits for open requests.
    pub grace: Duration,
    /// Origins whose pages may read responses.
    pub cors_origins: Vec<String>,
}

/// Starts the server on `listener`, for HTTP/1 only. The server handles no signals: the caller
/// stops it through its handle.
pub fn serve(
    api: Api,
    listener: TcpListener,
    ServerSettings { max_connections, grace, cors_origins }: ServerSettings,
) -> io::Result<Server> {
    let connections = api.connections.clone();
    let acceptor = match &api.certificate {
        None => None,
        Some(certificate) => {
            let config = certificate.server_config().map_err(io::Error::other)?;
            Some(TlsAcceptor::from(config))
        }
    };
    ClientStream::prepare(&listener)?;
    let has_cors = !cors_origins.is_empty();
    let app = move || {
        App::new()
            .app_data(web::Data::new(api.clone()))
            .configure(routes)
            .configure(api.pages.routes)
            .default_service(web::to(|| async { Err::<&str, _>(ApiError::not_found()) }))
            .wrap(from_fn(represent))
            .wrap(from_fn(middleware::guard))
            .wrap(Condition::new(has_cors, cors(&cors_origins)))
            .wrap(NormalizePath::trim())
            .wrap(from_fn(track))
            .wrap(from_fn(middleware::response_headers))
            .wrap(from_fn(access_log))
    };
    actix_web::rt::spawn(connections.clone().keep_room());
    // Composed here instead of by `HttpServer`, which takes no streams but its own.
    let builder = Server::build();
    let stopping = builder.graceful_shutdown_signal();
    let server = builder
        .workers(WORKERS)
        .max_concurrent_connections((max_connections + RESERVED_CONNECTIONS).div_ceil(WORKERS))
        .disable_signals()
        .shutdown_timeout(grace.as_secs())
        .listen("api", listener, move || {
            let (connections, stopping) = (connections.clone(), stopping.clone());
            let acceptor = acceptor.clone();
            let app = map_config(app().into_factory(), |()| AppConfig::default())
                .map_err(|error: actix_web::Error| error.error_response());
            let stopped = move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            };
            let http = HttpService::build()
                .graceful_shutdown_signal(stopped.clone())
                .keep_alive(KEEP_ALIVE)
                .client_request_timeout(FIRST_HEAD_TIMEOUT)
                // For the last bytes of a response, and the rest of a body that nobody reads.
                .client_disconnect_timeout(connections.client_timeout())
                .h1_write_buffer_size(SLICE)
                .on_connect_ext(|stream: &ClientStream, data| {
                    data.insert(Arc::clone(stream.connection()));
                })
                .h1(app);
            let admit =
                move |stream| admit(connections.clone(), acceptor.clone(), stream, stopped());
            fn_service(admit).and_then(http)
        })?
        .run();
    Ok(server)
}

/// The stream of a new connection, with the address of its client.
async fn admit(
    connections: Connections,
    acceptor: Option<TlsAcceptor>,
    stream: TcpStream,
    stopped: impl Future<Output = ()>,
) -> Result<(ClientStream, Option<SocketAddr>), DispatchError> {
    let peer = stream.peer_addr().ok();
    let connection = connections.admit(Instant::now());
    let acceptor = acceptor.as_ref();
    let opening = ClientStream::open(stream, connection, acceptor, HANDSHAKE_TIMEOUT, stopped);
    Ok((opening.await.map_err(DispatchError::Io)?, peer))
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
