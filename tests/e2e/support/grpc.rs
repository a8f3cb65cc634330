//! gRPC's standard health service (`grpc.health.v1.Health/Check`).

use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, server};
use http::{HeaderMap, HeaderValue, Request, Response};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::pack::gzip;

/// An HTTP/2 server that answers `SERVING` for itself and `good`, `NOT_SERVING` for `bad`, and
/// NOT_FOUND for any other service; stopped on drop.
pub struct GrpcHealth {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl GrpcHealth {
    pub fn plain() -> Self {
        Self::start(None)
    }

    pub fn secured(config: Arc<ServerConfig>) -> Self {
        Self::start(Some(TlsAcceptor::from(config)))
    }

    fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let listening = async {
                    while let Ok((connection, _)) = listener.accept().await {
                        tokio::spawn(serve(connection, tls.clone()));
                    }
                };
                tokio::select! {
                    () = listening => {}
                    _ = stopped => {}
                }
            });
        });
        Self { port, stop: Some(stop), thread: Some(thread) }
    }

    /// The URL with this scheme.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }
}

impl Drop for GrpcHealth {
    fn drop(&mut self) {
        // Sending fails only when the thread has ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn serve(connection: TcpStream, tls: Option<TlsAcceptor>) {
    match tls {
        None => answer_all(connection).await,
        Some(tls) => {
            if let Ok(secured) = tls.accept(connection).await {
                answer_all(secured).await;
            }
        }
    }
}

async fn answer_all<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    let Ok(mut connection) = server::handshake(stream).await else { return };
    while let Some(Ok((request, answer))) = connection.accept().await {
        tokio::spawn(check(request, answer));
    }
}

async fn check(request: Request<RecvStream>, answer: SendResponse<Bytes>) {
    let path = request.uri().path().to_owned();
    if !path.starts_with("/grpc.") {
        let _ = respond_plainly(&request, &path, answer);
        return;
    }
    let mut body = request.into_body();
    let mut question = Vec::new();
    while let Some(Ok(chunk)) = body.data().await {
        question.extend_from_slice(&chunk);
        // This fails only when the connection is closed, which the response detects.
        let _ = body.flow_control().release_capacity(chunk.len());
    }
    // Five bytes of framing, then tag, length and name, unless the name is empty.
    let service = question.get(7..).unwrap_or_default();
    let status = match (path.as_str(), service) {
        ("/grpc.health.v1.Health/Check", b"" | b"good") => Some(1),
        ("/grpc.health.v1.Health/Check", b"bad") => Some(2),
        _ => None,
    };
    // The client may have closed the connection.
    let _ = respond(answer, status);
}

/// Plain HTTP/2: `/status/503` has that status, `/hop` sets a cookie and redirects to `/`, which
/// describes the request in JSON; so does `/packed`, in the coding gzip.
fn respond_plainly(
    request: &Request<RecvStream>,
    path: &str,
    mut answer: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let head = match path.strip_prefix("/status/") {
        Some(status) => Response::builder().status(status),
        None if path == "/hop" => {
            let head = Response::builder().status(307).header("location", "/");
            head.header("set-cookie", "hop=1")
        }
        None if path == "/packed" => Response::builder().header("content-encoding", "gzip"),
        None => Response::builder(),
    };
    let value = |name: &str| {
        request.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    };
    let host = request.uri().authority().unwrap();
    let (seen, length, cookie) = (value("x-seen"), value("content-length"), value("cookie"));
    let body = format!(
        r#"{{"method": "{}", "host": "{host}", "seen": "{seen}", "length": "{length}",
            "cookie": "{cookie}"}}"#,
        request.method()
    );
    let body = if path == "/packed" { gzip(body.as_bytes()) } else { body.into_bytes() };
    let mut stream = answer.send_response(head.body(()).unwrap(), false)?;
    stream.send_data(Bytes::from(body), true)
}

fn respond(mut answer: SendResponse<Bytes>, status: Option<u8>) -> Result<(), h2::Error> {
    let head = Response::builder().header("content-type", "application/grpc");
    let Some(status) = status else {
        let unknown = head.header("grpc-status", "5").header("grpc-message", "unknown%20service");
        answer.send_response(unknown.body(()).unwrap(), true)?;
        return Ok(());
    };
    let mut stream = answer.send_response(head.body(()).unwrap(), false)?;
    // Uncompressed, two bytes long: field 1, a varint.
    stream.send_data(Bytes::from(vec![0, 0, 0, 0, 2, 0x08, status]), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)
}
