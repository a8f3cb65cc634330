//! A prober: one job at a time, so that the number of probers is exactly the number of probes at once.

use std::cell::{OnceCell, RefCell};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use futures_util::FutureExt;
use futures_util::future::{AbortHandle, abortable};
use slog::{Logger, debug, warn};

use crate::actors::line::{End, PATIENCE, Place};
use crate::actors::pool::{Ended, Requester};
use crate::actors::recorder::{Probed, Recorder};
use crate::actors::schedule::Job;
use crate::actors::scheduler::ConfirmationResult;
use crate::clock::unix_ms;
use crate::domain::{Failure, Outcome, Reason, Service, Verdict};
use crate::logging::Throttle;
use crate::metrics::Telemetry;
use crate::probe::{Engine, Rules};

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
    /// Probes that are over, until they are told together. Bound: one a prober, since its slot stays taken until then.
    over: RefCell<Vec<(Ended, Option<Outcome>)>>,
}

thread_local! {
    /// Built by the first prober of the arbiter, since an engine cannot be sent there.
    static WORKSHOP: OnceCell<Rc<Workshop>> = const { OnceCell::new() };
}

/// The arbiters of the probers; those of one arbiter are a crew.
pub struct Crews {
    arbiters: Vec<ArbiterHandle>,
    parts: Parts,
}

impl Crews {
    /// A crew on each of `arbiters`, of which there is one at least.
    pub fn new(arbiters: Vec<ArbiterHandle>, parts: Parts) -> Self {
        Self { arbiters, parts }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.arbiters.len()
    }

    /// A new prober for `slot`, in the crew that is its number modulo theirs.
    pub fn hire(&self, slot: usize) -> Addr<Prober> {
        Prober::start_on(&self.arbiters[slot % self.count()], slot, self.parts.clone())
    }

    /// Tells the probers of these slots; a crew is woken once for all of its own, and hears in the order of the calls. An arbiter that
    /// has ended hears nothing; the pool's sweep finds that out.
    pub fn tell<M>(&self, told: Vec<(usize, Addr<Prober>, M)>)
    where
        M: Message<Result = ()> + Send + 'static,
        Prober: Handler<M>,
    {
        let mut by_crew: Vec<Vec<(Addr<Prober>, M)>> =
            self.arbiters.iter().map(|_| Vec::new()).collect();
        for (slot, prober, message) in told {
            by_crew[slot % self.count()].push((prober, message));
        }
        let to_tell = self.arbiters.iter().zip(by_crew).filter(|(_, told)| !told.is_empty());
        for (arbiter, told) in to_tell {
            arbiter.spawn_fn(move || {
                for (prober, message) in told {
                    prober.do_send(message);
                }
            });
        }
    }
}

/// Runs probes, one after the other.
pub struct Prober {
    slot: usize,
    workshop: Rc<Workshop>,
    /// The number of the job at hand, and what ends it early.
    current: Option<(u64, AbortHandle)>,
}

impl Prober {
    fn start_on(arbiter: &ArbiterHandle, slot: usize, parts: Parts) -> Addr<Self> {
        Self::start_in_arbiter(arbiter, move |_| {
            let workshop = WORKSHOP
                .with(|shared| Rc::clone(shared.get_or_init(|| Rc::new(Workshop::new(parts)))));
            Self { slot, workshop, current: None }
        })
    }
}

/// Command from the pool, which keeps the slot taken until the recorder has the outcome. If it is lost, the prober has died, and
/// the pool's sweep finds that out.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct RunProbe {
    /// The number of the job.
    pub nth: u64,
    /// What to probe.
    pub job: Job,
    /// Who waits for its outcome, if somebody does.
    pub requester: Option<Requester>,
}

/// Command from the pool: give the job of this number up, for others who wait. Nothing happens when it is over.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct GiveUp(pub u64);

impl Actor for Prober {
    type Context = Context<Self>;
}

impl Handler<RunProbe> for Prober {
    type Result = ();

