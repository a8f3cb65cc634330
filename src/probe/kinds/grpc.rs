//! gRPC's standard health service: `grpc.health.v1.Health/Check` over HTTP/2, asked once.
//!
//! Two messages of one field each do not ask for a code generator: they are written and read by hand ([`message`]).

mod message;

use std::fmt::Display;
use std::pin::pin;

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, StatusCode, Version};
use percent_encoding::percent_decode;
use url::Url;

use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::http::request;
use crate::probe::tls::Alpn;
use crate::probe::trace::Phase;
use crate::probe::way::{Said, Way};

/// Longest head and longest trailers that are read, in bytes.
const HEADERS_LIMIT: u32 = 64 * 1024;

/// The codes of gRPC from 0 on.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Asks the server how the service of its own that is named in the options does, or the server itself.
pub async fn probe(way: &Way<'_>, url: &Url) -> Result<Said, Failure> {
    let request = check(way, url)?;
    let question = message::question(way.options().grpc_service.as_deref().unwrap_or_default());
    let connection = way.open(url, Alpn::Http2).await?;
    way.enter(Phase::Waiting);
    let mut builder = client::Builder::new();
    builder.enable_push(false).max_header_list_size(HEADERS_LIMIT);
    let (sender, mut driver) = builder.handshake(connection).await.map_err(of_h2)?;
    let mut asking = pin!(ask(way, sender, request, question));
    tokio::select! {
        biased;
        said = &mut asking => return said,
        _ = &mut driver => {}
    }
    // The connection is over, but the answer may have come before its end; without it, this fails with the cause.
    asking.await
}

fn check(way: &Way<'_>, url: &Url) -> Result<Request<()>, Failure> {
    let mut asked = Request::post(format!(
        "{}://{}/grpc.health.v1.Health/Check",
        url.scheme(),
        request::host(url)
    ))
    .version(Version::HTTP_2)
    .header(header::CONTENT_TYPE, "application/grpc")
    .header(header::TE, "trailers")
    .header(header::USER_AGENT, request::USER_AGENT)
    .body(())
    .map_err(|error| request::unusable(&error))?;
    let headers = asked.headers_mut();
    let authorization = request::authorization(way, url)?;
    let authorization = authorization.map(|value| ("authorization".to_owned(), value));
    for (name, value) in authorization.into_iter().chain(request::headers(way)?) {
        let unusable = |error: &dyn Display| request::unusable(error);
        let name = HeaderName::try_from(name).map_err(|error| unusable(&error))?;
        let value = HeaderValue::try_from(value).map_err(|error| unusable(&error))?;
        headers.insert(name, value);
    }
    Ok(asked)
}

/// Sends the request and reads the answer to its end. Runs only while the connection's driver is polled beside it.
async fn ask(
    way: &Way<'_>,
    sender: SendRequest<Bytes>,
    request: Request<()>,
    question: Bytes,
) -> Result<Said, Failure> {
    // Kept until the answer is read: without it, the connection would count as done.
    let mut sender = sender.ready().await.map_err(of_h2)?;
    let (response, mut upload) = sender.send_request(request, false).map_err(of_h2)?;
    upload.send_data(question, true).map_err(of_h2)?;
    let (head, mut body) = response.await.map_err(of_h2)?.into_parts();
    way.enter(Phase::Reading);
    let limit = way.options().body_limit;
    let mut received = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(of_h2)?;
        if received.len() + chunk.len() > limit {
            let told = format!("an answer of more than {limit} bytes");
            return Err(Failure::new(Reason::TooLarge, told));
        }
        received.extend_from_slice(&chunk);
        // Tells the peer that it may send as much again.
        body.flow_control().release_capacity(chunk.len()).map_err(of_h2)?;
    }
    let trailers = body.trailers().await.map_err(of_h2)?;
    // An answer without a message has in its head what would be in its trailers.
    judge(head.status, trailers.as_ref().unwrap_or(&head.headers), &received)
}

