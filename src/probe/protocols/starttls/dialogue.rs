//! The plaintext dialogue before the TLS handshake.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::limits::check;
use crate::probe::protocols::excerpt::excerpt;

/// Longest reply, in bytes; RFC 5321 allows 512 for each line.
const REPLY_LIMIT: usize = 64 * 1024;

/// The pieces of which a protocol's replies consist. A reply is parsed only when a piece may be
/// complete, and each parse costs time, so the number of pieces is limited.
#[derive(Debug, Clone, Copy)]
pub struct Pieces {
    /// The last byte of a piece; `None` when each read may complete the reply.
    pub end: Option<u8>,
    pub limit: u64,
    /// The pieces, in the plural.
    pub what: &'static str,
}

pub const LINES: Pieces = Pieces { end: Some(b'\n'), limit: 100, what: "lines of a reply" };
pub const TAGS: Pieces = Pieces { end: Some(b'>'), limit: 300, what: "tags of a reply" };
pub const MESSAGES: Pieces = Pieces { end: None, limit: 100, what: "parts of a reply" };

/// Received data that is no reply of the protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidReply;

/// A reply at the start of the received data and its length; `None` while it is incomplete.
pub type Parsed<T> = Result<Option<(T, usize)>, InvalidReply>;

/// A dialogue of one protocol over a connection.
pub struct Dialogue {
    stream: TcpStream,
    /// Name of the protocol, for details of failures.
    protocol: &'static str,
}

impl Dialogue {
    pub fn new(stream: TcpStream, protocol: &'static str) -> Self {
        Self { stream, protocol }
    }

    /// The connection. All replies were read to their end, and nothing behind them.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    fn when(&self) -> String {
        format!("in the {} dialogue", self.protocol)
    }

    pub fn failure(&self, why: &str) -> Failure {
        Failure::new(Reason::Protocol, format!("{}: {why}", self.when()))
    }

    /// A refusal of a protocol without status codes.
    pub fn refused(&self, reply: &str) -> Failure {
        Failure::new(Reason::Status, format!("{}: {}", self.protocol, excerpt(reply.as_bytes())))
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let sent = self.stream.write_all(bytes).await;
        sent.map_err(|error| failure::of_io(&self.when(), &error))
    }

    /// Reads one reply.
    ///
    /// No data may follow: an attacker who injects data before the handshake would have it taken
    /// for data sent over TLS (RFC 3207, section 6).
    pub async fn read<T>(
        &mut self,
        pieces: Pieces,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> Result<T, Failure> {
        let (mut received, mut count) = (Vec::new(), 0);
        let mut buffer = [0; 1_024];
        loop {
            let read = self.stream.read(&mut buffer).await;
            let read = read.map_err(|error| failure::of_io(&self.when(), &error))?;
            if read == 0 {
                let why = "the connection was closed before the reply was complete";
                return Err(self.failure(why));
            }
            let part = &buffer[..read];
            received.extend_from_slice(part);
            let new = match pieces.end {
                Some(end) => part.iter().filter(|byte| **byte == end).count() as u64,
                None => 1,
            };
            count += new;
            check(count, pieces.limit, pieces.what)
                .map_err(|exceeded| exceeded.failure(&self.when()))?;
            let parsed = if new > 0 { parse(&received) } else { Ok(None) };
            match parsed {
                Ok(Some((reply, length))) if length == received.len() => return Ok(reply),
                Ok(Some(_)) => return Err(self.failure("unexpected data after the reply")),
                Ok(None) if received.len() > REPLY_LIMIT => {
                    return Err(self.failure(&format!("a reply of more than {REPLY_LIMIT} bytes")));
                }
                Ok(None) => {}
                Err(InvalidReply) => {
                    let (received, protocol) = (excerpt(&received), self.protocol);
                    let why = format!("\"{received}\" is not a reply of {protocol}");
                    return Err(self.failure(&why));
                }
            }
        }
    }
}

/// The failure of a server without an upgrade to TLS.
pub fn not_offered(what: &str) -> Failure {
    Failure::new(Reason::TlsHandshake, format!("the server does not offer {what}"))
}
