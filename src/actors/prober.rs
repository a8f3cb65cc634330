//! A prober: one job at a time, so that the number of probers is exactly the number of probes at once.

use std::cell::OnceCell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use futures_util::FutureExt;
use slog::{Logger, debug, warn};

use super::pool::{Asker, Finished, Pool};
use super::recorder::{RecordOutcome, Recorder};
use super::schedule::Job;
use super::scheduler::Looked;
use crate::domain::{Failure, Outcome, Reason, Service, Verdict};
use crate::logging::Throttle;
use crate::probe::{Engine, Rules, unix_ms};
use crate::telemetry::Telemetry;

/// What every prober works with.
#[derive(Clone)]
pub struct Parts {
    /// What probes keep to.
    pub rules: Rules,
    /// Takes the outcomes.
    pub recorder: Addr<Recorder>,
    /// Counts them.
    pub telemetry: Telemetry,
    /// At most one line a second speaks of faults of ours.
    pub faults: Arc<Throttle>,
    /// Where it goes.
    pub log: Logger,
}

/// What the probers of one arbiter share.
struct Workshop {
    engine: Engine,
    parts: Parts,
}

thread_local! {
    /// Built by the first prober of the arbiter, since an engine cannot be sent there.
    static WORKSHOP: OnceCell<Rc<Workshop>> = const { OnceCell::new() };
}

/// Runs probes, one after the other.
pub struct Prober {
    slot: usize,
    pool: Addr<Pool>,
    workshop: Rc<Workshop>,
}

impl Prober {
    /// Starts the prober of `slot` on `arbiter`.
    pub fn start_on(
        arbiter: &ArbiterHandle,
        slot: usize,
        pool: Addr<Pool>,
        parts: Parts,
    ) -> Addr<Self> {
        Self::start_in_arbiter(arbiter, move |_| {
            let workshop = WORKSHOP.with(|shared| {
                let build =
                    || Rc::new(Workshop { engine: Engine::new(parts.rules.clone()), parts });
                Rc::clone(shared.get_or_init(build))
            });
            Self { slot, pool, workshop }
        })
    }
}

/// Command from the pool, which keeps the slot taken until [`Finished`] comes. If it is lost, the prober has died, and
/// the pool's sweep finds that out.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct RunProbe {
    /// What to probe.
    pub job: Job,
    /// Who waits for its outcome, if somebody does.
    pub asker: Option<Asker>,
}

impl Actor for Prober {
    type Context = Context<Self>;
}

impl Handler<RunProbe> for Prober {
    type Result = ();

    fn handle(&mut self, RunProbe { job, asker }: RunProbe, context: &mut Self::Context) {
        fail::fail_point!("prober");
        let (slot, pool, workshop) = (self.slot, self.pool.clone(), Rc::clone(&self.workshop));
        let work = async move {
            let late = Instant::now().saturating_duration_since(job.due);
            workshop.parts.telemetry.lateness.observe(late.as_secs_f64());
            let looked = workshop.run(&job.service, asker).await;
            pool.do_send(Finished { slot, looked });
        };
        context.wait(work.into_actor(self));
    }
}

impl Workshop {
    /// Probes `service` and hands the outcome over; what is a fault of ours is counted and told, and goes no further unless it
    /// may be an outage of our network.
    async fn run(&self, service: &Service, asker: Option<Asker>) -> Option<Looked> {
        let mut outcome = self.probe_caught(service, asker.is_some()).await;
        self.parts.telemetry.probed(&outcome);
        self.tell(service, &outcome);
        let is_up = outcome.verdict() == Verdict::Up;
        let confirms = service.options.thresholds.failure > 1 && outcome.verdict() != Verdict::Ours;
        let records = asker.as_ref().is_none_or(|asker| asker.records);
        if let Some(asker) = asker {
            // Who asked may have gone.
            let _ = asker.reply.send(outcome.clone());
            outcome.report = None;
        }
        if records && (outcome.verdict() != Verdict::Ours || may_be_our_network(&outcome)) {
            // No timeout here: a record that is given up would be a result lost. Without a recorder the process ends.
            let _ = self.parts.recorder.send(RecordOutcome { outcome }).await;
        }
        confirms.then_some(Looked { id: service.id, is_up })
    }

    fn tell(&self, service: &Service, outcome: &Outcome) {
        let reason = outcome.failure.as_ref().map_or("", |failure| failure.reason.as_str());
        let detail = outcome.failure.as_ref().map_or("", |failure| failure.detail.as_str());
        if outcome.verdict() != Verdict::Ours {
            debug!(self.parts.log, "probed"; "service_id" => service.id.get(), "reason" => reason,
                "detail" => detail, "elapsed_ms" => outcome.response_time.as_secs_f64() * 1e3);
        } else if self.parts.faults.pass(Instant::now()) {
            warn!(self.parts.log, "probe failed by a fault of ours"; "service_id" => service.id.get(),
                "name" => service.name.as_str(), "reason" => reason, "detail" => detail);
        }
    }

    async fn probe_caught(&self, service: &Service, reports: bool) -> Outcome {
        let (started_at_ms, started) = (unix_ms(), Instant::now());
        let probe = async {
            fail::fail_point!("probe");
            self.engine.probe(service, reports).await
        };
        match AssertUnwindSafe(probe).catch_unwind().await {
            Ok(outcome) => outcome,
            Err(panic) => {
                let failure = Failure::new(Reason::LocalFault, panic_text(panic.as_ref()));
                Outcome::bare(service.id, started_at_ms, started.elapsed(), Some(failure))
            }
        }
    }
}

fn may_be_our_network(outcome: &Outcome) -> bool {
    outcome.failure.as_ref().is_some_and(|failure| failure.reason.may_be_our_network())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the probe panicked: {}", said.unwrap_or("without a word"))
}
