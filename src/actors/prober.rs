//! A prober: one job at a time, so that the number of probers is exactly the number of probes at once.

use std::cell::OnceCell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use futures_util::FutureExt;
use slog::{Logger, debug, warn};

use super::pool::{Finished, Pool};
use super::recorder::{RecordOutcome, Recorder};
use super::schedule::Job;
use crate::domain::{Failure, Outcome, Phases, Reason, Seen, Service, Verdict};
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
}

impl Actor for Prober {
    type Context = Context<Self>;
}

impl Handler<RunProbe> for Prober {
    type Result = ();

    fn handle(&mut self, RunProbe { job }: RunProbe, context: &mut Self::Context) {
        fail::fail_point!("prober");
        let (slot, pool, workshop) = (self.slot, self.pool.clone(), Rc::clone(&self.workshop));
        let work = async move {
            let late = Instant::now().saturating_duration_since(job.due);
            workshop.parts.telemetry.lateness.observe(late.as_secs_f64());
            workshop.run(job.service).await;
            pool.do_send(Finished { slot });
        };
        context.wait(work.into_actor(self));
    }
}

impl Workshop {
    /// Probes `service` and hands the outcome over; what is a fault of ours is counted and told, and goes no further.
    async fn run(&self, service: Arc<Service>) {
        let outcome = self.probe_caught(&service).await;
        self.parts.telemetry.probed(&outcome);
        let reason = outcome.failure.as_ref().map_or("", |failure| failure.reason.as_str());
        let detail = outcome.failure.as_ref().map_or("", |failure| failure.detail.as_str());
        if outcome.verdict() == Verdict::Ours {
            if self.parts.faults.pass(Instant::now()) {
                warn!(self.parts.log, "probe failed by a fault of ours"; "service_id" => service.id.get(),
                    "name" => service.name.as_str(), "reason" => reason, "detail" => detail);
            }
            return;
        }
        debug!(self.parts.log, "probed"; "service_id" => service.id.get(), "reason" => reason,
            "detail" => detail, "elapsed_ms" => outcome.response_time.as_secs_f64() * 1e3);
        // No timeout here: a record that is given up would be a result lost. Without a recorder the process ends.
        let _ = self.parts.recorder.send(RecordOutcome { outcome }).await;
    }

    async fn probe_caught(&self, service: &Service) -> Outcome {
        let (started_at_ms, started) = (unix_ms(), Instant::now());
        let probe = async {
            fail::fail_point!("probe");
            self.engine.probe(service, false).await
        };
        match AssertUnwindSafe(probe).catch_unwind().await {
            Ok(outcome) => outcome,
            Err(panic) => Outcome {
                service_id: service.id,
                started_at_ms,
                response_time: started.elapsed(),
                http_status: None,
                failure: Some(Failure::new(Reason::LocalFault, panic_text(panic.as_ref()))),
                phases: Phases::default(),
                seen: Seen::default(),
                cut_off: false,
                report: None,
            },
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the probe panicked: {}", said.unwrap_or("without a word"))
}
