//! Targets over HTTP: small servers on loopback that behave well or badly.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};

/// How a target answers a request.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// This status and a small body.
    Status(u16),
    /// This status once, and then 200.
    OnceThen(u16),
    /// The two statuses in turn.
    Alternating(u16, u16),
    /// 200 after a delay.
    After(Duration),
    /// A head with 200 at once, and the body after a delay.
    SlowBody(Duration),
    /// Exactly these bytes, and then the end of the connection.
    Raw(Vec<u8>),
    /// No answer.
    Hung,
    /// 200 and then one byte of the body every 50 ms, for ever.
    Dripping,
    /// One byte of the head every 50 ms, for ever.
    DrippingHead,
    /// 200 and an endless body.
    Endless,
    /// An endless head.
    EndlessHead,
    /// A small gzip body that decompresses to 64 MiB.
    GzipBomb,
    /// A reset of the connection.
    Reset,
    /// 302 to itself.
    RedirectLoop,
    /// 302 to this URL.
    RedirectTo(String),
    /// 302 to `/hops/n-1`, down to 200 at `/hops/0`.
    Hops,
}

/// The header line with these basic credentials.
pub fn basic(credentials: &str) -> String {
    format!("authorization: Basic {}", BASE64_STANDARD.encode(credentials))
}

/// Whether `head` has this header line; names are compared case-insensitively.
pub fn has_line(head: &str, line: &str) -> bool {
    let (name, value) = line.split_once(": ").unwrap();
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .any(|(known, found)| known.eq_ignore_ascii_case(name) && found == value)
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    hits: AtomicUsize,
    concurrent: AtomicUsize,
    max_concurrent: AtomicUsize,
    heads: Mutex<Vec<String>>,
    bodies: Mutex<Vec<String>>,
    closed: AtomicBool,
}

/// A server on loopback, stopped on drop.
pub struct Target {
    port: u16,
    shared: Arc<Shared>,
}

impl Target {
    pub fn start(behaviour: Behaviour) -> Self {
        Self::start_at("127.0.0.1", behaviour)
    }

