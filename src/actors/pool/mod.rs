//! The pool: leases slots to jobs. Each of its `RUNNER_POOL_SIZE` probers runs at most one.

mod queue;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use actix::prelude::*;
use slog::{Logger, error};
use tokio::sync::oneshot;

use crate::actors::messages::instances::GetProbedShards;
use crate::actors::messages::probing::{
    ConfirmationResult, Dispatch, Drain, EndedProbe, Job, Lease, ProbeEnd, ProbeNow,
    ProbesFinished, RemoveService, Requester, ReviseService, RunProbe, SubscribeConfirmations,
    ToProber,
};
use crate::actors::prober::arbiters::ArbiterPool;
use crate::actors::runtime::{Lifeline, Runtime};
use crate::domain::shards::shard_of;
use crate::domain::{Missed, Outcome, ServiceId};
use crate::metrics::Telemetry;
use queue::{Admission, ProbeQueue};

/// Interval between checks for probers that died, while probes run.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Interval between preemption checks while the queue is not empty.
const PREEMPT_EVERY: Duration = Duration::from_millis(20);

/// Owns the slots and the queue.
pub struct Pool {
    queue: ProbeQueue,
    slots: usize,
    probers: ArbiterPool,
    /// Leased slots whose jobs are sent at the end of the current message. Bound: slots.
    starting: Vec<(usize, ToProber)>,
    /// Whether a preemption check is scheduled.
    preempts: bool,
    /// The next check for dead probers; `None` while no probe runs.
    sweep: Option<SpawnHandle>,
    /// Requesters of queued probes. Bound: the queue.
    requesters: HashMap<ServiceId, Requester>,
    confirmations: Option<Recipient<ConfirmationResult>>,
    /// Callers of [`Drain`], which wait for the last probe to end. `Some` since the first one, and
    /// then no job is leased.
    draining: Option<Vec<oneshot::Sender<()>>>,
    telemetry: Telemetry,
    log: Logger,
    _lifeline: Lifeline,
}

impl Pool {
    /// A pool of `slots` probers with a queue of `queue_limit` jobs.
    pub fn new(slots: usize, queue_limit: usize, probers: ArbiterPool, runtime: &Runtime) -> Self {
        runtime.telemetry.slots.set(slots as i64);
        Self {
            queue: ProbeQueue::new(slots, probers.arbiters(), queue_limit),
            slots,
            probers,
            starting: Vec::new(),
            preempts: false,
            sweep: None,
            requesters: HashMap::new(),
            confirmations: None,
            draining: None,
            telemetry: runtime.telemetry.clone(),
            log: runtime.log.clone(),
            _lifeline: runtime.lifeline("pool"),
        }
    }

    fn start(&mut self, lease: Lease, job: Job) {
        let requester = self.requesters.remove(&job.service.id);
        let Lease { slot, generation } = lease;
        let run = RunProbe { generation, job, requester };
        self.starting.push((slot, ToProber::Run(run)));
    }

    fn finish(&mut self, lease: Lease, end: ProbeEnd) {
        let (next, late) = self.queue.finish(lease, end, Instant::now());
        self.telemetry.missed(Missed::Late, late);
        if let Some((lease, job)) = next {
            self.start(lease, job);
        }
    }

    /// Ends the handling of a message: sends the leased jobs to their probers and schedules a
    /// preemption check if it is needed.
    fn settle(&mut self, context: &mut Context<Self>) {
        self.probers.send(std::mem::take(&mut self.starting));
        // Dropping the sender tells the requester that its probe was not started.
        self.requesters.retain(|id, _| self.queue.contains(*id));
        if self.queue.has_quick() && !self.preempts {
            self.preempts = true;
            context.run_later(PREEMPT_EVERY, |pool, context| {
                pool.preempts = false;
                pool.preempt();
                pool.settle(context);
            });
        }
        self.schedule_sweep(context);
        self.publish_state();
    }

    /// An idle pool does not wake.
    fn schedule_sweep(&mut self, context: &mut Context<Self>) {
        let is_busy = self.queue.busy() > 0;
        if is_busy && self.sweep.is_none() {
            self.sweep = Some(context.run_later(SWEEP_EVERY, |pool, context| {
                pool.sweep = None;
                pool.rebuild_dead_probers(context);
            }));
        } else if !is_busy && let Some(sweep) = self.sweep.take() {
            context.cancel_future(sweep);
        }
    }

    /// Cancels probes for queued jobs. A prober receives the command after the job that it cancels.
    fn preempt(&mut self) {
        let leases = self.queue.preempt(Instant::now()).into_iter();
        let messages =
            leases.map(|Lease { slot, generation }| (slot, ToProber::Preempt(generation)));
        self.probers.send(messages.collect());
    }

