//! Runs one probe: its deadline, its protocol and its conditions.
//!
//! The future of a probe has room for the largest of its branches, and is moved when a probe
//! begins, so branches that few probes take are boxed, throughout `probe/`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::unix_ms;
use crate::domain::outcome::sanitize_detail;
use crate::domain::{Condition, Failure, Kind, Outcome, Reason, Redactor, Service};
use crate::probe::context::ProbeContext;
use crate::probe::net::policy::Policy;
use crate::probe::resources::{Resources, Rules};
use crate::probe::response::ProbeResponse;
use crate::probe::stall::StallMonitor;
use crate::probe::timings::{Phase, Timings};
use crate::probe::{conditions, domain_expiry, exec, http, no_connection, protocols};

/// Largest body that is parsed as JSON, in bytes: parsed values take up to a hundred times the
/// memory.
const JSON_LIMIT: usize = 4 * 1024 * 1024;

/// How long after its deadline a probe may still evaluate a response that came in time.
const EVALUATION_GRACE: Duration = Duration::from_millis(50);

/// Runs probes on one arbiter. Not `Send`: built inside its arbiter.
pub struct Engine {
    resources: Resources,
    stalls: StallMonitor,
}

impl Engine {
    pub fn new(rules: Rules) -> Self {
        Self { resources: Resources::new(rules), stalls: StallMonitor::start() }
    }

    /// Probes `service` once, within its timeout; with `reports`, the outcome has a report. A
    /// failure of the target is a result, not an error.
    pub async fn probe(&self, service: &Service, reports: bool) -> Outcome {
        self.probe_within(&self.resources.rules.policy, service, reports).await
    }

    /// As [`probe`](Self::probe), with another policy of addresses.
    pub async fn probe_within(&self, policy: &Policy, service: &Service, reports: bool) -> Outcome {
        let started_at_ms = unix_ms();
        let started = Instant::now();
        let timings = Timings::new(started, reports);
        let running = self.stalls.probe_begins();
        let timeout = service.timeout.get();
        let probe = probe_target(&self.resources, (service, policy), &timings);
        let result = tokio::time::timeout(timeout, probe).await;
        let ended = Instant::now();
        let mut recorded = timings.finish(ended);
        // A timeout cannot interrupt the evaluation of conditions.
        let was_late = ended - started > timeout + EVALUATION_GRACE;
        let failure = match result {
            Ok(Err(failure)) => Some(failure),
            Ok(Ok(())) if !was_late => None,
            _ if self.stalls.excuses(&running, started + timeout, timeout, ended) => {
                let detail = "this process stalled during the probe";
                Some(Failure::new(Reason::LocalStandstill, detail))
            }
            _ if recorded.is_paused => Some(domain_expiry::unfinished()),
            _ if recorded.reads_files => {
                let detail = format!("tls: a file of this service was not read within {timeout:?}");
                Some(Failure::new(Reason::LocalConfig, detail))
            }
            _ => Some(timed_out(recorded.last_phase, recorded.server.as_deref(), timeout)),
        };
        let failure = match failure {
            Some(failure) if recorded.last_phase == Phase::Resolve => {
                Some(self.judge_lookup(service, started, recorded.lookup.as_deref(), failure).await)
            }
            other => other,
        };
        let response_time = (ended - started).saturating_sub(recorded.paused);
        let counts = failure.as_ref().and_then(|failure| {
            no_connection::judge(service, &mut recorded, response_time, failure)
        });
        let expected_failure = failure.filter(|_| counts.is_none());
        let mut outcome = Outcome {
            service_id: service.id,
            started_at_ms,
            response_time,
            http_status: recorded.http_status,
            failure: counts,
            expected_failure,
            phases: recorded.phases,
            details: recorded.details,
            network_down: false,
            revision: Some(service.revision),
            is_outdated: false,
            scheduled_every: (!reports).then(|| service.interval.get()),
            inbox_id: None,
            report: recorded.report,
        };
        self.redact(service, recorded.secret.as_deref(), &mut outcome);
        outcome
    }

    /// Removes secrets from what the target wrote: it may repeat the request.
    fn redact(&self, service: &Service, secret: Option<&str>, outcome: &mut Outcome) {
        let rules = &self.resources.rules;
        let redactor = || {
            let redactor = Redactor::new(service, &rules.variables, rules.requests);
            redactor.with_secret(secret)
        };
        if let Some(plugin) = &mut outcome.details.plugin {
            let redactor = redactor();
            let plugin = Arc::make_mut(plugin);
            plugin.text = sanitize_detail(redactor.redact(&plugin.text));
            plugin.perfdata.iter_mut().for_each(|it| it.label = redactor.redact(&it.label));
        }
        let conditions = outcome.report.iter_mut().flat_map(|report| &mut report.conditions);
        let unfulfilled = conditions.filter(|condition| !condition.fulfilled);
        if let Some(failure) = &mut outcome.failure {
            let redactor = redactor();
            failure.detail = redactor.redact(&failure.detail);
            unfulfilled.for_each(|condition| condition.text = redactor.redact(&condition.text));
        }
    }

