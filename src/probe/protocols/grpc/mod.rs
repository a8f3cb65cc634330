//! gRPC's standard health service: `grpc.health.v1.Health/Check` over HTTP/2, asked once.
//!
//! Two messages of one field each do not ask for a code generator: they are written and read by hand ([`message`]).

mod message;

use http::header::{HeaderMap, HeaderValue};
use http::{Request, StatusCode};
use percent_encoding::percent_decode;
use url::Url;

use crate::domain::{Failure, Reason};
use crate::probe::context::{ProbeContext, ProbeResponse};
use crate::probe::http::http2;
use crate::probe::http::http2::Exchange;
use crate::probe::http::response::Kept;
use crate::probe::http::{request, told};
use crate::probe::net::tls::Alpn;
use crate::probe::timings::Phase;

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
pub async fn probe(way: &ProbeContext<'_>, url: &Url) -> Result<ProbeResponse, Failure> {
    let asked = check(way, url)?;
    let question = message::question(way.options().grpc_service.as_deref().unwrap_or_default());
    let connection = way.open(url, Alpn::Http2).await?;
    way.enter(Phase::Waiting);
    let heard = http2::exchange(connection, asked, question, way.options().body_limit, |_| {
        way.enter(Phase::Reading);
        Some(Kept::Whole)
    });
    let Exchange { head, body, trailers } = heard.await?;
    // An answer without a message has in its head what would be in its trailers.
    judge(head.status, trailers.as_ref().unwrap_or(&head.headers), &body)
}

fn check(way: &ProbeContext<'_>, url: &Url) -> Result<Request<()>, Failure> {
    let uri = format!("{}://{}/grpc.health.v1.Health/Check", url.scheme(), request::host(url));
    let own = [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", request::USER_AGENT),
    ];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let authorization = request::authorization(way, url)?;
    let authorization = authorization.map(|value| ("authorization".to_owned(), value));
    http2::request("POST", &uri, own.chain(authorization).chain(request::headers(way)?))
}

/// What an answer says: its HTTP status, where `grpc-status` is, and its body.
fn judge(status: StatusCode, trailers: &HeaderMap, body: &[u8]) -> Result<ProbeResponse, Failure> {
    let wrong = |what: &str| Failure::new(Reason::Protocol, format!("not as gRPC says: {what}"));
    let down = |told: String| Err(Failure::new(Reason::Status, told));
    let http_status = Some(status.as_u16());
    if status != StatusCode::OK {
        return Ok(super::said(http_status, down(told(status))));
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
    Ok(ProbeResponse { body, ..super::said(http_status, plain) })
}

#[cfg(test)]
mod tests {
    use http::header::HeaderName;

    use super::*;

    fn judged(
        status: u16,
        trailers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<ProbeResponse, Reason> {
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
