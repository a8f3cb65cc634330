//! Things to watch that speak something else than HTTP.

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

/// Talk: a WebSocket that sends every message back.
pub fn websocket_echo(wire: &mut dyn Wire) -> io::Result<()> {
    websocket(wire, Some)
}

/// Talk: a WebSocket that answers every message by closing.
pub fn websocket_that_closes(wire: &mut dyn Wire) -> io::Result<()> {
    websocket(wire, |_| None)
}

/// Shakes hands (RFC 6455), and sends each message back as what `as_what` says of it, until it says nothing.
fn websocket(wire: &mut dyn Wire, as_what: impl Fn(OpCode) -> Option<OpCode>) -> io::Result<()> {
    let head = read_until(wire, b"\r\n\r\n")?;
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then_some(value.trim())
    });
    let accept = hash_key(key.ok_or_else(|| io::Error::other("no key"))?.as_bytes());
    let accept = String::from_utf8_lossy(&accept);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    wire.write_all(answer.as_bytes())?;
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
                // "Normal", as RFC 6455 numbers it (section 7.4.1).
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

/// Talk: greets, reads one line, and says it again.
pub fn smtp_greeting(wire: &mut dyn Wire) -> io::Result<()> {
    wire.write_all(b"220 mail.example ESMTP\r\n")?;
    wire.flush()?;
    let line = read_until(wire, b"\n")?;
    wire.write_all(format!("you said {}\r\n", line.trim_end()).as_bytes())?;
    wire.flush()
}

/// How a mail server goes about STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailServer {
    /// As RFC 3207 says.
    Good,
    /// It does not offer it.
    WithoutStartTls,
    /// It greets with 554.
    Rejecting,
    /// It sends another reply right behind its 220, as somebody in between would.
    Injecting,
}

impl MailServer {
    /// Starts such a mail server, which speaks TLS as `config` says.
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

    /// The dialogue up to TLS; false when it does not come to that.
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
        // In one piece, so that both arrive together.
        let injected = if self == Self::Injecting { "250 slipped in\r\n" } else { "" };
        wire.write_all(format!("220 go ahead\r\n{injected}").as_bytes())?;
        Ok(true)
    }
}

/// A port whose queue of new connections is full: who knocks gets no answer.
pub struct FullBacklog {
    listener: Socket,
    /// Who fills it.
    waiting: Vec<Socket>,
}

impl FullBacklog {
    /// Takes a port and fills its queue.
    pub fn new() -> Self {
        let address = SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = socket();
        listener.bind(&address).unwrap();
        // Linux queues one more than is asked for.
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        // How many fit is the kernel's business; the first that gets no answer says that it is full.
        for _ in 0..20 {
            let knocking = socket();
            let answered =
                knocking.connect_timeout(&address, std::time::Duration::from_secs(1)).is_ok();
            if !answered {
                return Self { listener, waiting };
            }
            waiting.push(knocking);
        }
        panic!("the queue is never full");
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().as_socket().unwrap().port()
    }

    /// Waits until somebody has knocked in vain, and then does with each connection what `serve` says.
    pub fn accept_after_syn(
        self,
        serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Peer {
        let door = SocketAddr::from(([127, 0, 0, 1], self.port()));
        wait_for("a knock at the door", || {
            // A table that cannot be read just now is read again.
            let table = procfs::net::tcp().unwrap_or_default();
            let knocks = |entry: &TcpNetEntry| {
                entry.remote_address == door && entry.state == TcpState::SynSent
            };
            table.iter().any(knocks).then_some(())
        });
        let Self { listener, waiting } = self;
        drop(waiting);
        Peer::at(listener.into(), serve)
    }
}
