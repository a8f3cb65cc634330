//! An echo request and its reply (RFC 792, RFC 4443), over a raw socket where the process may open
//! one (root, CAP_NET_RAW), else over the kernel's ping sockets, which need no privilege.
//!
//! The payload distinguishes replies to this probe from late replies to an earlier one.

mod echo;
mod socket;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use crate::domain::Failure;
use crate::probe::context::ProbeContext;
use crate::probe::protocols::datagram::{self, Attempt};
use crate::probe::protocols::icmp::echo::Echo;
use crate::probe::protocols::icmp::socket::{EchoSocket, open};
use crate::probe::response::ProbeResponse;
use crate::probe::timings::Phase;

/// Sends echo requests to the host until a reply arrives.
pub async fn probe(context: &ProbeContext<'_>) -> Result<ProbeResponse, Failure> {
    let mut addresses = context.resolve(context.url).await?;
    // ICMP has no ports: keeps the default port out of details.
    addresses.iter_mut().for_each(|address| address.set_port(0));
    context.update_details(|details| details.address = addresses.first().copied());
    context.enter(Phase::Processing);
    let echo = Echo::new(RandomState::new().build_hasher().finish());
    let request = |attempt: Attempt<'_, EchoSocket>| {
        Ok(echo.request(attempt.socket.state.family, attempt.number))
    };
    let parse =
        |socket: &EchoSocket, packet: &[u8]| Ok(socket.is_reply(&echo, packet).then_some(()));
    let ttl = context.options().of_module.as_ref().and_then(|module| module.ttl);
    let open = |address| open(address, echo.id(), ttl);
    let (address, ()) = datagram::query_any(&addresses, open, request, parse).await?;
    context.update_details(|details| details.address = Some(address));
    Ok(ProbeResponse::default())
}
