//! gRPC's standard health service: one `grpc.health.v1.Health/Check` over HTTP/2.
//!
//! [`message`] encodes and decodes its two messages of one field each, without a code generator.

mod message;

use http::header::{HeaderMap, HeaderValue};
use http::{Request, StatusCode};
use percent_encoding::percent_decode;

use crate::domain::{Failure, Reason};
use crate::probe::context::ProbeContext;
use crate::probe::http::client;
use crate::probe::http::http2::{self, Http2Response};
use crate::probe::http::request;
use crate::probe::http::response::{BodyMode, status_text};
use crate::probe::http::token;
use crate::probe::net::tls::Alpn;
use crate::probe::protocols::excerpt::excerpt;
use crate::probe::response::ProbeResponse;
use crate::probe::timings::Phase;

/// The names of gRPC's status codes, from 0.
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

/// Requests the health of the gRPC service in the options, or of the whole server.
pub async fn probe(context: &ProbeContext<'_>) -> Result<ProbeResponse, Failure> {
    let options = context.options();
    let message = message::health_request(options.grpc_service.as_deref().unwrap_or_default());
    let authorization = token::authorization(context).await?;
    let connection = context.open(context.url, Alpn::Http2).await?;
    let head = request_head(context, authorization)?;
    context.enter(Phase::Processing);
    let response = http2::send(connection, head, message, |_| {
        context.enter(Phase::Transfer);
        Ok(Some(BodyMode::Keep { limit: options.body_limit }))
    });
    let Http2Response { head, body, trailers } = response.await?;
    // A response without a message has `grpc-status` in its head instead of its trailers.
    evaluate(head.status, trailers.as_ref().unwrap_or(&head.headers), &body)
}

fn request_head(
    context: &ProbeContext<'_>,
    authorization: Option<String>,
) -> Result<Request<()>, Failure> {
    let url = context.url;
    let uri = format!("{}://{}/grpc.health.v1.Health/Check", url.scheme(), client::host(url));
    let fixed = [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", client::USER_AGENT),
    ];
    let fixed = fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let authorization = authorization.map(|value| ("authorization".to_owned(), value));
    let headers = fixed.chain(authorization).chain(request::headers(context)?);
    http2::request_head("POST", &uri, headers)
}

fn evaluate(
    status: StatusCode,
    trailers: &HeaderMap,
    body: &[u8],
) -> Result<ProbeResponse, Failure> {
    let invalid =
        |why: &str| Failure::new(Reason::Protocol, format!("invalid gRPC response: {why}"));
    let down = |detail: String| Err(Failure::new(Reason::Status, detail));
    let http_status = status.as_u16();
    if status != StatusCode::OK {
        return Ok(ProbeResponse::with_status(http_status, down(status_text(status))));
    }
    let code = trailers.get("grpc-status").ok_or_else(|| invalid("no grpc-status"))?;
    let code: Option<usize> = code.to_str().ok().and_then(|code| code.trim().parse().ok());
    let code = code.ok_or_else(|| invalid("grpc-status is not a number"))?;
    let (word, plain) = if code == 0 {
        let word = message::serving_status(body)
            .ok_or_else(|| invalid("the message cannot be decoded"))?;
        (word, if word == message::SERVING { Ok(()) } else { down(word.to_owned()) })
    } else {
        let word = CODES.get(code).copied().unwrap_or("UNKNOWN");
        let details = trailers.get("grpc-message").map(HeaderValue::as_bytes).unwrap_or_default();
        let details = excerpt(&percent_decode(details).collect::<Vec<u8>>());
        (word, down(format!("gRPC status {code} {word}: {details}")))
    };
    let body = format!("{{\"status\":\"{word}\"}}").into_bytes();
    Ok(ProbeResponse { body, ..ProbeResponse::with_status(http_status, plain) })
}

#[cfg(test)]
mod tests {
    use http::header::HeaderName;

    use super::*;

    fn evaluated(
        status: u16,
        trailers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<ProbeResponse, Reason> {
        let pairs = trailers.iter().copied().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        let trailers: HeaderMap = pairs.collect();
        let status = StatusCode::from_u16(status).unwrap();
        evaluate(status, &trailers, body).map_err(|failure| failure.reason)
    }

    #[test]
    fn serving_is_up_and_nothing_else() {
        let ok = [("grpc-status", "0")];
        let response = evaluated(200, &ok, &[0, 0, 0, 0, 2, 8, 1]).unwrap();
        assert_eq!((response.plain, response.body), (Ok(()), br#"{"status":"SERVING"}"#.to_vec()));
        let response = evaluated(200, &ok, &[0, 0, 0, 0, 2, 8, 2]).unwrap();
        assert_eq!(response.plain, Err(Failure::new(Reason::Status, "NOT_SERVING")));
        assert_eq!(evaluated(200, &ok, b"<html>").err(), Some(Reason::Protocol));
        assert_eq!(evaluated(200, &[], &[]).err(), Some(Reason::Protocol));
        assert_eq!(evaluated(200, &[("grpc-status", "x")], &[]).err(), Some(Reason::Protocol));
    }

    #[test]
    fn a_failure_has_its_code_and_message_in_the_detail() {
        let trailers = [("grpc-status", "5"), ("grpc-message", "no%20such%0Aservice")];
        let response = evaluated(200, &trailers, &[]).unwrap();
        let detail = "gRPC status 5 NOT_FOUND: no such\\nservice";
        assert_eq!(response.plain, Err(Failure::new(Reason::Status, detail)));
        assert_eq!(response.body, br#"{"status":"NOT_FOUND"}"#);
        let response = evaluated(502, &[], b"<html>").unwrap();
        assert_eq!(response.status, Some(502));
        assert_eq!(response.plain, Err(Failure::new(Reason::Status, "502 Bad Gateway")));
    }
}
