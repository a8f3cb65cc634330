//! A connection over TCP or TLS, and if wanted a text and its answer.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use url::Url;

use crate::domain::condition::wildcard::Wildcard;
use crate::domain::{Failure, Reason};
use crate::probe::context::{ProbeContext, ProbeResponse};
use crate::probe::failure;
use crate::probe::net::tls::Alpn;
use crate::probe::timings::Phase;

/// How long an answer may pause and still go on.
const QUIET: Duration = Duration::from_secs(1);

/// Most that is taken from the connection at once, in bytes.
const CHUNK: usize = 8 * 1024;

/// Connects, secures the connection if the scheme is https, and does with it what the service says.
pub async fn probe(way: &ProbeContext<'_>, url: &Url) -> Result<ProbeResponse, Failure> {
    // Not by `open`, whose connection passes over what looks like an interim answer of HTTP.
    let stream = way.connect(url).await?;
    if url.scheme() == "https" {
        let stream = way.secure(url, stream, Alpn::None).await?;
        return exchange(way, stream).await;
    }
    exchange(way, stream).await
}

async fn exchange<S>(way: &ProbeContext<'_>, mut stream: S) -> Result<ProbeResponse, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut said = ProbeResponse::default();
    let expected = way.options().expect.as_ref();
    let reads = expected.is_some() || way.needs_body();
    let text = super::text_to_send(way)?;
    if text.is_none() && !reads {
        return Ok(said);
    }
    way.enter(Phase::Waiting);
    if let Some(text) = text {
        send(&mut stream, text.as_bytes())
            .await
            .map_err(|error| failure::of_io("sending the text", &error))?;
    }
    if !reads {
        return Ok(said);
    }
    said.body = match expected {
        Some(expected) => {
            let mut search = expected.search();
            let (body, found) =
                hear(way, &mut stream, None, |heard| search.found_in(heard)).await?;
            if !found {
                return Err(missing(expected, &body));
            }
            body
        }
        // Nothing says where the answer ends, so it is over when the conditions hold, or when nothing more comes.
        None => {
            let mut next_look = 0;
            let enough = |heard: &[u8]| {
                // A long answer is looked at each time it has doubled: judging takes as long as it is.
                let looks = heard.len() <= CHUNK || heard.len() >= next_look;
                if looks {
                    next_look = 2 * heard.len();
                }
                looks && way.body_fulfils(heard)
            };
            hear(way, &mut stream, Some(QUIET), enough).await?.0
        }
    };
    Ok(said)
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, text: &[u8]) -> io::Result<()> {
    stream.write_all(text).await?;
    stream.flush().await
}

/// Reads until what came is `enough`, the peer ends, or, behind the first bytes, nothing comes for as long as `quiet`. Gives
/// what came, and whether it is enough.
async fn hear<S: AsyncRead + Unpin>(
    way: &ProbeContext<'_>,
    stream: &mut S,
    quiet: Option<Duration>,
    mut enough: impl FnMut(&[u8]) -> bool,
) -> Result<(Vec<u8>, bool), Failure> {
    let limit = way.options().body_limit;
    let (mut heard, mut room) = (Vec::new(), vec![0; CHUNK]);
    loop {
        let reading = stream.read(&mut room);
        let read = match quiet.filter(|_| !heard.is_empty()) {
            None => reading.await,
            Some(quiet) => match tokio::time::timeout(quiet, reading).await {
                Ok(read) => read,
                Err(_silent) => return Ok((heard, false)),
            },
        };
        let read = match read {
            Ok(read) => read,
            // Many servers close without TLS's goodbye.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(failure::of_io("waiting for the answer", &error)),
        };
        if heard.is_empty() && read > 0 {
            way.enter(Phase::Reading);
        }
        heard.extend_from_slice(&room[..read]);
        if enough(&heard) {
            return Ok((heard, true));
        }
        if heard.len() > limit {
            let told = format!("reading the answer: more than {limit} bytes");
            return Err(Failure::new(Reason::TooLarge, told));
        }
        if read == 0 {
            return Ok((heard, false));
        }
    }
}

/// `body` is all that came, and not what was expected.
fn missing(expected: &Wildcard, body: &[u8]) -> Failure {
    let shown = super::excerpt(body);
    let told = if shown.is_empty() {
        format!("no answer came that contains \"{expected}\"")
    } else {
        format!("the answer \"{shown}\" does not contain \"{expected}\"")
    };
    Failure::new(Reason::Condition, told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_answer_is_told_with_what_came() {
        let expected = Wildcard::new("220 *ESMTP");
        let failure = missing(&expected, b"554 go away\r\n");
        assert_eq!(failure.reason, Reason::Condition);
        let told = "the answer \"554 go away\\r\\n\" does not contain \"220 *ESMTP\"";
        assert_eq!(failure.detail, told);
        assert_eq!(missing(&expected, b"").detail, "no answer came that contains \"220 *ESMTP\"");
    }
}
