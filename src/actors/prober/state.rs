//! What the probers of one arbiter share: the probe engine and the batch of ended probes.

use std::cell::{OnceCell, RefCell};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Recipient;
use futures_util::FutureExt;
use slog::{debug, info, warn};

use crate::actors::messages::probing::{
    ConfirmationResult, EndedProbe, Lease, ProbeAnswer, ProbeEnd, Requester,
};
use crate::actors::messages::recording::ProbesEnded;
use crate::actors::runtime::Runtime;
use crate::clock::unix_ms;
use crate::domain::{Failure, Outcome, Reason, Service, Verdict};
use crate::logging::Throttle;
use crate::probe::net::resolver_health::ResolverChange;
use crate::probe::{Engine, Rules};

/// Passed to every prober.
#[derive(Clone)]
pub struct ProberDeps {
    pub rules: Rules,
    pub recorder: Recipient<ProbesEnded>,
    pub runtime: Runtime,
    /// Limits the warnings about local faults to one a second.
    pub faults: Arc<Throttle>,
}

pub struct ArbiterState {
    engine: Engine,
    deps: ProberDeps,
    /// Ended probes that are not sent yet. Bound: one a prober, since its slot stays leased until
    /// then.
    ended: RefCell<Vec<(EndedProbe, Option<Outcome>)>>,
}

thread_local! {
    /// Built by the arbiter's first prober, since an engine cannot be sent to another thread.
    static STATE: OnceCell<Rc<ArbiterState>> = const { OnceCell::new() };
}

impl ArbiterState {
    /// The state of the current arbiter; `deps` are used by its first prober.
    pub fn of_arbiter(deps: ProberDeps) -> Rc<Self> {
        STATE.with(|state| Rc::clone(state.get_or_init(|| Rc::new(Self::new(deps)))))
    }

    fn new(deps: ProberDeps) -> Self {
        Self { engine: Engine::new(deps.rules.clone()), deps, ended: RefCell::default() }
    }

    /// Observes how long after its due time a probe starts.
    pub fn observe_lateness(&self, due: Instant) {
        let late = Instant::now().saturating_duration_since(due);
        self.deps.runtime.telemetry.lateness.observe(late.as_secs_f64());
    }

    /// Probes `service` and sends the outcome to the recorder. A local fault is counted and logged.
    pub async fn run(
        self: &Rc<Self>,
        lease: Lease,
        service: &Service,
        requester: Option<Requester>,
    ) {
        let mut outcome = self.probe_or_fault(service, requester.as_ref()).await;
        self.deps.runtime.telemetry.probed(&outcome);
        self.report_resolver();
        self.report_domain_lookups();
        self.log(service, &outcome);
        let is_local = outcome.verdict() == Verdict::Local;
        let needs_confirmation = service.options.thresholds.failure > 1 && !is_local;
        let is_up = outcome.verdict() == Verdict::Up;
        let confirmation =
            needs_confirmation.then_some(ConfirmationResult { id: service.id, is_up });
        let end = ProbeEnd::of(&outcome);
        let records = requester.as_ref().is_none_or(|requester| requester.records);
        let answer = requester.map(|Requester { reply, .. }| {
            let answer = ProbeAnswer { reply, outcome: outcome.clone() };
            outcome.report = None;
            Box::new(answer)
        });
        self.finish(EndedProbe { lease, end, confirmation, answer }, records.then_some(outcome));
    }

    /// Sends an ended probe to the recorder, in one message with those of this arbiter that end in
    /// the same turn of its loop: waking another thread costs more than the message.
    pub fn finish(self: &Rc<Self>, probe: EndedProbe, outcome: Option<Outcome>) {
        let mut ended = self.ended.borrow_mut();
        ended.push((probe, outcome));
        if ended.len() > 1 {
            return;
        }
        let state = Rc::clone(self);
        actix_rt::spawn(async move {
            tokio::task::yield_now().await;
            // Without a recorder the process ends.
            state.deps.recorder.do_send(ProbesEnded(state.ended.take()));
        });
    }

