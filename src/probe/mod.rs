//! One probe under one deadline → an [`Outcome`].
//!
//! The probe makes its connection itself ([`dial`], [`tls`]) and lets awc speak HTTP over it ([`http`]), so that each
//! wait has a name and each error its class ([`failure`]). Nothing is kept from one probe to the next: every probe
//! connects and secures anew and asks for the name (probes that ask for one name at the same moment share the answer), and
//! so a dead DNS, TCP or TLS is seen by the very next probe.

mod connection;
mod dial;
mod failure;
mod http;
mod interim;
pub mod policy;
mod pulse;
mod resolve;
pub mod tls;
mod trace;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use connection::Connection;
use policy::Policy;
use tls::Trust;
use trace::{Phase, Trace};

use crate::domain::{Condition, Failure, Outcome, Reason, Seen, Service};

/// Redirects that are followed (contract, "Up or down").
const MAX_REDIRECTS: u32 = 10;

/// What every probe keeps to.
#[derive(Clone)]
pub struct Rules {
    /// Whom it trusts.
    pub trust: Trust,
    /// Which addresses it may dial.
    pub policy: Policy,
}

/// Everything the probes of one arbiter share. Not `Send`: it is built inside its arbiter.
pub struct Engine {
    resolver: resolve::Resolver,
    rules: Rules,
    client: awc::Client,
    pulse: pulse::Pulse,
}

impl Engine {
    /// An engine that keeps to `rules`.
    pub fn new(rules: Rules) -> Self {
        Self {
            resolver: resolve::Resolver::from_system(),
            rules,
            client: http::client(),
            pulse: pulse::Pulse::start(),
        }
    }

    /// Probes `service` once. Takes at most its timeout; a fault of the target is a result and not an error.
    pub async fn probe(&self, service: &Service) -> Outcome {
        let started_at_ms = unix_ms();
        let started = Instant::now();
        let (trace, mark) = (Trace::new(started), self.pulse.mark());
        let timeout = service.timeout.get();
        let result = tokio::time::timeout(timeout, self.follow(service, &trace)).await;
        let ended = Instant::now();
        let traced = trace.finish(ended);
        let failure = match result {
            Ok(result) => result.err(),
            Err(_elapsed) if self.pulse.excuses(mark, started + timeout, timeout, ended) => {
                let told = "our own process stood still during the probe";
                Some(Failure::new(Reason::Local, told))
            }
            Err(_elapsed) => Some(timed_out(traced.last, timeout)),
        };
        Outcome {
            service_id: service.id,
            started_at_ms,
            response_time: ended - started,
            http_status: traced.http_status,
            failure,
            phases: traced.phases,
            seen: traced.seen,
        }
    }

    /// Asks the target, and whatever it redirects to, until there is an answer or a failure.
    async fn follow(&self, service: &Service, trace: &Trace) -> Result<(), Failure> {
        let mut url = service.target.url().clone();
        for hop in 0..=MAX_REDIRECTS {
            // What was seen of an earlier hop does not hold for this one.
            trace.note(|seen| *seen = Seen { redirects: hop, ..Seen::default() });
            let connection = self.connect(&url, trace).await?;
            trace.enter(Phase::Waiting, Instant::now());
            let answer = http::ask(&self.client, connection, &url).await?;
            trace.answered(answer.status());
            trace.note(|seen| seen.http_version = answer.version());
            answer.refuse_interim()?;
            match answer.redirect(&url)? {
                Some(next) => url = next,
                None => {
                    trace.enter(Phase::Reading, Instant::now());
                    return judge(service, answer, trace).await;
                }
            }
        }
        Err(Failure::new(Reason::Redirect, format!("more than {MAX_REDIRECTS} redirects")))
    }

    async fn connect(&self, url: &url::Url, trace: &Trace) -> Result<Connection, Failure> {
        trace.enter(Phase::Resolving, Instant::now());
        let addresses = dial::resolve(&self.resolver, url).await?;
        let addresses = dial::permitted(&self.rules.policy, addresses)?;
        trace.enter(Phase::Connecting, Instant::now());
        let stream = dial::connect(&addresses).await?;
        trace.note(|seen| seen.address = stream.peer_addr().ok());
        if url.scheme() == "http" {
            return Ok(Connection::plain(stream));
        }
        trace.enter(Phase::Securing, Instant::now());
        let stream = tls::secure(&self.rules.trust, url, stream).await?;
        trace.note(|seen| tls::note(stream.get_ref().1, seen));
        Ok(Connection::secured(stream))
    }
}

/// Whether an answer is as it should be: below 400, or as the service's conditions say.
async fn judge(service: &Service, answer: http::Answer, trace: &Trace) -> Result<(), Failure> {
    if service.conditions.is_empty() {
        answer.judge()?;
        return answer.read(None).await;
    }
    let status = answer.status();
    let mut body = Vec::new();
    let needs_body = service.conditions.iter().any(Condition::needs_body);
    answer.read(needs_body.then_some(&mut body)).await?;
    let facts = trace.facts(status, Instant::now(), unix_ms(), &body);
    let failed: Vec<String> =
        service.conditions.iter().filter_map(|condition| condition.judge(&facts).err()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Reason::Condition, failed.join("; ")))
}

fn timed_out(phase: Phase, timeout: Duration) -> Failure {
    let detail = format!("no complete answer within {timeout:?}: still {}", phase.as_str());
    Failure::new(Reason::Timeout, detail)
}

/// The wall clock, in unix milliseconds; 0 before 1970.
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
