//! Targets that speak other protocols than HTTP.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use actix_http::ws::{OpCode, Parser, hash_key};
use bytes::BytesMut;
use procfs::net::{TcpNetEntry, TcpState};
use rustls::ServerConfig;
use socket2::{Domain, SockAddr, Socket, Type};

use super::wait_for;
use super::wire::{self, Peer, Wire, read_until};

/// A WebSocket that echoes every message.
pub fn websocket_echo(wire: &mut dyn Wire) -> io::Result<()> {
    websocket(wire, Some)
}

/// A WebSocket that closes on the first message.
pub fn websocket_that_closes(wire: &mut dyn Wire) -> io::Result<()> {
    websocket(wire, |_| None)
}

/// The response that accepts the handshake with this head (RFC 6455, section 4.2.2).
pub fn websocket_accept(head: &str) -> io::Result<String> {
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then_some(value.trim())
    });
    let accept = hash_key(key.ok_or_else(|| io::Error::other("no key"))?.as_bytes());
    let accept = String::from_utf8_lossy(&accept);
    Ok(format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    ))
}

/// Accepts the handshake (RFC 6455), and echoes each message with the opcode from `as_what`; closes
/// when that is `None`.
fn websocket(wire: &mut dyn Wire, as_what: impl Fn(OpCode) -> Option<OpCode>) -> io::Result<()> {
    let head = read_until(wire, b"\r\n\r\n")?;
    wire.write_all(websocket_accept(&head)?.as_bytes())?;
    wire.flush()?;
    let (mut received, mut room) = (BytesMut::new(), [0; 1_024]);
    loop {
        while let Some((_complete, code, payload)) =
            Parser::parse(&mut received, true, 65_536).map_err(io::Error::other)?
        {
            let code = match code {
                OpCode::Close => return Ok(()),
                OpCode::Ping => Some(OpCode::Pong),
                code => as_what(code),
            };
            let mut frame = BytesMut::new();
            match code {
                Some(code) => {
                    let payload = payload.unwrap_or_default();
                    Parser::write_message(&mut frame, payload, code, true, false);
                }
                // Status "normal closure" (RFC 6455, section 7.4.1).
                None => {
                    let normal = 1_000_u16.to_be_bytes();
                    Parser::write_message(&mut frame, normal, OpCode::Close, true, false);
                }
            }
            wire.write_all(&frame)?;
            wire.flush()?;
            if code.is_none() {
                return Ok(());
            }
        }
        match wire.read(&mut room)? {
            0 => return Ok(()),
            read => received.extend_from_slice(&room[..read]),
        }
    }
}

/// Greets like a mail server, reads one line, and repeats it.
pub fn smtp_greeting(wire: &mut dyn Wire) -> io::Result<()> {
    wire.write_all(b"220 mail.example ESMTP\r\n")?;
    wire.flush()?;
    let line = read_until(wire, b"\n")?;
    wire.write_all(format!("you said {}\r\n", line.trim_end()).as_bytes())?;
    wire.flush()
}

/// How a mail server handles STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailServer {
    /// As in RFC 3207.
    Good,
    /// Without the extension.
    WithoutStartTls,
    /// Greets with 554.
    Rejecting,
    /// Sends another reply right after the 220, as an attacker in between would.
    Injecting,
}

impl MailServer {
    pub fn serve(self, config: Arc<ServerConfig>) -> Peer {
        Peer::start(move |mut connection| {
            let before = self.before_tls(&mut connection);
            if matches!(before, Ok(true)) {
                wire::with_tls(&config, &mut connection, |wire| {
                    read_until(wire, b"QUIT\r\n")?;
                    wire.write_all(b"221 bye\r\n")
                })?;
            }
            wire::close(&mut connection);
            before.map(drop)
        })
    }

    /// The dialogue up to TLS; false when the switch to TLS does not happen.
    fn before_tls(self, wire: &mut dyn Wire) -> io::Result<bool> {
        if self == Self::Rejecting {
            wire.write_all(b"554 5.7.1 no service here\r\n")?;
            return Ok(false);
        }
        wire.write_all(b"220 mail.example ESMTP\r\n")?;
        let hello = read_until(wire, b"\r\n")?;
        if !hello.starts_with("EHLO ") {
            return Err(io::Error::other(hello));
        }
        if self == Self::WithoutStartTls {
            wire.write_all(b"250-mail.example\r\n250 PIPELINING\r\n")?;
            return Ok(false);
        }
        wire.write_all(b"250-mail.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n")?;
        let turn = read_until(wire, b"\r\n")?;
        if turn != "STARTTLS\r\n" {
            return Err(io::Error::other(turn));
        }
        // In one write, so that both arrive together.
        let injected = if self == Self::Injecting { "250 slipped in\r\n" } else { "" };
        wire.write_all(format!("220 go ahead\r\n{injected}").as_bytes())?;
        Ok(true)
    }
}

/// A port with a full backlog: a SYN gets no answer.
pub struct FullBacklog {
    listener: Socket,
    /// The connections in the backlog.
    waiting: Vec<Socket>,
}

impl FullBacklog {
    /// Listens on a port and fills the backlog.
    pub fn new() -> Self {
        let address = SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = socket();
        listener.bind(&address).unwrap();
        // Linux queues one connection more than requested.
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        // The backlog is full when a connection gets no answer.
        for _ in 0..20 {
            let client = socket();
            let answered =
                client.connect_timeout(&address, std::time::Duration::from_secs(1)).is_ok();
            if !answered {
                return Self { listener, waiting };
            }
            waiting.push(client);
        }
        panic!("the queue is never full");
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().as_socket().unwrap().port()
    }

    /// Waits until a SYN got no answer, then empties the backlog and runs `serve` for each
    /// connection.
    pub fn accept_after_syn(
        self,
        serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Peer {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port()));
        wait_for("a SYN without an answer", || {
            // A failed read of the table is repeated.
            let table = procfs::net::tcp().unwrap_or_default();
            let is_unanswered = |entry: &TcpNetEntry| {
                entry.remote_address == address && entry.state == TcpState::SynSent
            };
            table.iter().any(is_unanswered).then_some(())
        });
        let Self { listener, waiting } = self;
        drop(waiting);
        Peer::at(listener.into(), serve)
    }
}