    fn log(&self, service: &Service, outcome: &Outcome) {
        let log = &self.deps.runtime.log;
        let reason = outcome.failure.as_ref().map_or("", |failure| failure.reason.as_str());
        let detail = outcome.failure.as_ref().map_or("", |failure| failure.detail.as_str());
        if outcome.verdict() != Verdict::Local {
            debug!(log, "probed"; "service_id" => service.id.get(), "reason" => reason,
                "detail" => detail, "elapsed_ms" => outcome.response_time.as_secs_f64() * 1e3);
        } else if self.is_logged_for_all(reason, outcome.response_time) {
            debug!(log, "probed"; "service_id" => service.id.get(), "reason" => reason);
        } else if self.deps.faults.pass(Instant::now()) {
            warn!(log, "probe failed by a local fault"; "service_id" => service.id.get(),
                "name" => %service.full_name(), "reason" => reason, "detail" => detail);
        }
    }

    /// Whether [`Self::report_resolver`] has logged the cause of a probe that took `lasted` once
    /// for all services.
    fn is_logged_for_all(&self, reason: &str, lasted: Duration) -> bool {
        let now = Instant::now();
        let began = now.checked_sub(lasted).unwrap_or(now);
        reason == Reason::LocalResolver.as_str()
            && self.deps.rules.resolver_health.has_failed_since(began)
    }

    /// Counts the checks of the system's name servers, and logs when they fail or work again.
    fn report_resolver(&self) {
        let Some(news) = self.deps.rules.resolver_health.take_news() else { return };
        let Runtime { telemetry, log, .. } = &self.deps.runtime;
        telemetry.resolver_checks(news.checks_answered, news.checks_failed);
        for change in news.changes {
            match change {
                ResolverChange::Failing(servers) => {
                    telemetry.resolver_failing.set(1);
                    warn!(log, "no name server of this machine works; services with names cannot \
                        be probed"; "servers" => servers);
                }
                ResolverChange::Working => {
                    telemetry.resolver_failing.set(0);
                    info!(log, "the name servers of this machine work again");
                }
            }
        }
    }

    /// Counts the look-ups of domains, and logs when the bootstrap file cannot be read.
    fn report_domain_lookups(&self) {
        let Some(news) = self.deps.rules.domain_registry.take_news() else { return };
        let Runtime { telemetry, log, .. } = &self.deps.runtime;
        let counts = news.counts;
        telemetry.domain_lookups("rdap", counts.rdap_answered, counts.rdap_failed);
        telemetry.domain_lookups("whois", counts.whois_answered, counts.whois_failed);
        if let Some(error) = news.bootstrap_failure {
            warn!(log, "the bootstrap file of RDAP was not read; the former one is used";
                "setting" => "RDAP_BOOTSTRAP", "error" => error);
        }
    }

    /// The outcome of a probe; a panic in it is a local fault.
    async fn probe_or_fault(&self, service: &Service, requester: Option<&Requester>) -> Outcome {
        let (started_at_ms, started) = (unix_ms(), Instant::now());
        let probe = async {
            fail::fail_point!("probe");
            let policy = requester.and_then(|requester| requester.policy.as_ref());
            let policy = policy.unwrap_or(&self.deps.rules.policy);
            self.engine.probe_within(policy, service, requester.is_some()).await
        };
        match AssertUnwindSafe(probe).catch_unwind().await {
            Ok(outcome) => outcome,
            Err(panic) => {
                let failure = Failure::new(Reason::LocalFault, panic_message(panic.as_ref()));
                let elapsed = started.elapsed();
                Outcome::without_details(service.id, started_at_ms, elapsed, Some(failure))
            }
        }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the probe panicked: {}", message.unwrap_or("no message"))
}