    fn handle(&mut self, RunProbe { nth, job, requester }: RunProbe, context: &mut Self::Context) {
        fail::fail_point!("prober");
        let (place, workshop) = (Place { slot: self.slot, nth }, Rc::clone(&self.workshop));
        // It looks whether it was ended before it goes on, so it either gives way or comes to its own end, and never both;
        // a future that an actor is told to cancel may go on once more.
        let (work, handle) = abortable(async move {
            let late = Instant::now().saturating_duration_since(job.due);
            workshop.parts.telemetry.lateness.observe(late.as_secs_f64());
            workshop.run(place, &job.service, requester).await;
        });
        let work = work.into_actor(self).map(move |done, prober, _| {
            prober.current = None;
            if done.is_err() {
                let ended = Ended { place, end: End::GaveWay, looked: None };
                prober.workshop.hand_over(ended, None);
            }
        });
        self.current = Some((nth, handle));
        context.spawn(work);
    }
}

impl Handler<GiveUp> for Prober {
    type Result = ();

    fn handle(&mut self, GiveUp(nth): GiveUp, _: &mut Self::Context) {
        if let Some((_, handle)) = self.current.as_ref().filter(|(current, _)| *current == nth) {
            handle.abort();
        }
    }
}

impl Workshop {
    fn new(parts: Parts) -> Self {
        Self { engine: Engine::new(parts.rules.clone()), parts, over: RefCell::default() }
    }

    /// Probes `service` and hands the outcome over; what is a fault of ours is counted and told, and goes no further unless it
    /// may be an outage of our network.
    async fn run(self: &Rc<Self>, place: Place, service: &Service, requester: Option<Requester>) {
        let mut outcome = self.probe_caught(service, requester.is_some()).await;
        self.parts.telemetry.probed(&outcome);
        self.tell(service, &outcome);
        let is_up = outcome.verdict() == Verdict::Up;
        let confirms =
            service.options.thresholds.failure > 1 && outcome.verdict() != Verdict::Local;
        let looked = confirms.then_some(ConfirmationResult { id: service.id, is_up });
        let end = match &outcome.failure {
            Some(failure) if failure.reason.is_timeout() => End::TimedOut,
            // A fault of ours says nothing of the target.
            _ if outcome.verdict() != Verdict::Local && outcome.response_time < PATIENCE => {
                End::Prompt
            }
            _ => End::Late,
        };
        let records = requester.as_ref().is_none_or(|requester| requester.records)
            && (outcome.verdict() != Verdict::Local || may_be_local_network(&outcome));
        if let Some(requester) = requester {
            // Who asked may have gone.
            let _ = requester.reply.send(outcome.clone());
            outcome.report = None;
        }
        self.hand_over(Ended { place, end, looked }, records.then_some(outcome));
    }

    /// Tells the recorder of a probe that is over, together with those of this arbiter that end in the same turn: to wake
    /// another thread costs more than the message.
    fn hand_over(self: &Rc<Self>, ended: Ended, outcome: Option<Outcome>) {
        let mut over = self.over.borrow_mut();
        over.push((ended, outcome));
        if over.len() > 1 {
            return;
        }
        let workshop = Rc::clone(self);
        actix_rt::spawn(async move {
            tokio::task::yield_now().await;
            // Without a recorder the process ends.
            workshop.parts.recorder.do_send(Probed(workshop.over.take()));
        });
    }

    fn tell(&self, service: &Service, outcome: &Outcome) {
        let reason = outcome.failure.as_ref().map_or("", |failure| failure.reason.as_str());
        let detail = outcome.failure.as_ref().map_or("", |failure| failure.detail.as_str());
        if outcome.verdict() != Verdict::Local {
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
                Outcome::without_details(
                    service.id,
                    started_at_ms,
                    started.elapsed(),
                    Some(failure),
                )
            }
        }
    }
}

fn may_be_local_network(outcome: &Outcome) -> bool {
    outcome.failure.as_ref().is_some_and(|failure| failure.reason.may_be_local_network())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the probe panicked: {}", said.unwrap_or("without a word"))
}
