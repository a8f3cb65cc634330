//! A connection over TCP or TLS; optionally a text to send and a response to read.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::domain::{Failure, Reason};
use crate::probe::context::ProbeContext;
use crate::probe::failure;
use crate::probe::net::tls::Alpn;
use crate::probe::protocols::dialogue;
use crate::probe::protocols::excerpt::excerpt;
use crate::probe::response::ProbeResponse;
use crate::probe::timings::Phase;

/// Longest pause within a response; a longer one ends it.
const IDLE_LIMIT: Duration = Duration::from_secs(1);

/// Most bytes read at once.
const CHUNK: usize = 8 * 1024;

/// Reads after each of which the conditions are checked.
const CHECKED_READS: usize = 100;

/// Connects, with TLS if the scheme of the probe's URL is https, then sends and reads as
/// configured.
pub async fn probe(context: &ProbeContext<'_>) -> Result<ProbeResponse, Failure> {
    // `ProbeContext::open` would drop data that looks like an interim response of HTTP.
    let mut stream = context.connect(context.url).await?;
    let dialogue = context.options().dialogue();
    let upgrade = dialogue.iter().position(|step| step.upgrades);
    if let Some((before, after)) = upgrade.map(|nth| dialogue.split_at(nth + 1)) {
        dialogue::talk(context, &mut stream, before).await?;
        let mut stream = context.tls_handshake(context.url, stream, Alpn::None).await?;
        return dialogue::talk(context, &mut stream, after).await;
    }
    if context.url.scheme() == "https" {
        let stream = context.tls_handshake(context.url, stream, Alpn::None).await?;
        return send_and_read(context, stream).await;
    }
    send_and_read(context, stream).await
}

async fn send_and_read<S>(
    context: &ProbeContext<'_>,
    mut stream: S,
) -> Result<ProbeResponse, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let dialogue = context.options().dialogue();
    if !dialogue.is_empty() {
        return dialogue::talk(context, &mut stream, dialogue).await;
    }
    let mut response = ProbeResponse::default();
    let expected = context.options().expect.as_ref();
    let reads = expected.is_some() || context.needs_body();
    let text = context.text_to_send()?;
    if text.is_none() && !reads {
        return Ok(response);
    }
    context.enter(Phase::Processing);
    if let Some(text) = text {
        send(&mut stream, text.as_bytes())
            .await
            .map_err(|error| failure::of_io("sending the text", &error))?;
    }
    if !reads {
        return Ok(response);
    }
    response.body = match expected {
        Some(expected) => {
            let mut search = expected.search();
            let is_complete = |received: &[u8]| search.found_in(received);
            let (body, found) = read_until(context, &mut stream, None, is_complete).await?;
            if !found {
                return Err(missing(&context.expected_text(expected), &body));
            }
            body
        }
        // The response has no delimiter: it ends when the conditions hold, or after a pause.
        None => {
            let (mut reads, mut next_check) = (0, 0);
            let is_complete = |received: &[u8]| {
                // A check takes time in proportion to the length, so after the first reads the
                // response is checked only each time its length has doubled.
                reads += 1;
                let is_due = reads <= CHECKED_READS || received.len() >= next_check;
                if is_due {
                    next_check = 2 * received.len();
                }
                is_due && context.body_fulfils_conditions(received)
            };
            read_until(context, &mut stream, Some(IDLE_LIMIT), is_complete).await?.0
        }
    };
    Ok(response)
}

pub(super) async fn send<S: AsyncWrite + Unpin>(stream: &mut S, text: &[u8]) -> io::Result<()> {
    stream.write_all(text).await?;
    stream.flush().await
}

/// Reads until the received data `is_complete`, the peer closes, or, after the first bytes, the
/// peer pauses for `idle_limit`. Returns the data and whether it is complete.
async fn read_until<S: AsyncRead + Unpin>(
    context: &ProbeContext<'_>,
    stream: &mut S,
    idle_limit: Option<Duration>,
    mut is_complete: impl FnMut(&[u8]) -> bool,
) -> Result<(Vec<u8>, bool), Failure> {
    let limit = context.options().body_limit;
    let (mut received, mut buffer) = (Vec::new(), vec![0; CHUNK]);
    loop {
        let read = stream.read(&mut buffer);
        let read = match idle_limit.filter(|_| !received.is_empty()) {
            None => read.await,
            Some(limit) => match tokio::time::timeout(limit, read).await {
                Ok(read) => read,
                Err(_elapsed) => return Ok((received, false)),
            },
        };
        let read = match read {
            Ok(read) => read,
            // Many servers close without close_notify.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(failure::of_io("waiting for the response", &error)),
        };
        if received.is_empty() && read > 0 {
            context.enter(Phase::Transfer);
        }
        received.extend_from_slice(&buffer[..read]);
        if is_complete(&received) {
            return Ok((received, true));
        }
        if received.len() > limit {
            let detail = format!("reading the response: more than {limit} bytes");
            return Err(Failure::new(Reason::TooLarge, detail));
        }
        if read == 0 {
            return Ok((received, false));
        }
    }
}

/// The failure of a response `body` without the expected text.
pub(super) fn missing(expected: &str, body: &[u8]) -> Failure {
    let shown = excerpt(body);
    let detail = if shown.is_empty() {
        format!("no response that contains {expected}")
    } else {
        format!("the response \"{shown}\" does not contain {expected}")
    };
    Failure::new(Reason::Condition, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unexpected_response_is_in_the_detail() {
        let missing = |body| missing("the expected text", body);
        let failure = missing(b"554 go away\r\n");
        assert_eq!(failure.reason, Reason::Condition);
        let detail = "the response \"554 go away\\r\\n\" does not contain the expected text";
        assert_eq!(failure.detail, detail);
        assert_eq!(missing(b"").detail, "no response that contains the expected text");
    }
}
