//! One probe under one deadline → an [`Outcome`].
//!
//! The probe makes its connection itself ([`way`], [`dial`], [`tls`]), and what is spoken over it is a matter of its kind: awc
//! speaks HTTP ([`http`]), the others are in [`kinds`]. So each wait has a name and each error its class ([`failure`]). Nothing
//! is kept from one probe to the next: every probe connects and secures anew and asks for the name (probes that ask for one
//! name at the same moment share the answer), and so a dead DNS, TCP or TLS is seen by the very next probe.

mod context;
mod failure;
mod http;
pub mod net;
mod protocols;
mod stall;
mod timings;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use context::{ProbeContext, ProbeResponse};
use net::policy::Policy;
use net::resolve::Resolver;
use net::tls::{Tls, Trust};
use stall::StallMonitor;
use timings::{Phase, Timings};

use crate::clock::unix_ms;
use crate::domain::outcome::detail_of;
use crate::domain::service::options::NameServer;
use crate::domain::{
    Condition, ConditionResult, Failure, Kind, Outcome, Reason, Service, Variables,
};

/// Largest body that is read as JSON, in bytes: as values it takes up to a hundred times the memory.
const JSON_LIMIT: usize = 4 * 1024 * 1024;

/// How long beyond its deadline a probe may take to judge what came in time.
const JUDGED_WITHIN: Duration = Duration::from_millis(50);

/// Most name servers of services whose resolvers an arbiter keeps at hand; with more, they are made anew.
const RESOLVERS_LIMIT: usize = 64;

/// What every probe keeps to.
#[derive(Clone)]
pub struct Rules {
    /// Whom it trusts.
    pub trust: Trust,
    /// Which addresses it may dial.
    pub policy: Policy,
    /// What templates are filled with.
    pub variables: Variables,
}

/// Everything the probes of one arbiter share. Not `Send`: it is built inside its arbiter.
pub struct Engine {
    system: Rc<Resolver>,
    /// Bound: [`RESOLVERS_LIMIT`].
    resolvers: RefCell<HashMap<NameServer, Rc<Resolver>>>,
    rules: Rules,
    tls: Tls,
    client: awc::Client,
    stalls: StallMonitor,
}

impl Engine {
    /// An engine that keeps to `rules`.
    pub fn new(rules: Rules) -> Self {
        Self {
            system: Rc::new(Resolver::from_system()),
            resolvers: RefCell::default(),
            tls: Tls::new(rules.trust.clone()),
            rules,
            client: http::client(),
            stalls: StallMonitor::start(),
        }
    }

    /// Probes `service` once, and reports more of it if `reports`. Takes at most its timeout; a fault of the target is a
    /// result and not an error.
    pub async fn probe(&self, service: &Service, reports: bool) -> Outcome {
        let started_at_ms = unix_ms();
        let started = Instant::now();
        let (trace, stalled) = (Timings::new(started, reports), self.stalls.stalled_before());
        let timeout = service.timeout.get();
        let asking = ask(self, service, &trace);
        let result = tokio::time::timeout(timeout, asking).await;
        let ended = Instant::now();
        let traced = trace.finish(ended);
        // Judging cannot be cut off: what came of it too late is too late all the same.
        let was_late = ended - started > timeout + JUDGED_WITHIN;
        let failure = match result {
            Ok(Err(failure)) => Some(failure),
            Ok(Ok(())) if !was_late => None,
            _ if self.stalls.excuses(stalled, started + timeout, timeout, ended) => {
                let told = "this process stalled during the probe";
                Some(Failure::new(Reason::LocalStandstill, told))
            }
            _ => Some(timed_out(traced.last, timeout)),
        };
        Outcome {
            service_id: service.id,
            started_at_ms,
            response_time: ended - started,
            http_status: traced.http_status,
            failure,
            phases: traced.phases,
            details: traced.seen,
            network_down: false,
            report: traced.report,
        }
    }

    /// The system's resolver, or the one that asks `server` alone.
    fn resolver(&self, server: Option<NameServer>) -> Rc<Resolver> {
        let Some(server) = server else { return Rc::clone(&self.system) };
        let mut resolvers = self.resolvers.borrow_mut();
        if !resolvers.contains_key(&server) && resolvers.len() >= RESOLVERS_LIMIT {
            resolvers.clear();
        }
        let resolver = resolvers.entry(server).or_insert_with(|| Rc::new(Resolver::asking(server)));
        Rc::clone(resolver)
    }
}

/// Asks the target as its kind is asked, and judges what it says.
async fn ask(engine: &Engine, service: &Service, trace: &Timings) -> Result<(), Failure> {
    let url = service.target.url(&engine.rules.variables);
    let url = url.map_err(|error| Failure::new(Reason::LocalConfig, error.to_string()))?;
    let way = &ProbeContext { engine, service, home: &url, trace };
    let said = match service.target.kind() {
        Kind::Http => http::probe(way, &url).await?,
        Kind::Push => return Err(late(service)),
        kind => protocols::probe(way, kind, &url).await?,
    };
    if let Some(status) = said.status {
        way.trace.answered(status);
    }
    judge(way, said)
}

/// The plain rule, or in its place the service's conditions.
fn judge(way: &ProbeContext<'_>, mut said: ProbeResponse) -> Result<(), Failure> {
    let conditions = &way.service.conditions;
    if conditions.is_empty() {
        return std::mem::replace(&mut said.plain, Ok(()));
    }
    let reads_json = conditions.iter().any(Condition::reads_json);
    if reads_json && said.body.len() > JSON_LIMIT {
        let told = format!("a body of more than {JSON_LIMIT} bytes is not read as JSON");
        return Err(Failure::new(Reason::TooLarge, told));
    }
    let facts = way.trace.facts(said, reads_json, Instant::now(), unix_ms());
    let mut failed = Vec::new();
    for condition in conditions {
        let verdict = condition.judge(&facts);
        way.trace.report(|report| {
            let told = verdict.clone().err().unwrap_or_else(|| condition.to_string());
            let told = detail_of(told);
            report.conditions.push(ConditionResult { text: told, fulfilled: verdict.is_ok() });
        });
        failed.extend(verdict.err());
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Reason::Condition, failed.join("; ")))
}

/// A watched job is only ever probed when its heartbeat has not come (see `actors::schedule`).
fn late(service: &Service) -> Failure {
    let patience = service.heartbeat_timeout().as_secs_f64();
    let told = format!("no heartbeat within its interval and grace ({patience} s)");
    Failure::new(Reason::HeartbeatLate, told)
}

fn timed_out(phase: Phase, timeout: Duration) -> Failure {
    let reason = match phase {
        Phase::Resolving => Reason::DnsTimeout,
        Phase::Connecting => Reason::ConnectTimeout,
        Phase::Securing => Reason::TlsTimeout,
        Phase::Waiting | Phase::Reading => Reason::Timeout,
    };
    let detail = format!("no complete answer within {timeout:?}: still {}", phase.as_str());
    Failure::new(reason, detail)
}
