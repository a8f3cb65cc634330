//! Servers with a known delay in each phase of a probe.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use rustls::ServerConfig;

use super::wire::{self, Wire, read_until};

/// Delays of an https server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delays {
    /// From the ClientHello to the ServerHello.
    pub tls: Duration,
    /// From the request to the response head.
    pub head: Duration,
    /// From the response head to the body, if there is one.
    pub body: Duration,
}

impl Delays {
    /// A handler for [`Peer::start`](super::Peer::start): `/hops/2` redirects to `/hops/1` and that
    /// to `/hops/0`; everything else is 200.
    pub fn over_tls(
        self,
        config: Arc<ServerConfig>,
    ) -> impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static {
        move |mut connection: TcpStream| {
            connection.set_nodelay(true)?;
            // Until the ClientHello is here, the client may not have noted yet that it is
            // connected.
            connection.peek(&mut [0])?;
            sleep(self.tls);
            let talked = wire::with_tls(&config, &mut connection, |wire| self.answer(wire));
            wire::close(&mut connection);
            talked
        }
    }

    fn answer(self, wire: &mut dyn Wire) -> io::Result<()> {
        let head = read_until(wire, b"\r\n\r\n")?;
        sleep(self.head);
        let path = head.split(' ').nth(1).unwrap_or("/");
        let hops = path.strip_prefix("/hops/").and_then(|hops| hops.parse::<u32>().ok());
        if let Some(next) = hops.and_then(|hops| hops.checked_sub(1)) {
            let location = format!("location: /hops/{next}\r\ncontent-length: 0");
            wire.write_all(format!("HTTP/1.1 302 Found\r\n{location}\r\n\r\n").as_bytes())?;
            return wire.flush();
        }
        wire.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
        wire.flush()?;
        sleep(self.body);
        wire.write_all(b"ok")?;
        wire.flush()
    }
}
