//! Probes of protocols other than plain HTTP.
//!
//! | scheme | file | request | up, without conditions |
//! |---|---|---|---|
//! | `tcp`, `tls` | [`tcp`] | a text, if configured | connected, the expected text |
//! | `udp` | [`udp`] | a text, if configured | a response; without a text, no refusal |
//! | `starttls` | [`starttls`] | a protocol's upgrade to TLS | the TLS handshake succeeded |
//! | `ws`, `wss` | [`websocket`] | handshake, a message if configured | 101, the expected message |
//! | `grpc`, `grpcs` | [`grpc`] | `grpc.health.v1.Health/Check` | `SERVING` |
//! | `dns` | [`dns`] | one question | the expected records, or any of that type |
//! | `icmp` | [`icmp`] | an echo request | an echo reply |
//! | `ssh` | [`ssh`] | an identification | the identification of the server |
//!
//! Each returns a [`ProbeResponse`] for the conditions, with the result of the plain rule in it. An
//! error means that no response came, or not the one that `expect` requires; conditions cannot
//! override that.

mod datagram;
mod dialogue;
mod dns;
mod excerpt;
mod grpc;
mod icmp;
mod ssh;
mod starttls;
mod tcp;
mod udp;
mod websocket;
mod websocket_frames;
mod websocket_handshake;

use crate::domain::{Failure, Kind, Reason};
use crate::probe::context::ProbeContext;
use crate::probe::response::ProbeResponse;

pub async fn probe(context: &ProbeContext<'_>, kind: Kind) -> Result<ProbeResponse, Failure> {
    match kind {
        Kind::Tcp | Kind::Tls => tcp::probe(context).await,
        Kind::Udp => udp::probe(context).await,
        Kind::StartTls => starttls::probe(context).await,
        Kind::WebSocket => websocket::probe(context).await,
        Kind::Grpc => grpc::probe(context).await,
        Kind::Dns => dns::probe(context).await,
        Kind::Icmp => icmp::probe(context).await,
        Kind::Ssh => ssh::probe(context).await,
        Kind::Http | Kind::Exec | Kind::Push => {
            Err(Failure::new(Reason::LocalFault, format!("no probe for targets of kind {kind:?}")))
        }
    }
}