    /// Starts a server on this address, in the network namespace of the calling thread.
    pub fn start_at(address: &str, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(behaviour),
            hits: AtomicUsize::new(0),
            concurrent: AtomicUsize::new(0),
            max_concurrent: AtomicUsize::new(0),
            heads: Mutex::new(Vec::new()),
            bodies: Mutex::new(Vec::new()),
            closed: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if serving.closed.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(connection) = connection else { continue };
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || shared.serve(connection));
            }
        });
        Self { port, shared }
    }

    /// A server that answers 200.
    pub fn healthy() -> Self {
        Self::start(Behaviour::Status(200))
    }

    /// The URL with the path `/`.
    pub fn url(&self) -> String {
        self.at("/")
    }

    /// The URL with this path.
    pub fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the behaviour, from the next request on.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    /// Number of requests so far.
    pub fn request_count(&self) -> usize {
        self.shared.hits.load(Ordering::SeqCst)
    }

    /// Highest number of concurrent requests so far, of those with [`Behaviour::After`].
    pub fn max_concurrent(&self) -> usize {
        self.shared.max_concurrent.load(Ordering::SeqCst)
    }

    /// The head of the newest request.
    pub fn last_head(&self) -> String {
        self.shared.heads.lock().unwrap().last().cloned().unwrap_or_default()
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().unwrap().clone()
    }

    /// The bodies of all requests so far.
    pub fn bodies(&self) -> Vec<String> {
        self.shared.bodies.lock().unwrap().clone()
    }

    /// The body of the newest request, empty when absent.
    pub fn last_body(&self) -> String {
        self.shared.bodies.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then exits.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn serve(&self, mut connection: TcpStream) {
        let Some((head, body)) = read_request(&mut connection) else { return };
        let behaviour = self.behaviour.lock().unwrap().clone();
        let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
        self.heads.lock().unwrap().push(head);
        self.bodies.lock().unwrap().push(body);
        self.hits.fetch_add(1, Ordering::SeqCst);
        // The peer may have closed the connection.
        let _ = self.answer(&mut connection, behaviour, &path);
    }

    fn answer(
        &self,
        connection: &mut TcpStream,
        behaviour: Behaviour,
        path: &str,
    ) -> std::io::Result<()> {
        match behaviour {
            Behaviour::Status(status) => respond(connection, status, "", b"ok"),
            Behaviour::OnceThen(status) => {
                *self.behaviour.lock().unwrap() = Behaviour::Status(200);
                respond(connection, status, "", b"once")
            }
            Behaviour::Alternating(one, other) => {
                let even = self.hits.load(Ordering::SeqCst).is_multiple_of(2);
                let status = if even { one } else { other };
                respond(connection, status, "", b"in turn")
            }
            Behaviour::After(wait) => {
                // Decremented before the response is sent: after it, the next request may arrive
                // first.
                let now = self.concurrent.fetch_add(1, Ordering::SeqCst) + 1;
                self.max_concurrent.fetch_max(now, Ordering::SeqCst);
                std::thread::sleep(wait);
                self.concurrent.fetch_sub(1, Ordering::SeqCst);
                respond(connection, 200, "", b"ok")
            }
            Behaviour::SlowBody(wait) => {
                connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")?;
                std::thread::sleep(wait);
                connection.write_all(b"ok")
            }
            Behaviour::Raw(bytes) => connection.write_all(&bytes),
            Behaviour::Hung => self.drip(connection, b""),
            Behaviour::Dripping => {
                connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")?;
                self.drip(connection, b"x")
            }
            Behaviour::DrippingHead => {
                connection.write_all(b"HTTP/1.1 200 OK\r\nx-drip: ")?;
                self.drip(connection, b"x")
            }
            Behaviour::Endless => {
                connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                self.flood(connection, b"0123456789abcdef")
            }
            Behaviour::EndlessHead => {
                connection.write_all(b"HTTP/1.1 200 OK\r\n")?;
                self.flood(connection, b"x-more: more\r\n")
            }
            Behaviour::GzipBomb => {
                respond(connection, 200, "content-encoding: gzip\r\n", include_bytes!("bomb.gz"))
            }
            Behaviour::Reset => {
                // Closing with unread bytes in the buffer makes the kernel send a reset.
                rustix::net::sockopt::set_socket_linger(&*connection, Some(Duration::ZERO))?;
                Ok(())
            }
            Behaviour::RedirectLoop => redirect(connection, path),
            Behaviour::RedirectTo(url) => redirect(connection, &url),
            Behaviour::Hops => match path.rsplit('/').next().and_then(|n| n.parse::<u32>().ok()) {
                Some(hops) if hops > 0 => redirect(connection, &format!("/hops/{}", hops - 1)),
                _ => respond(connection, 200, "", b"ok"),
            },
        }
    }

    /// Sends `bytes` every 50 ms until the peer or the target is gone.
    fn drip(&self, connection: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        connection.set_read_timeout(Some(Duration::from_millis(50)))?;
        let mut gone = [0];
        while !self.closed.load(Ordering::SeqCst) {
            match connection.read(&mut gone) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            connection.write_all(bytes)?;
        }
        Ok(())
    }

    fn flood(&self, connection: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        let block = bytes.repeat(4_096);
        while !self.closed.load(Ordering::SeqCst) {
            connection.write_all(&block)?;
        }
        Ok(())
    }
}

fn redirect(connection: &mut TcpStream, to: &str) -> std::io::Result<()> {
    respond(connection, 302, &format!("location: {to}\r\n"), b"")
}

fn respond(
    connection: &mut TcpStream,
    status: u16,
    headers: &str,
    body: &[u8],
) -> std::io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Told\r\ncontent-length: {length}\r\n{headers}\r\n");
    connection.write_all(&[head.as_bytes(), body].concat())?;
    connection.shutdown(Shutdown::Write)
}

/// Reads a request, as head up to the empty line and body; `None` when the peer sent none.
fn read_request(connection: &mut TcpStream) -> Option<(String, String)> {
    let mut read = Vec::new();
    let mut room = [0; 1_024];
    loop {
        // A ClientHello begins with 0x16, and the client then waits: it counts as a request too.
        if read.first() == Some(&0x16) {
            return Some((text(&read), String::new()));
        }
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let (head, body) = read.split_at(end + 4);
            let head = text(head);
            if body.len() >= length_of_body(&head) {
                return Some((head, text(body)));
            }
        }
        match connection.read(&mut room) {
            Ok(0) | Err(_) => return None,
            Ok(more) => read.extend_from_slice(&room[..more]),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The `content-length` of the head, 0 when absent.
fn length_of_body(head: &str) -> usize {
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    length.unwrap_or(0)
}
