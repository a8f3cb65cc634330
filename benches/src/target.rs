//! The probed server: this program, started a second time, so that its CPU does not count.
//!
//! It responds to each request with 200 and closes first, so TIME_WAIT is on its side. It listens
//! on one port of [`ADDRESSES`] loopback addresses, so that local ports suffice for tens of
//! thousands of connections.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::program;

/// The first argument of a target.
pub const SERVE: &str = "--serve";

/// Loopback addresses that a target listens on: 127.0.0.1 and those after it.
pub const ADDRESSES: u8 = 8;

/// File names of an identity.
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// The path that returns for how long each request was held since the last call.
const HELD: &str = "/held";
const HELD_REQUEST: &[u8] = b"GET /held ";

/// The path that switches a target, and the one that returns the largest number of requests at
/// once.
const SWITCH: &str = "/switch";
const SWITCH_REQUEST: &[u8] = b"GET /switch ";
const PEAK: &str = "/peak";
const PEAK_REQUEST: &[u8] = b"GET /peak ";

const UNAVAILABLE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// The response.
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/// How a target treats its clients.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Responds at once.
    Prompt,
    /// The same over TLS, with the identity in this folder.
    Secured(PathBuf),
    /// Responds after this many milliseconds, and records the actual time from accepting to the
    /// last byte written.
    Holding(u64),
    /// Accepts and never responds.
    Silent,
    /// Responds with 200 until it is switched, and then with 503.
    Switched,
    /// Responds to `GET /N` with 200 until N times this many milliseconds have passed since its
    /// start, and then with 503.
    FailingInTurn(u64),
}

impl Behaviour {
    fn words(&self) -> Vec<String> {
        match self {
            Self::Prompt => vec!["prompt".to_owned()],
            Self::Secured(folder) => vec!["secured".to_owned(), folder.display().to_string()],
            Self::Holding(ms) => vec!["holding".to_owned(), ms.to_string()],
            Self::Silent => vec!["silent".to_owned()],
            Self::Switched => vec!["switched".to_owned()],
            Self::FailingInTurn(ms) => vec!["failing-in-turn".to_owned(), ms.to_string()],
        }
    }

    fn from_words(words: &[String]) -> Option<Self> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["prompt"] => Some(Self::Prompt),
            ["secured", folder] => Some(Self::Secured(PathBuf::from(folder))),
            ["holding", ms] => ms.parse().ok().map(Self::Holding),
            ["silent"] => Some(Self::Silent),
            ["switched"] => Some(Self::Switched),
            ["failing-in-turn", ms] => ms.parse().ok().map(Self::FailingInTurn),
            _ => None,
        }
    }
}

/// A target in a separate process, which ends on drop.
pub struct Target {
    child: Child,
    /// Its port, the same on each of its addresses.
    pub port: u16,
}

