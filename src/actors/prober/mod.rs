//! A prober runs one job at a time, so the number of probers is the number of concurrent probes.

pub mod arbiters;
pub mod state;

use std::rc::Rc;
use std::time::Instant;

use actix::prelude::*;
use futures_util::future::{AbortHandle, abortable};

use crate::actors::messages::probing::{EndedProbe, Lease, PATIENCE, ProbeEnd, RunProbe, ToProber};
use state::{ArbiterState, ProberDeps};

pub struct Prober {
    slot: usize,
    state: Rc<ArbiterState>,
    /// `None` while no probe runs.
    current: Option<CurrentProbe>,
}

struct CurrentProbe {
    generation: u64,
    began: Instant,
    /// Cancels the probe.
    handle: AbortHandle,
}

impl Prober {
    fn spawn(arbiter: &ArbiterHandle, slot: usize, deps: ProberDeps) -> Addr<Self> {
        Self::start_in_arbiter(arbiter, move |_| {
            let state = ArbiterState::of_arbiter(deps);
            Self { slot, state, current: None }
        })
    }

    fn run(&mut self, run: RunProbe, context: &mut Context<Self>) {
        fail::fail_point!("prober");
        let RunProbe { generation, job, requester } = run;
        let (lease, state) = (Lease { slot: self.slot, generation }, Rc::clone(&self.state));
        // An abortable future checks for its end before it is polled, so a probe either is
        // preempted or ends by itself, never both. A future cancelled by its actor may be polled
        // once more.
        let (probe, handle) = abortable(async move {
            state.observe_lateness(job.due);
            state.run(lease, &job.service, requester).await;
        });
        let probe = probe.into_actor(self).map(move |done, prober, _| {
            prober.current = None;
            if done.is_err() {
                let end = ProbeEnd::Preempted;
                let ended = EndedProbe { lease, end, confirmation: None, answer: None };
                prober.state.finish(ended, None);
            }
        });
        self.current = Some(CurrentProbe { generation, began: Instant::now(), handle });
        context.spawn(probe);
    }

    /// Cancels the probe of this generation once it has run for [`PATIENCE`]. Its lease began
    /// earlier, by the time that the job waited for this arbiter.
    fn preempt(&self, generation: u64, context: &mut Context<Self>) {
        let is_current = |probe: &&CurrentProbe| probe.generation == generation;
        let Some(probe) = self.current.as_ref().filter(is_current) else { return };
        let left = PATIENCE.saturating_sub(probe.began.elapsed());
        if left.is_zero() {
            probe.handle.abort();
        } else {
            context.run_later(left, move |prober, context| prober.preempt(generation, context));
        }
    }
}

impl Actor for Prober {
    type Context = Context<Self>;
}

impl Handler<ToProber> for Prober {
    type Result = ();

    fn handle(&mut self, message: ToProber, context: &mut Self::Context) {
        match message {
            ToProber::Run(run) => self.run(run, context),
            ToProber::Preempt(generation) => self.preempt(generation, context),
        }
    }
}