    /// A look-up that failed by the system's name servers is a local fault if they answer nothing
    /// else either. They may be queried beyond the deadline, which is not response time.
    async fn judge_lookup(
        &self,
        service: &Service,
        started: Instant,
        name: Option<&str>,
        failure: Failure,
    ) -> Failure {
        if !failure.reason.may_be_name_server() {
            return failure;
        }
        let url = service.target.url(&self.resources.rules.variables).ok();
        let own = || url.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
        let name = name.unwrap_or_else(own);
        let resolver = self.resources.resolver(service.options.resolver);
        Box::pin(resolver.judge(name, started, failure)).await
    }
}

async fn probe_target(
    resources: &Resources,
    (service, policy): (&Service, &Policy),
    timings: &Timings,
) -> Result<(), Failure> {
    let url = service.target.url(&resources.rules.variables);
    let url = url.map_err(|error| Failure::new(Reason::LocalConfig, error.to_string()))?;
    let context = &ProbeContext::new(resources, (service, policy), &url, timings);
    let domain = domain_expiry::prepare(context)?;
    let mut response = exchange(context).await;
    if context.judge_token(timings.http_status()).await {
        response = Box::pin(exchange(context)).await;
        // Once is enough.
        context.judge_token(timings.http_status()).await;
    }
    if let (Err(_), Some(domain)) = (&response, &domain)
        && no_connection::is_expected(service)
    {
        domain_expiry::record(context, domain).await?;
    }
    let response = response?;
    let unknown = match &domain {
        Some(domain) => domain_expiry::record(context, domain).await.err(),
        None => None,
    };
    check_conditions(context, response, unknown.as_ref())
}

async fn exchange(context: &ProbeContext<'_>) -> Result<ProbeResponse, Failure> {
    context.timings.set_server(None);
    let response = match context.service.target.kind() {
        Kind::Http => http::probe(context).await?,
        Kind::Exec => Box::pin(exec::probe(context)).await?,
        Kind::Push => return Err(heartbeat_late(context.service)),
        kind => Box::pin(protocols::probe(context, kind)).await?,
    };
    // A status of 0, as of a plugin or a command, means success, and is stored as none.
    if let Some(status) = response.status.filter(|status| *status > 0) {
        context.timings.set_http_status(status);
    }
    Ok(response)
}

/// Evaluates the service's conditions and expectations; without conditions, the plain rule of the
/// protocol counts too. `domain` is why the expiry of the domain is not known.
fn check_conditions(
    context: &ProbeContext<'_>,
    mut response: ProbeResponse,
    domain: Option<&Failure>,
) -> Result<(), Failure> {
    let service_conditions = &context.service.conditions;
    let plain = std::mem::replace(&mut response.plain, Ok(()));
    let checks = std::mem::take(&mut response.checks);
    if service_conditions.is_empty() && checks.is_empty() {
        return plain;
    }
    let reads_json = service_conditions.iter().any(Condition::reads_json);
    if reads_json && response.body.len() > JSON_LIMIT {
        let detail = format!("a body of more than {JSON_LIMIT} bytes is not parsed as JSON");
        return Err(Failure::new(Reason::TooLarge, detail));
    }
    let facts = context.timings.facts(response, reads_json, Instant::now(), unix_ms());
    let (results, failure) = conditions::judge(service_conditions, checks, &facts, domain);
    context.timings.update_report(|report| report.conditions = results);
    if service_conditions.is_empty() {
        plain?;
    }
    failure.map_or(Ok(()), Err)
}

/// A watched job is probed only after its heartbeat is overdue (see `actors::scheduler`).
fn heartbeat_late(service: &Service) -> Failure {
    let timeout = service.heartbeat_timeout().as_secs_f64();
    let detail = format!("no heartbeat within interval and grace ({timeout} s)");
    Failure::new(Reason::HeartbeatLate, detail)
}

/// `server` is not the target.
fn timed_out(phase: Phase, server: Option<&str>, timeout: Duration) -> Failure {
    let reason = match phase {
        Phase::Resolve => Reason::DnsTimeout,
        Phase::Connect => Reason::ConnectTimeout,
        Phase::Tls => Reason::TlsTimeout,
        Phase::Processing | Phase::Transfer => Reason::Timeout,
    };
    let server = server.map(|server| format!(", at {server}")).unwrap_or_default();
    let activity = phase.as_activity();
    let detail = format!("no complete response within {timeout:?}: still {activity}{server}");
    Failure::new(reason, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F>(_: impl FnOnce(&'static Engine, &'static Service) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_future_of_a_probe_is_small_since_many_run_at_once() {
        let size = size(|engine, service| engine.probe(service, false));
        assert!(size <= 16 * 1_024, "{size} bytes");
    }
}
