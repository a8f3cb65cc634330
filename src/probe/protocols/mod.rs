//! How targets are asked that speak something else than plain HTTP.
//!
//! | scheme | file | what is asked | up, when no condition says otherwise |
//! |---|---|---|---|
//! | `tcp`, `tls` | [`tcp`] | a text, if one is to be sent | it connects, and answers what is expected |
//! | `starttls` | [`starttls`] | SMTP's STARTTLS (RFC 3207) | the mail server turns to TLS |
//! | `ws`, `wss` | [`websocket`] | a handshake, and a message if one is to be sent | 101, and the message expected |
//! | `grpc`, `grpcs` | [`grpc`] | `grpc.health.v1.Health/Check` | `SERVING` |
//! | `dns` | [`dns`] | one question | the records expected, or any of that type |
//! | `icmp` | [`icmp`] | an echo request | the echo |
//!
//! Each of them says what the target [said](ProbeResponse) and what the plain rule makes of it. An error in place of that is a
//! probe that got no answer at all, or not the one that was expected by itself; no condition can mend that.

mod datagram;
mod dns;
mod frames;
mod grpc;
mod icmp;
mod starttls;
mod tcp;
mod websocket;

use url::Url;

use crate::domain::outcome::in_one_line;
use crate::domain::{Failure, Kind, Reason};
use crate::probe::context::{ProbeContext, ProbeResponse};

/// Most characters of an answer that a failure shows.
const EXCERPT_CHARS: usize = 60;

/// Asks the target at `url` as its kind asks for.
pub async fn probe(
    way: &ProbeContext<'_>,
    kind: Kind,
    url: &Url,
) -> Result<ProbeResponse, Failure> {
    match kind {
        Kind::Tcp | Kind::Tls => tcp::probe(way, url).await,
        Kind::StartTls => starttls::probe(way, url).await,
        Kind::WebSocket => websocket::probe(way, url).await,
        Kind::Grpc => grpc::probe(way, url).await,
        Kind::Dns => dns::probe(way, url).await,
        Kind::Icmp => icmp::probe(way, url).await,
        Kind::Http | Kind::Push => {
            Err(Failure::new(Reason::LocalFault, format!("{kind:?} is not asked in this way")))
        }
    }
}

/// An answer without a body.
fn said(status: Option<u16>, plain: Result<(), Failure>) -> ProbeResponse {
    ProbeResponse { status, plain, ..ProbeResponse::default() }
}

/// The text that is to be sent, its variables filled in.
fn text_to_send(way: &ProbeContext<'_>) -> Result<Option<String>, Failure> {
    way.options().body.as_ref().map(|text| way.fill(text)).transpose()
}

/// The start of what came, in one line.
fn excerpt(received: &[u8]) -> String {
    in_one_line(String::from_utf8_lossy(received).chars().take(EXCERPT_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_stays_in_its_line() {
        assert_eq!(excerpt(b"220 ready\r\n\x1b[31m"), "220 ready\\r\\n\\u{1b}[31m");
        assert_eq!(excerpt("ä".repeat(500).as_bytes()), "ä".repeat(60));
        assert_eq!(excerpt(b"\xff"), "\u{fffd}");
    }
}