    /// Sets the gauges and answers [`Drain`] once no probe is running.
    fn publish_state(&mut self) {
        self.telemetry.slots_busy.set(self.queue.busy() as i64);
        self.telemetry.slots_waiting.set(self.queue.queued() as i64);
        if self.queue.busy() == 0
            && let Some(callers) = &mut self.draining
        {
            for reply in callers.drain(..) {
                // The app has gone when its grace period is over.
                let _ = reply.send(());
            }
        }
    }

    /// Rebuilds each prober that died while it ran a probe. Its outcome is lost: a local fault.
    fn rebuild_dead_probers(&mut self, context: &mut Context<Self>) {
        let is_dead = |lease: &Lease| !self.probers.is_alive(lease.slot);
        let dead: Vec<Lease> = self.queue.leases().filter(is_dead).collect();
        for lease in dead {
            error!(self.log, "prober died and was rebuilt"; "slot" => lease.slot);
            self.telemetry.probers_rebuilt.inc();
            self.probers.spawn(lease.slot);
            self.finish(lease, ProbeEnd::Late);
        }
        self.settle(context);
    }
}

impl Actor for Pool {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        for slot in 0..self.slots {
            self.probers.spawn(slot);
        }
    }
}

impl Handler<Dispatch> for Pool {
    type Result = ();

    fn handle(&mut self, dispatch: Dispatch, context: &mut Self::Context) {
        if self.draining.is_some() {
            return;
        }
        let now = Instant::now();
        self.queue.begin_batch();
        for job in dispatch.jobs {
            match self.queue.offer(job, now) {
                Admission::Start(lease, job) => self.start(lease, job),
                Admission::Queued(None) => {}
                Admission::Queued(Some(missed)) | Admission::Missed(missed) => {
                    self.telemetry.missed(missed, 1);
                }
            }
        }
        self.settle(context);
    }
}

impl Handler<ProbesFinished> for Pool {
    type Result = ();

    fn handle(
        &mut self,
        ProbesFinished(probes): ProbesFinished,
        context: &mut Self::Context,
    ) -> Self::Result {
        for EndedProbe { lease, end, confirmation, answer } in probes {
            if let (Some(confirmation), Some(scheduler)) = (confirmation, &self.confirmations) {
                scheduler.do_send(confirmation);
            }
            if end == ProbeEnd::Preempted {
                self.telemetry.missed(Missed::Preempted, 1);
            }
            self.finish(lease, end);
            if let Some(answer) = answer {
                answer.send();
            }
        }
        self.settle(context);
    }
}

impl Handler<SubscribeConfirmations> for Pool {
    type Result = ();

    fn handle(&mut self, subscribe: SubscribeConfirmations, _: &mut Self::Context) {
        self.confirmations = Some(subscribe.0);
    }
}

impl Handler<ProbeNow> for Pool {
    type Result = ResponseFuture<Result<Outcome, oneshot::error::RecvError>>;

    fn handle(&mut self, request: ProbeNow, context: &mut Self::Context) -> Self::Result {
        let ProbeNow { service, records, policy } = request;
        let (reply, outcome) = oneshot::channel();
        let (now, id) = (Instant::now(), service.id);
        if self.draining.is_none() && !self.queue.contains(id) {
            let next_due = now + service.timeout.get();
            let job = Job { due: now, next_due, service, on_demand: true };
            let requester = Requester { reply, records, policy };
            match self.queue.offer(job, now) {
                Admission::Start(lease, job) => {
                    self.requesters.insert(id, requester);
                    self.start(lease, job);
                }
                Admission::Queued(_) => _ = self.requesters.insert(id, requester),
                Admission::Missed(_) => {}
            }
        }
        self.settle(context);
        Box::pin(outcome)
    }
}

impl Handler<ReviseService> for Pool {
    type Result = ();

    fn handle(&mut self, revise: ReviseService, _: &mut Self::Context) {
        self.queue.revise(&revise.service);
    }
}

impl Handler<RemoveService> for Pool {
    type Result = ();

    fn handle(&mut self, remove: RemoveService, _: &mut Self::Context) {
        self.queue.remove(remove.id);
        self.requesters.remove(&remove.id);
        self.publish_state();
    }
}

impl Handler<GetProbedShards> for Pool {
    type Result = MessageResult<GetProbedShards>;

    fn handle(
        &mut self,
        GetProbedShards(of): GetProbedShards,
        _: &mut Self::Context,
    ) -> Self::Result {
        let probed = self.queue.services().map(|id| shard_of(id.get()));
        MessageResult(probed.filter(|shard| of.has(*shard)).collect())
    }
}

impl Handler<Drain> for Pool {
    type Result = ResponseFuture<Result<(), oneshot::error::RecvError>>;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> Self::Result {
        let (reply, drained) = oneshot::channel();
        self.draining.get_or_insert_default().push(reply);
        self.queue.clear();
        self.requesters.clear();
        self.publish_state();
        Box::pin(drained)
    }
}
