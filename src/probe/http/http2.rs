//! One exchange over HTTP/2, by the crate h2 over a connection of our own.

use std::io;
use std::pin::pin;

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
use http::{Request, Version};

use super::request;
use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::http::response::Kept;
use crate::probe::net::connection::Connection;

/// Longest head and longest trailers that are read, in bytes.
const HEADERS_LIMIT: u32 = 64 * 1024;

/// Most frames without content that a body may have.
const EMPTY_LIMIT: usize = 100;

/// What came.
pub struct Exchange {
    /// Status and headers.
    pub head: Parts,
    /// What was kept of the body.
    pub body: Vec<u8>,
    /// What followed the body, if it was read to its end.
    pub trailers: Option<HeaderMap>,
}

/// A request without a body, with its headers. The error says what cannot be sent.
pub fn request(
    method: &str,
    uri: &str,
    headers: impl IntoIterator<Item = (String, String)>,
) -> Result<Request<()>, Failure> {
    let mut asked = Request::builder()
        .method(method)
        .uri(uri)
        .version(Version::HTTP_2)
        .body(())
        .map_err(|error| request::unusable(&error))?;
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(|error| request::unusable(&error))?;
        let value = HeaderValue::try_from(value).map_err(|error| request::unusable(&error))?;
        asked.headers_mut().insert(name, value);
    }
    Ok(asked)
}

/// Sends `asked` with `body` over `connection`, and reads what `wanted` says once the head is there: nothing more, or of the
/// body as much as `limit` bytes.
pub async fn exchange(
    connection: Connection,
    asked: Request<()>,
    body: Bytes,
    limit: usize,
    wanted: impl FnOnce(&Parts) -> Option<Kept>,
) -> Result<Exchange, Failure> {
    let mut builder = client::Builder::new();
    builder.enable_push(false).max_header_list_size(HEADERS_LIMIT);
    let (sender, mut driver) = builder.handshake(connection).await.map_err(failed)?;
    let mut asking = pin!(ask(sender, asked, body, limit, wanted));
    tokio::select! {
        biased;
        heard = &mut asking => return heard,
        _ = &mut driver => {}
    }
    // The connection is over, but the answer may have come before its end; without it, this fails with the cause.
    asking.await
}

/// Runs only while the connection's driver is polled beside it.
async fn ask(
    sender: SendRequest<Bytes>,
    asked: Request<()>,
    sent: Bytes,
    limit: usize,
    wanted: impl FnOnce(&Parts) -> Option<Kept>,
) -> Result<Exchange, Failure> {
    // Kept until the answer is read: without it, the connection would count as done.
    let mut sender = sender.ready().await.map_err(failed)?;
    let is_all = sent.is_empty();
    let (response, mut upload) = sender.send_request(asked, is_all).map_err(failed)?;
    if !is_all {
        upload.send_data(sent, true).map_err(failed)?;
    }
    let (head, mut stream) = response.await.map_err(failed)?.into_parts();
    let mut heard = Exchange { head, body: Vec::new(), trailers: None };
    let Some(keep) = wanted(&heard.head) else { return Ok(heard) };
    let (mut read, mut empty) = (0, 0);
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.map_err(failed)?;
        read += chunk.len();
        empty += usize::from(chunk.is_empty());
        if empty > EMPTY_LIMIT {
            let told = "speaking HTTP/2: a flood of frames without content";
            return Err(Failure::new(Reason::Protocol, told));
        }
        match keep {
            Kept::Whole if read > limit => {
                let told = format!("reading the body: more than {limit} bytes");
                return Err(Failure::new(Reason::TooLarge, told));
            }
            Kept::Whole => heard.body.extend_from_slice(&chunk),
            Kept::Nothing if read >= limit => return Ok(heard),
            Kept::Nothing => {}
        }
        // Tells the peer that it may send as much again.
        stream.flow_control().release_capacity(chunk.len()).map_err(failed)?;
    }
    heard.trailers = stream.trailers().await.map_err(failed)?;
    Ok(heard)
}

fn failed(error: h2::Error) -> Failure {
    const WHEN: &str = "speaking HTTP/2";
    let told = format!("{WHEN}: {error}");
    match error.into_io() {
        // How h2 tells a connection that was closed in order, but too early.
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => failure::of_short_body(),
        Some(error) => failure::of_io(WHEN, &error),
        None => Failure::new(Reason::Protocol, told),
    }
}
