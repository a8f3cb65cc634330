//! HTTP: requests, redirects and responses.
//!
//! awc speaks HTTP/1.1 ([`response`]) and the crate h2 speaks HTTP/2 ([`http2`]), both over a
//! connection that the probe opened itself ([`connection`]).

pub mod client;
pub mod connection;
pub mod content;
mod cookies;
pub mod credentials;
pub mod fields;
mod frame_meter;
mod framing;
mod head;
pub mod head_error;
pub mod http2;
mod interim;
pub mod request;
pub mod response;
pub mod retry_after;
pub mod supplied;
pub mod token;

use http::StatusCode;
use http::response::Parts;

use crate::domain::service::expectations::Check;
use crate::domain::service::options::HttpVersion;
use crate::domain::{Failure, ProbeDetails, Reason};
use crate::probe::context::ProbeContext;
use crate::probe::http::content::Content;
use crate::probe::http::fields::Fields;
use crate::probe::http::http2::Http2Response;
use crate::probe::http::request::Request;
use crate::probe::http::response::{BodyMode, redirect_location, status_text};
use crate::probe::net::tls::Alpn;
use crate::probe::response::ProbeResponse;
use crate::probe::timings::Phase;

/// The response to one request.
enum HopResponse {
    Redirect { status: u16, location: String, fields: Fields },
    Final(ProbeResponse),
}

/// Sends the service's request and follows redirects to the final response.
pub async fn probe(context: &ProbeContext<'_>) -> Result<ProbeResponse, Failure> {
    let mut request = Request::new(context, token::authorization(context).await?)?;
    let limit = context.options().redirects_followed();
    for redirects in 0..=limit {
        // Details of an earlier hop do not hold for this one.
        context.update_details(|details| {
            *details = ProbeDetails { redirects, ..ProbeDetails::default() };
        });
        let response = match context.options().http_version {
            Some(HttpVersion::Http2) => Box::pin(send_http2(context, &request)).await?,
            _ => send_http1(context, &request).await?,
        };
        match response {
            HopResponse::Redirect { status, location, fields } => {
                request.store_cookies(&fields);
                request = request.redirected(status, &location)?;
            }
            HopResponse::Final(response) => {
                if !request.has_authorization() {
                    context.forget_token();
                }
                return Ok(response);
            }
        }
    }
    Err(Failure::new(Reason::RedirectLoop, format!("more than {limit} redirects")))
}

async fn send_http1(context: &ProbeContext<'_>, request: &Request) -> Result<HopResponse, Failure> {
    let mut response = request.send(context).await?;
    let (version, status) = (response.head().version, response.head().status);
    context.timings.set_http_status(status.as_u16());
    context.update_details(|details| details.http_version = Some(version));
    let follows = context.options().redirects_followed() > 0;
    if let Some(location) = response.location().filter(|_| follows) {
        let fields = response.take_fields();
        return Ok(HopResponse::Redirect { status: status.as_u16(), location, fields });
    }
    if let Some(expected) = context.options().http_version.filter(|expected| *expected != version) {
        let (expected, actual) = (expected.as_str(), version.as_str());
        let detail = format!("the target spoke HTTP {actual}, expected HTTP {expected}");
        return Err(Failure::new(Reason::Protocol, detail));
    }
    let fields = response.take_fields();
    let mode = body_mode(context, &fields, status)?;
    let body = match mode {
        Some(mode) => {
            context.enter(Phase::Transfer);
            response.read_body(mode).await?
        }
        None => Vec::new(),
    };
    final_response(context, status, &fields, (mode, body)).await
}