/// What an answer says: its HTTP status, where `grpc-status` is, and its body.
fn judge(status: StatusCode, trailers: &HeaderMap, body: &[u8]) -> Result<Said, Failure> {
    let wrong = |what: &str| Failure::new(Reason::Protocol, format!("not as gRPC says: {what}"));
    let down = |told: String| Err(Failure::new(Reason::Status, told));
    let http_status = Some(status.as_u16());
    if status != StatusCode::OK {
        let phrase = status.canonical_reason().unwrap_or("unknown status");
        return Ok(super::said(http_status, down(format!("{} {phrase}", status.as_u16()))));
    }
    let code = trailers.get("grpc-status").ok_or_else(|| wrong("there is no grpc-status"))?;
    let code: Option<usize> = code.to_str().ok().and_then(|code| code.trim().parse().ok());
    let code = code.ok_or_else(|| wrong("its grpc-status is no number"))?;
    let (word, plain) = if code == 0 {
        let word = message::status(body).ok_or_else(|| wrong("its message cannot be read"))?;
        (word, if word == message::SERVING { Ok(()) } else { down(word.to_owned()) })
    } else {
        let word = CODES.get(code).copied().unwrap_or("UNKNOWN");
        let details = trailers.get("grpc-message").map(HeaderValue::as_bytes).unwrap_or_default();
        let details = super::excerpt(&percent_decode(details).collect::<Vec<u8>>());
        (word, down(format!("gRPC status {code} {word}: {details}")))
    };
    let body = format!("{{\"status\":\"{word}\"}}").into_bytes();
    Ok(Said { body, ..super::said(http_status, plain) })
}

fn of_h2(error: h2::Error) -> Failure {
    const WHEN: &str = "speaking HTTP/2";
    let told = format!("{WHEN}: {error}");
    match error.into_io() {
        Some(error) => failure::of_io(WHEN, &error),
        None => Failure::new(Reason::Protocol, told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, trailers: &[(&'static str, &str)], body: &[u8]) -> Result<Said, Reason> {
        let pairs = trailers.iter().copied().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        let trailers: HeaderMap = pairs.collect();
        let status = StatusCode::from_u16(status).unwrap();
        judge(status, &trailers, body).map_err(|failure| failure.reason)
    }

    #[test]
    fn serving_is_up_and_nothing_else() {
        let ok = [("grpc-status", "0")];
        let said = judged(200, &ok, &[0, 0, 0, 0, 2, 8, 1]).unwrap();
        assert_eq!((said.plain, said.body), (Ok(()), br#"{"status":"SERVING"}"#.to_vec()));
        let said = judged(200, &ok, &[0, 0, 0, 0, 2, 8, 2]).unwrap();
        assert_eq!(said.plain, Err(Failure::new(Reason::Status, "NOT_SERVING")));
        assert_eq!(judged(200, &ok, b"<html>").err(), Some(Reason::Protocol));
        assert_eq!(judged(200, &[], &[]).err(), Some(Reason::Protocol));
        assert_eq!(judged(200, &[("grpc-status", "x")], &[]).err(), Some(Reason::Protocol));
    }

    #[test]
    fn a_failure_is_told_with_its_code_and_message() {
        let trailers = [("grpc-status", "5"), ("grpc-message", "no%20such%0Aservice")];
        let said = judged(200, &trailers, &[]).unwrap();
        let told = "gRPC status 5 NOT_FOUND: no such\\nservice";
        assert_eq!(said.plain, Err(Failure::new(Reason::Status, told)));
        assert_eq!(said.body, br#"{"status":"NOT_FOUND"}"#);
        let said = judged(502, &[], b"<html>").unwrap();
        assert_eq!(said.status, Some(502));
        assert_eq!(said.plain, Err(Failure::new(Reason::Status, "502 Bad Gateway")));
    }
}
