//! A datagram, and the response to it if one is expected.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::domain::{Failure, Reason};
use crate::probe::context::ProbeContext;
use crate::probe::protocols::datagram::{self, Attempt, DATAGRAM_MAX, PeerSocket};
use crate::probe::protocols::excerpt::missing;
use crate::probe::response::ProbeResponse;
use crate::probe::timings::Phase;

/// Longest wait for the ICMP error of a closed port, where no response is expected.
const REFUSAL_WAIT: Duration = Duration::from_secs(1);

/// Sends `body` until a response arrives. Without a text, an expectation or a condition on the
/// body, no response is expected: an empty datagram shows whether the port is closed.
pub async fn probe(context: &ProbeContext<'_>) -> Result<ProbeResponse, Failure> {
    let options = context.options();
    let sends = context.text_to_send()?.is_some_and(|text| !text.is_empty());
    let addresses = context.resolve(context.url).await?;
    context.enter(Phase::Processing);
    if !sends && options.expect.is_none() && !context.needs_body() {
        let address = send_to_any(context, &addresses).await?;
        context.update_details(|details| details.address = Some(address));
        return Ok(ProbeResponse::default());
    }
    let request = |attempt: Attempt<'_, ()>| {
        context.set_local_address(attempt.socket.local_address().ok());
        Ok(context.text_to_send()?.unwrap_or_default().into_bytes())
    };
    let parse = |(): &(), packet: &[u8]| Ok(Some(packet.to_vec()));
    let response = datagram::query_any(&addresses, datagram::udp_socket, request, parse);
    let (address, body) = response.await?;
    context.update_details(|details| details.address = Some(address));
    if body.len() > options.body_limit {
        let detail = format!("reading the response: more than {} bytes", options.body_limit);
        return Err(Failure::new(Reason::TooLarge, detail));
    }
    if let Some(expected) = &options.expect
        && !expected.search().found_in(&body)
    {
        return Err(missing(&context.expected_text(expected), &body));
    }
    Ok(ProbeResponse { body, ..ProbeResponse::default() })
}

/// Sends an empty datagram to `addresses` in turn, until one does not refuse it. The wait for a
/// refusal that does not come is no response time.
async fn send_to_any(
    context: &ProbeContext<'_>,
    addresses: &[SocketAddr],
) -> Result<SocketAddr, Failure> {
    let deadline = context.timings.started() + context.service.timeout.get();
    let mut last_failure = datagram::no_address();
    for &address in addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        match is_open(context, address, REFUSAL_WAIT.min(left / 2)).await {
            Ok(()) => return Ok(address),
            Err(failure) => last_failure = failure,
        }
    }
    Err(last_failure)
}

/// Whether nothing refuses an empty datagram within `wait`; any datagram from there will do.
async fn is_open(
    context: &ProbeContext<'_>,
    address: SocketAddr,
    wait: Duration,
) -> Result<(), Failure> {
    let socket = PeerSocket::open(address, datagram::udp_socket)?;
    socket.send(&[]).await?;
    context.timings.pause(Instant::now());
    let mut buffer = vec![0; DATAGRAM_MAX];
    let received = tokio::time::timeout(wait, socket.receive(&mut buffer)).await;
    context.timings.resume(Instant::now());
    received.map_or(Ok(()), |received| received.map(drop))
}