async fn send_http2(context: &ProbeContext<'_>, request: &Request) -> Result<HopResponse, Failure> {
    let connection = context.open(&request.url, Alpn::Http2).await?;
    let (head, body) = request.filled(context)?.to_http2()?;
    context.enter(Phase::Processing);
    let followed_location = |head: &Parts| {
        let location = redirect_location(head.status, &Fields::from(&head.headers));
        location.filter(|_| context.options().redirects_followed() > 0)
    };
    let response = http2::send(connection, head, body, |head| {
        context.timings.set_http_status(head.status.as_u16());
        context.update_details(|details| details.http_version = Some(HttpVersion::Http2));
        if followed_location(head).is_some() {
            return Ok(None);
        }
        let mode = body_mode(context, &Fields::from(&head.headers), head.status)?;
        if mode.is_some() {
            context.enter(Phase::Transfer);
        }
        Ok(mode)
    });
    let Http2Response { head, body, .. } = response.await?;
    let fields = Fields::from(&head.headers);
    if let Some(location) = followed_location(&head) {
        return Ok(HopResponse::Redirect { status: head.status.as_u16(), location, fields });
    }
    let mode = body_mode(context, &fields, head.status)?;
    final_response(context, head.status, &fields, (mode, body)).await
}

/// The last response, with its body as it was read with a mode.
async fn final_response(
    context: &ProbeContext<'_>,
    status: StatusCode,
    fields: &Fields,
    (mode, body): (Option<BodyMode>, Vec<u8>),
) -> Result<HopResponse, Failure> {
    let body = match mode {
        Some(mode) => text(context, mode, fields, body).await?,
        None => Vec::new(),
    };
    let plain = plain_rule(context, status);
    Ok(HopResponse::Final(ProbeResponse {
        checks: checks(context, status, fields, &body),
        body,
        ..ProbeResponse::with_status(status.as_u16(), plain)
    }))
}

/// The results of the service's expectations.
fn checks(
    context: &ProbeContext<'_>,
    status: StatusCode,
    fields: &Fields,
    body: &[u8],
) -> Vec<Check> {
    let Some(expectations) = &context.options().expectations else { return Vec::new() };
    let content = expectations.check_content(|name| fields.all(name).collect(), body);
    status_check(context, status).into_iter().chain(content).collect()
}

/// The expectation of the status, if the service has one.
fn status_check(context: &ProbeContext<'_>, status: StatusCode) -> Option<Check> {
    let expectations = context.options().expectations.as_ref()?;
    expectations.check_status(status.as_u16(), &status_text(status))
}

/// The text of a body that was read with `mode`; a discarded one has none.
async fn text(
    context: &ProbeContext<'_>,
    mode: BodyMode,
    fields: &Fields,
    body: Vec<u8>,
) -> Result<Vec<u8>, Failure> {
    match mode {
        BodyMode::Discard { .. } => Ok(Vec::new()),
        BodyMode::Keep { .. } => {
            let limit = context.options().body_limit;
            Content::of(fields)?.text(body, limit, &context.resources.unpacking).await
        }
    }
}

/// Whether to read the body. Without conditions, only a complete response counts as up; with
/// conditions, the body is read only when one of them, or an expectation, needs it.
fn body_mode(
    context: &ProbeContext<'_>,
    fields: &Fields,
    status: StatusCode,
) -> Result<Option<BodyMode>, Failure> {
    let limit = context.options().body_limit;
    if context.needs_body() {
        let limit = Content::of(fields)?.packed_limit(limit);
        return Ok(Some(BodyMode::Keep { limit }));
    }
    let is_judged = context.service.conditions.is_empty() && plain_rule(context, status).is_ok();
    Ok(is_judged.then_some(BodyMode::Discard { limit }))
}

/// A status that the service accepts is up; by default, a status below 400.
fn plain_rule(context: &ProbeContext<'_>, status: StatusCode) -> Result<(), Failure> {
    match status_check(context, status) {
        Some(Check { unmet: None, .. }) => Ok(()),
        Some(Check { unmet: Some(_), text }) => Err(Failure::new(Reason::Status, text)),
        None if status.as_u16() < 400 => Ok(()),
        None => Err(Failure::new(Reason::Status, status_text(status))),
    }
}
