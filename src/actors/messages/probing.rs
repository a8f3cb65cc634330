//! Messages between scheduler, pool and probers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Message;
use tokio::sync::oneshot;

use crate::domain::{Definition, Outcome, Service, ServiceId, Verdict};
use crate::probe::net::policy::Policy;

/// A probe that takes at least this long is slow: with a full pool it is preempted once slow probes
/// hold more than their share of the slots.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// One slot of one service's grid, ready to be probed.
#[derive(Debug, Clone)]
pub struct Job {
    pub service: Arc<Service>,
    pub due: Instant,
    /// The service's next slot: a probe that cannot start before it is missed.
    pub next_due: Instant,
    /// Requested over the API, beside the grid.
    pub on_demand: bool,
}

/// A prober's slot, held for one job. The generation tells a late message about an earlier job in
/// the same slot from one about the current job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub slot: usize,
    /// Jobs started in all slots, up to and including this one.
    pub generation: u64,
}

/// How a probe ended, as far as the queue distinguishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeEnd {
    /// Within [`PATIENCE`], with any verdict about the target.
    Prompt,
    /// Later than [`PATIENCE`], or by a local fault, which says nothing about the target.
    Late,
    /// At its deadline.
    TimedOut,
    /// Cancelled to make room for queued probes.
    Preempted,
}

impl ProbeEnd {
    /// How the probe that led to `outcome` ended.
    pub fn of(outcome: &Outcome) -> Self {
        match outcome.any_failure() {
            Some(failure) if failure.reason.is_timeout() => Self::TimedOut,
            _ if outcome.verdict() != Verdict::Local && outcome.response_time < PATIENCE => {
                Self::Prompt
            }
            _ => Self::Late,
        }
    }
}

/// A probe that ended; its slot stays leased until the pool receives this.
#[derive(Debug)]
pub struct EndedProbe {
    pub lease: Lease,
    pub end: ProbeEnd,
    /// `Some` for a service with a failure threshold.
    pub confirmation: Option<ConfirmationResult>,
    /// `Some` for a probe on demand.
    pub answer: Option<Box<ProbeAnswer>>,
}

/// The outcome for the requester of an on-demand probe. Sent once the slot is free, so that the
/// next request is not refused because of this one.
#[derive(Debug)]
pub struct ProbeAnswer {
    pub reply: oneshot::Sender<Outcome>,
    pub outcome: Outcome,
}

impl ProbeAnswer {
    pub fn send(self) {
        // The requester may have disconnected.
        let _ = self.reply.send(self.outcome);
    }
}

/// The API request that waits for the outcome of an on-demand probe.
#[derive(Debug)]
pub struct Requester {
    pub reply: oneshot::Sender<Outcome>,
    /// Whether the outcome is also recorded as a tick.
    pub records: bool,
    /// Instead of the policy of services.
    pub policy: Option<Policy>,
}

/// Notice from the recorder to the scheduler: a service was created, changed or deleted, and the
/// change is committed. Lost only if the scheduler has died, and then the process ends.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ServiceChanged {
    pub id: ServiceId,
    /// `None` when the service was deleted.
    pub definition: Option<Definition>,
    /// When a new service is probed first.
    pub first: FirstProbe,
    /// Of the store, with the change.
    pub revision: u64,
}

/// When a new service is probed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstProbe {
    /// At once: a client waits for it.
    Now,
    /// Soon: the services file added so many services together.
    Spread(usize),
    /// In the first slot that is later than this time, in unix milliseconds, by more than half an
    /// interval: the newest result of the owner before.
    After(i64),
}

/// Notice from the recorder to the scheduler: the local network is up again. No push service could
/// report meanwhile, so the wait for its heartbeat begins anew. If it is lost, a heartbeat may be
/// late too early.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct RestartHeartbeatWaits;

/// Notice from the pool to the scheduler: the result of a probe of a service with a failure
/// threshold. If it is lost, the next slots of the grid confirm the failure.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ConfirmationResult {
    pub id: ServiceId,
    pub is_up: bool,
}

/// Notice from HTTP to the scheduler: a push service reported. Sent before the report is recorded,
/// so that no heartbeat is late while the recorder or the store delays or refuses reports.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct HeartbeatReceived(pub ServiceId);

/// Query from HTTP to the scheduler: how long the oldest due slot has waited to be dispatched.
#[derive(Debug, Message)]
#[rtype(result = "Duration")]
pub struct GetLateness;

/// Command from the app to the scheduler: dispatch nothing more. The reply confirms it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// Command from the scheduler to the pool: probe these jobs, or count them as missed. Never
/// refused: the queue is bounded, and the scheduler sends each due slot once.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Dispatch {
    pub jobs: Vec<Job>,
}

/// Notice from the scheduler to the pool: a queued probe of this service uses the new definition.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ReviseService {
    pub service: Arc<Service>,
}

/// Notice from the scheduler to the pool: this service is no longer probed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct RemoveService {
    pub id: ServiceId,
}

/// Notice from the recorder to the pool: these probes ended and their outcomes were accepted or
/// dropped. Lost only if the pool has died, and then the process ends.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ProbesFinished(pub Vec<EndedProbe>);

/// Command from the app to the pool at start: where confirmation results go.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SubscribeConfirmations(pub actix::Recipient<ConfirmationResult>);

/// Command from HTTP to the pool: probe this service now, beside its grid. The reply is the
/// outcome, or an error when the service is already being probed or the queue is full.
#[derive(Debug, Message)]
#[rtype(result = "Result<Outcome, oneshot::error::RecvError>")]
pub struct ProbeNow {
    pub service: Arc<Service>,
    /// Whether the outcome is also recorded as a tick.
    pub records: bool,
    /// Which addresses it may dial, instead of the policy of services.
    pub policy: Option<Policy>,
}

/// Command from the app to the pool: start nothing more. The reply means that no probe is running.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), oneshot::error::RecvError>")]
pub struct Drain;

/// Command from the pool to a prober.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub enum ToProber {
    Run(RunProbe),
    /// Cancel the probe of this generation, unless it has ended, once it has run for [`PATIENCE`].
    Preempt(u64),
}

/// A probe to run. The slot stays leased until the recorder has the outcome. If the prober dies,
/// the pool's sweep frees the slot.
#[derive(Debug)]
pub struct RunProbe {
    /// Of the lease.
    pub generation: u64,
    pub job: Job,
    pub requester: Option<Requester>,
}
