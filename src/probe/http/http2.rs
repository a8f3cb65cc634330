//! One request and response over HTTP/2, by the crate h2.

use std::io;
use std::pin::pin;

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
use http::{Request, Version};

use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::http::connection::Connection;
use crate::probe::http::response::{BodyMode, body_too_large};

/// Longest head, and longest trailers, in bytes.
const HEADERS_LIMIT: u32 = 64 * 1024;

const WHEN: &str = "speaking HTTP/2";

pub struct Http2Response {
    /// Status and headers.
    pub head: Parts,
    /// Empty unless read with [`BodyMode::Keep`].
    pub body: Vec<u8>,
    /// `None` also when the body was not read to its end.
    pub trailers: Option<HeaderMap>,
}

/// Builds the head of a request.
pub fn request_head(
    method: &str,
    uri: &str,
    headers: impl IntoIterator<Item = (String, String)>,
) -> Result<Request<()>, Failure> {
    let mut head = Request::builder()
        .method(method)
        .uri(uri)
        .version(Version::HTTP_2)
        .body(())
        .map_err(|error| failure::of_invalid_request(&error))?;
    for (name, value) in headers {
        let name =
            HeaderName::try_from(name).map_err(|error| failure::of_invalid_request(&error))?;
        let value =
            HeaderValue::try_from(value).map_err(|error| failure::of_invalid_request(&error))?;
        head.headers_mut().insert(name, value);
    }
    Ok(head)
}

/// Sends a request over `connection`. Once the head of the response is there, `body_mode` decides
/// whether to read its body.
pub async fn send(
    connection: Connection,
    head: Request<()>,
    body: Bytes,
    body_mode: impl FnOnce(&Parts) -> Result<Option<BodyMode>, Failure>,
) -> Result<Http2Response, Failure> {
    let mut builder = client::Builder::new();
    builder.enable_push(false).max_header_list_size(HEADERS_LIMIT);
    // h2 would refuse a burst of small frames that are read late; `FrameMeter` limits them.
    builder.data_frame_budget(usize::MAX);
    connection.expect_frames();
    let (sender, mut driver) = builder.handshake(connection).await.map_err(failed)?;
    let mut response = pin!(send_and_read(sender, head, body, body_mode));
    tokio::select! {
        biased;
        response = &mut response => return response,
        _ = &mut driver => {}
    }
    // The connection ended, but the response may have come before. Otherwise this returns the
    // cause.
    response.await
}

/// Makes progress only while the connection's driver is polled too.
async fn send_and_read(
    sender: SendRequest<Bytes>,
    head: Request<()>,
    body: Bytes,
    body_mode: impl FnOnce(&Parts) -> Result<Option<BodyMode>, Failure>,
) -> Result<Http2Response, Failure> {
    // Must live until the response is read: h2 closes the connection when it is dropped.
    let mut sender = sender.ready().await.map_err(failed)?;
    let has_no_body = body.is_empty();
    let (response, mut upload) = sender.send_request(head, has_no_body).map_err(failed)?;
    if !has_no_body {
        upload.send_data(body, true).map_err(failed)?;
    }
    let (head, mut stream) = response.await.map_err(failed)?.into_parts();
    let mut response = Http2Response { head, body: Vec::new(), trailers: None };
    let Some(mode) = body_mode(&response.head)? else { return Ok(response) };
    let mut read = 0;
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.map_err(failed)?;
        read += chunk.len();
        match mode {
            BodyMode::Keep { limit } if read > limit => return Err(body_too_large(limit)),
            BodyMode::Keep { .. } => response.body.extend_from_slice(&chunk),
            BodyMode::Discard { limit } if read >= limit => return Ok(response),
            BodyMode::Discard { .. } => {}
        }
        // Opens the peer's send window again.
        stream.flow_control().release_capacity(chunk.len()).map_err(failed)?;
    }
    response.trailers = stream.trailers().await.map_err(failed)?;
    Ok(response)
}

fn failed(error: h2::Error) -> Failure {
    let detail = format!("{WHEN}: {error}");
    match error.into_io() {
        // h2 reports a connection that was closed cleanly, but too early, as a broken pipe.
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => failure::of_short_body(),
        Some(error) => failure::of_io(WHEN, &error),
        None => Failure::new(Reason::Protocol, detail),
    }
}
