//! HTTP/1.1 by awc, and HTTP/2 where a service asks for it, over a connection of our own: requests, redirects, answers.

pub mod http2;
pub mod interim;
pub mod request;
pub mod response;

use awc::http::{StatusCode, header};
use http::response::Parts;
use url::Url;

use crate::domain::service::options::HttpVersion;
use crate::domain::{Failure, ProbeDetails, Reason};
use crate::probe::context::{ProbeContext, ProbeResponse};
use crate::probe::net::connection::HandOver;
use crate::probe::net::tls::Alpn;
use crate::probe::timings::Phase;
use http2::Exchange;
use request::Request;
use response::Kept;

/// A client without limits of its own: the pool bounds the probes, the deadline bounds each of them.
pub fn client() -> awc::Client {
    let connector = awc::Connector::new().connector(HandOver).limit(0);
    awc::Client::builder()
        .connector(connector)
        .disable_timeout()
        .disable_redirects()
        .no_default_headers()
        .finish()
}

/// Asks `url`, and whatever it redirects to, until there is an answer.
pub async fn probe(way: &ProbeContext<'_>, url: &Url) -> Result<ProbeResponse, Failure> {
    let mut request = Request::new(way, url)?;
    let most = way.options().redirects_followed();
    for hop in 0..=most {
        // What was seen of an earlier hop does not hold for this one.
        way.note(|seen| *seen = ProbeDetails { redirects: hop, ..ProbeDetails::default() });
        let heard = match way.options().http_version {
            Some(HttpVersion::Http2) => over_two(way, &request).await?,
            _ => over_one(way, &request).await?,
        };
        match heard {
            Heard::Redirect(status, location) => {
                request = request.redirected(status, &location)?;
            }
            Heard::Answer(said) => return Ok(said),
        }
    }
    Err(Failure::new(Reason::RedirectLoop, format!("more than {most} redirects")))
}

/// What came of one request.
enum Heard {
    /// A redirect that is to be followed: its status, and where it leads.
    Redirect(u16, String),
    /// Anything else.
    Answer(ProbeResponse),
}

async fn over_one(way: &ProbeContext<'_>, request: &Request) -> Result<Heard, Failure> {
    let connection = way.open(&request.url, Alpn::Http1).await?;
    way.enter(Phase::Waiting);
    let answer = request.send(&way.engine.client, connection).await?;
    let status = answer.status().as_u16();
    way.trace.answered(status);
    way.note(|seen| seen.http_version = answer.version());
    answer.refuse_interim()?;
    if let Some(location) = answer.location().filter(|_| way.options().redirects_followed() > 0) {
        return Ok(Heard::Redirect(status, location));
    }
    if let (Some(expected), Some(spoken)) = (way.options().http_version, answer.version())
        && expected != spoken
    {
        let told = format!(
            "the target spoke HTTP {}, expected HTTP {}",
            spoken.as_str(),
            expected.as_str()
        );
        return Err(Failure::new(Reason::Protocol, told));
    }
    let mut said = ProbeResponse {
        status: Some(status),
        plain: judge(answer.status()),
        ..ProbeResponse::default()
    };
    if let Some(kept) = wanted(way, &said.plain) {
        way.enter(Phase::Reading);
        said.body = answer.read(kept, way.options().body_limit).await?;
    }
    Ok(Heard::Answer(said))
}

async fn over_two(way: &ProbeContext<'_>, request: &Request) -> Result<Heard, Failure> {
    let (asked, body) = request.over_two()?;
    let connection = way.open(&request.url, Alpn::Http2).await?;
    way.enter(Phase::Waiting);
    let limit = way.options().body_limit;
    let leads_to = |head: &Parts| {
        let location = response::location(head.status, head.headers.get(header::LOCATION));
        location.filter(|_| way.options().redirects_followed() > 0)
    };
    let heard = http2::exchange(connection, asked, body, limit, |head| {
        way.trace.answered(head.status.as_u16());
        way.note(|seen| seen.http_version = Some(HttpVersion::Http2));
        let kept = wanted(way, &judge(head.status)).filter(|_| leads_to(head).is_none())?;
        way.enter(Phase::Reading);
        Some(kept)
    });
    let Exchange { head, body, .. } = heard.await?;
    let status = head.status.as_u16();
    Ok(match leads_to(&head) {
        Some(location) => Heard::Redirect(status, location),
        None => {
            let plain = judge(head.status);
            Heard::Answer(ProbeResponse {
                status: Some(status),
                body,
                plain,
                ..ProbeResponse::default()
            })
        }
    })
}

/// What is read of the answer to judge it: without conditions all of it, since an answer that never ends is none; with
/// conditions the body only when one of them speaks of it.
fn wanted(way: &ProbeContext<'_>, plain: &Result<(), Failure>) -> Option<Kept> {
    if way.needs_body() {
        return Some(Kept::Whole);
    }
    (way.service.conditions.is_empty() && plain.is_ok()).then_some(Kept::Nothing)
}

/// The plain rule: an answer below 400 is up.
fn judge(status: StatusCode) -> Result<(), Failure> {
    if status.as_u16() < 400 { Ok(()) } else { Err(Failure::new(Reason::Status, told(status))) }
}

/// A status with its phrase.
pub fn told(status: StatusCode) -> String {
    let phrase = status.canonical_reason().unwrap_or("unknown status");
    format!("{} {phrase}", status.as_u16())
}