impl Target {
    /// Starts a target and waits until it listens.
    pub fn start(behaviour: &Behaviour) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .arg(SERVE)
            .args(behaviour.words())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a target");
        let output = child.stdout.take().expect("its output");
        let mut target = Self { child, port: 0 };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("its port");
        target.port = line.trim().parse().expect("a port");
        target
    }

    /// The address number `nth`, modulo [`ADDRESSES`].
    pub fn address(&self, nth: usize) -> SocketAddr {
        address(self.port, nth)
    }

    /// For how long it held each request since the last call, in milliseconds.
    pub fn held_ms(&self) -> Vec<f64> {
        let text = program::get(&self.address(0).to_string(), HELD).expect("the times held").1;
        text.split_whitespace().filter_map(|us| us.parse::<f64>().ok()).map(|us| us / 1e3).collect()
    }

    /// Lets a target that is [`Behaviour::Switched`] respond with 503 from now on.
    pub fn switch(&self) {
        program::get(&self.address(0).to_string(), SWITCH).expect("a switch");
    }

    /// The largest number of requests that a silent target held at once.
    pub fn peak(&self) -> usize {
        let text = program::get(&self.address(0).to_string(), PEAK).expect("the peak").1;
        text.trim().parse().expect("a number")
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(port: u16, nth: usize) -> SocketAddr {
    let last = 1 + (nth % usize::from(ADDRESSES)) as u8;
    (Ipv4Addr::new(127, 0, 0, last), port).into()
}

/// Writes a self-signed certificate for all addresses of a target, and its key; returns the file of
/// the certificate.
pub fn write_identity(folder: &Path) -> PathBuf {
    let names: Vec<String> =
        (0..usize::from(ADDRESSES)).map(|nth| address(0, nth).ip().to_string()).collect();
    let signed = rcgen::generate_simple_self_signed(names).expect("an identity");
    std::fs::write(folder.join(KEY), signed.signing_key.serialize_pem()).expect("a file");
    let file = folder.join(CERTIFICATE);
    std::fs::write(&file, signed.cert.pem()).expect("a file");
    file
}

/// Runs a target until it is killed or its parent has ended.
pub fn serve(words: &[String]) {
    let behaviour = Behaviour::from_words(words).expect("a known behaviour");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(tokio::task::LocalSet::new().run_until(async {
        let server = Rc::new(Server::new(behaviour));
        let listeners = listen().await;
        println!("{}", listeners[0].local_addr().expect("its address").port());
        for listener in listeners {
            tokio::task::spawn_local(accept(listener, Rc::clone(&server)));
        }
        let parent = std::os::unix::process::parent_id();
        while std::os::unix::process::parent_id() == parent {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }));
}

/// Listeners on one port that is free on all addresses.
async fn listen() -> Vec<TcpListener> {
    for _ in 0..100 {
        let first = TcpListener::bind(address(0, 0)).await.expect("a port");
        let port = first.local_addr().expect("its address").port();
        let mut listeners = vec![first];
        for nth in 1..usize::from(ADDRESSES) {
            // Another process may have this port on one of the addresses.
            let Ok(listener) = TcpListener::bind(address(port, nth)).await else { break };
            listeners.push(listener);
        }
        if listeners.len() == usize::from(ADDRESSES) {
            return listeners;
        }
    }
    unreachable!("a port that is free on all addresses")
}

async fn accept(listener: TcpListener, server: Rc<Server>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::task::spawn_local(
                    Rc::clone(&server).serve_connection(stream, Instant::now()),
                );
            }
            // Most likely out of descriptors; some become free again.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// State shared by the connections of a target.
struct Server {
    behaviour: Behaviour,
    acceptor: Option<TlsAcceptor>,
    /// Times for which requests were held, in microseconds.
    held_us: RefCell<Vec<u64>>,
    is_switched: Cell<bool>,
    /// Requests that are held now, and at most.
    held: Cell<usize>,
    peak: Cell<usize>,
    started: Instant,
}

impl Server {
    fn new(behaviour: Behaviour) -> Self {
        let acceptor = match &behaviour {
            Behaviour::Secured(folder) => Some(acceptor(folder)),
            _ => None,
        };
        Self {
            behaviour,
            acceptor,
            held_us: RefCell::default(),
            is_switched: Cell::default(),
            held: Cell::default(),
            peak: Cell::default(),
            started: Instant::now(),
        }
    }

    async fn serve_connection(self: Rc<Self>, stream: tokio::net::TcpStream, accepted: Instant) {
        match &self.acceptor {
            None => self.respond(stream, accepted).await,
            Some(acceptor) => {
                if let Ok(stream) = acceptor.accept(stream).await {
                    self.respond(stream, accepted).await;
                }
            }
        }
    }

    async fn respond(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, accepted: Instant) {
        let mut request = [0; 1_024];
        if !stream.read(&mut request).await.is_ok_and(|read| read > 0) {
            return;
        }
        // Write errors are ignored: the peer has gone.
        match self.behaviour {
            Behaviour::Silent if request.starts_with(PEAK_REQUEST) => {
                let peak = format!("HTTP/1.0 200 OK\r\n\r\n{}", self.peak.get());
                let _ = stream.write_all(peak.as_bytes()).await;
            }
            // Until the client closes.
            Behaviour::Silent => {
                self.held.update(|held| held + 1);
                self.peak.set(self.peak.get().max(self.held.get()));
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
                self.held.update(|held| held - 1);
            }
            Behaviour::Switched => {
                if request.starts_with(SWITCH_REQUEST) {
                    self.is_switched.set(true);
                }
                let response = if self.is_switched.get() { UNAVAILABLE } else { OK };
                let _ = stream.write_all(response).await;
            }
            Behaviour::FailingInTurn(ms) => {
                let turn = self.started.elapsed().as_millis() as u64 / ms;
                let response = if nth(&request) <= turn { UNAVAILABLE } else { OK };
                let _ = stream.write_all(response).await;
            }
            Behaviour::Prompt | Behaviour::Secured(_) => _ = stream.write_all(OK).await,
            Behaviour::Holding(_) if request.starts_with(HELD_REQUEST) => {
                let body: String = self.held_us.take().iter().map(|us| format!("{us}\n")).collect();
                let head = format!("HTTP/1.0 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes()).await;
            }
            Behaviour::Holding(ms) => {
                if ms > 0 {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                }
                let _ = stream.write_all(OK).await;
                self.held_us.borrow_mut().push(accepted.elapsed().as_micros() as u64);
            }
        }
        let _ = stream.shutdown().await;
    }
}

/// The number in the path of `request`; 0 without one.
fn nth(request: &[u8]) -> u64 {
    let digits = request.iter().skip_while(|byte| !byte.is_ascii_digit());
    let digits = digits.take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

fn acceptor(identity: &Path) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(identity.join(CERTIFICATE));
    let chain = vec![certificate.expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(identity.join(KEY)).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("they fit together");
    TlsAcceptor::from(Arc::new(config))
}
