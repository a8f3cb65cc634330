//! HTTP/1.1 by awc over a connection of our own: requests, redirects, answers.

mod answer;
pub mod request;

use std::time::Instant;

use url::Url;

use super::connection::HandOver;
use super::tls::Alpn;
use super::trace::Phase;
use super::way::{Said, Way};
use crate::domain::{Condition, Failure, Reason, Seen};
use answer::{Answer, Kept};
use request::Request;

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
pub async fn probe(way: &Way<'_>, url: &Url) -> Result<Said, Failure> {
    let mut request = Request::new(way, url)?;
    let most = way.options().max_redirects;
    for hop in 0..=most {
        // What was seen of an earlier hop does not hold for this one.
        way.note(|seen| *seen = Seen { redirects: hop, ..Seen::default() });
        let connection = way.open(&request.url, Alpn::Http1).await?;
        way.enter(Phase::Waiting);
        let answer = request.send(&way.engine.client, connection).await?;
        way.trace.answered(answer.status());
        way.note(|seen| seen.http_version = answer.version());
        answer.refuse_interim()?;
        match answer.location() {
            Some(location) if most > 0 => {
                request = request.redirected(answer.status(), &location)?;
            }
            _ => return read(way, answer).await,
        }
    }
    Err(Failure::new(Reason::RedirectLoop, format!("more than {most} redirects")))
}

/// Reads of the answer what is needed to judge it: without conditions all of it, since an answer that never ends is none;
/// with conditions the body only when one of them speaks of it.
async fn read(way: &Way<'_>, answer: Answer) -> Result<Said, Failure> {
    let options = way.options();
    if let (Some(expected), Some(spoken)) = (options.http_version, answer.version())
        && expected != spoken
    {
        let told = format!("HTTP {spoken} was spoken, and not {expected}");
        return Err(Failure::new(Reason::Protocol, told));
    }
    let (status, plain) = (answer.status(), answer.judge());
    let conditions = &way.service.conditions;
    let kept = if conditions.iter().any(Condition::needs_body) {
        Kept::Whole
    } else if conditions.is_empty() && plain.is_ok() {
        Kept::Nothing
    } else {
        return Ok(Said { status: Some(status), plain, ..Said::default() });
    };
    way.trace.enter(Phase::Reading, Instant::now());
    let body = answer.read(kept, options.body_limit).await?;
    Ok(Said { status: Some(status), body, plain, ..Said::default() })
}
