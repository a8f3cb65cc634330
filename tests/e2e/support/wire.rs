//! Small servers on loopback, over plain TCP or over TLS.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::{ServerConfig, ServerConnection, Stream};

use super::WAIT_LIMIT;

/// A connection, plain or over TLS.
pub trait Wire: Read + Write {}

impl<T: Read + Write> Wire for T {}

/// A server on loopback with a thread for each connection; stops listening on drop.
pub struct Peer {
    port: u16,
    closed: Arc<AtomicBool>,
}

impl Peer {
    /// Starts a server that runs `serve` for each connection.
    pub fn start(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").unwrap(), serve)
    }

    /// The same, on `listener`.
    pub fn at(
        listener: TcpListener,
        serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let port = listener.local_addr().unwrap().port();
        let closed = Arc::new(AtomicBool::new(false));
        let (closing, serve) = (Arc::clone(&closed), Arc::new(serve));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if closing.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(connection) = connection else { continue };
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || {
                    // A silent client must not block the thread for ever. A client may close the
                    // connection at any time.
                    let _ = connection.set_read_timeout(Some(WAIT_LIMIT));
                    let _ = serve(connection);
                });
            }
        });
        Self { port, closed }
    }

    /// Starts a server that runs `talk` over plain TCP.
    pub fn tcp(talk: impl Fn(&mut dyn Wire) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::start(move |mut connection| {
            let talked = talk(&mut connection);
            close(&mut connection);
            talked
        })
    }

    /// Starts a server that runs `talk` over TLS.
    pub fn tls(
        config: Arc<ServerConfig>,
        talk: impl Fn(&mut dyn Wire) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::start(move |mut connection| {
            let talked = with_tls(&config, &mut connection, &talk);
            close(&mut connection);
            talked
        })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL with this scheme, without a path.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then exits.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Runs `talk` over TLS on `connection`, as the server. Sends no close_notify, as many servers do
/// not.
pub fn with_tls(
    config: &Arc<ServerConfig>,
    connection: &mut TcpStream,
    talk: impl Fn(&mut dyn Wire) -> io::Result<()>,
) -> io::Result<()> {
    let mut session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    talk(&mut Stream::new(&mut session, connection))
}

/// Closes the connection after reading what the client still sends: closing with unread bytes would
/// make the kernel send a reset, and sent data could be lost.
pub fn close(connection: &mut TcpStream) {
    // An error means that the connection is closed already.
    let _ = connection.shutdown(Shutdown::Write);
    let mut unread = [0; 1_024];
    while matches!(connection.read(&mut unread), Ok(read) if read > 0) {}
}

/// Reads up to and including `end`, and nothing beyond.
pub fn read_until(wire: &mut dyn Wire, end: &[u8]) -> io::Result<String> {
    let (mut read, mut byte) = (Vec::new(), [0]);
    while !read.ends_with(end) {
        wire.read_exact(&mut byte)?;
        read.extend_from_slice(&byte);
    }
    Ok(String::from_utf8_lossy(&read).into_owned())
}

/// Answers any HTTP request with 200.
pub fn respond_ok(wire: &mut dyn Wire) -> io::Result<()> {
    read_until(wire, b"\r\n\r\n")?;
    wire.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok")?;
    wire.flush()
}
