//! The scheduler: wakes when something is due and sends it to the pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;

use super::Lifeline;
use crate::actors::pool::{Dispatch, Leave, Pool, Revise};
use crate::actors::schedule::{First, Now, Schedule};
use crate::actors::spread::Spread;
use crate::clock::unix_ms;
use crate::domain::Missed;
use crate::domain::{Defaults, Definition, Kind, Service, ServiceId};
use crate::metrics::Telemetry;
use crate::storage::reader::LoadedService;

/// Most jobs of one [`Dispatch`].
const DISPATCH_LIMIT: usize = 1_024;

/// Shortest time from one wake-up to the next, so that what is due close together goes together.
const COALESCE: Duration = Duration::from_millis(2);

/// Longest sleep; a slot that comes in meanwhile wakes the scheduler anyway.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Owns the due-queue.
pub struct Scheduler {
    schedule: Schedule,
    pool: Addr<Pool>,
    defaults: Defaults,
    telemetry: Telemetry,
    /// The timer of the next wake-up; `None` while nothing is scheduled or after [`Stop`].
    wake: Option<SpawnHandle>,
    stopped: bool,
    _lifeline: Lifeline,
}

impl Scheduler {
    /// A scheduler that watches every enabled service of `known`.
    pub fn new(
        known: Vec<LoadedService>,
        defaults: Defaults,
        pool: Addr<Pool>,
        telemetry: Telemetry,
        lifeline: Lifeline,
    ) -> Self {
        let mut schedule = Schedule::new(Spread::of(known.len()));
        let now = now();
        for known in known.into_iter().filter(|known| known.definition.enabled) {
            let heard_of = known.last_tick.unwrap_or(known.created_at);
            let service = Service::new(known.id, known.definition, &defaults);
            let first = match (service.target.kind(), known.last_tick) {
                (Kind::Push, _) => First::Patient { since_ms: heard_of * 1_000 },
                (_, Some(_)) => First::OnGrid,
                (_, None) => First::Soon,
            };
            schedule.watch(Arc::new(service), first, now);
        }
        telemetry.services.set(schedule.len() as i64);
        Self {
            schedule,
            pool,
            defaults,
            telemetry,
            wake: None,
            stopped: false,
            _lifeline: lifeline,
        }
    }

    fn dispatch_due(&mut self) {
        fail::fail_point!("scheduler");
        let now = Instant::now();
        loop {
            let (jobs, skipped) = self.schedule.pop_due(now, DISPATCH_LIMIT);
            self.telemetry.missed(Missed::Skipped, skipped);
            if jobs.is_empty() {
                return;
            }
            self.pool.do_send(Dispatch { jobs });
        }
    }

    /// Sets the one timer to the next due time.
    fn sleep(&mut self, least: Duration, context: &mut Context<Self>) {
        if let Some(handle) = self.wake.take() {
            context.cancel_future(handle);
        }
        if self.stopped {
            return;
        }
        let Some(due) = self.schedule.next_due() else { return };
        let wait = due.saturating_duration_since(Instant::now()).clamp(least, LONGEST_SLEEP);
        self.wake = Some(context.run_later(wait, |scheduler, context| {
            scheduler.dispatch_due();
            scheduler.sleep(COALESCE, context);
        }));
    }
}

fn now() -> Now {
    Now { instant: Instant::now(), wall_ms: unix_ms() }
}

/// Notice from the recorder: a service was created, changed or deleted, and the store has it. Lost only when the
/// scheduler has died, and then the process ends.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ServiceChanged {
    /// Which.
    pub id: ServiceId,
    /// How it is defined now; `None` when it was deleted.
    pub definition: Option<Definition>,
    /// Whether somebody waits for the first probe of a new one.
    pub on_demand: bool,
}

/// Notice from the pool: a service with a threshold for failures was probed. If it is lost, a failure is confirmed by the next
/// slots only.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ConfirmationResult {
    /// Which.
    pub id: ServiceId,
    /// What the probe said.
    pub is_up: bool,
}

/// Notice from HTTP: a watched job has reported, and the recorder has it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct HeartbeatSeen(pub ServiceId);

/// Query from HTTP: how long the longest due slot has been waiting for the scheduler.
#[derive(Debug, Message)]
#[rtype(result = "Duration")]
pub struct GetLateness;

/// Command from the app: no new probe starts. The reply means that none will.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

impl Actor for Scheduler {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.sleep(Duration::ZERO, context);
    }
}

impl Handler<ServiceChanged> for Scheduler {
    type Result = ();

    fn handle(&mut self, change: ServiceChanged, context: &mut Self::Context) {
        match change.definition.filter(|definition| definition.enabled) {
            None => {
                self.schedule.unwatch(change.id);
                self.pool.do_send(Leave { id: change.id });
            }
            Some(definition) => {
                let service = Arc::new(Service::new(change.id, definition, &self.defaults));
                if self.schedule.revise(Arc::clone(&service), now()) {
                    self.pool.do_send(Revise { service });
                } else {
                    let first = if change.on_demand { First::Now } else { First::Soon };
                    self.schedule.watch(service, first, now());
                }
            }
        }
        self.telemetry.services.set(self.schedule.len() as i64);
        self.sleep(Duration::ZERO, context);
    }
}

impl Handler<ConfirmationResult> for Scheduler {
    type Result = ();

    fn handle(&mut self, looked: ConfirmationResult, context: &mut Self::Context) {
        self.schedule.looked(looked.id, looked.is_up, Instant::now());
        self.sleep(Duration::ZERO, context);
    }
}

impl Handler<HeartbeatSeen> for Scheduler {
    type Result = ();

    fn handle(&mut self, HeartbeatSeen(id): HeartbeatSeen, context: &mut Self::Context) {
        self.schedule.heartbeat(id, Instant::now());
        self.sleep(Duration::ZERO, context);
    }
}

impl Handler<GetLateness> for Scheduler {
    type Result = MessageResult<GetLateness>;

    fn handle(&mut self, _: GetLateness, _: &mut Self::Context) -> Self::Result {
        let overdue =
            self.schedule.next_due().map(|due| Instant::now().saturating_duration_since(due));
        MessageResult(overdue.unwrap_or_default())
    }
}

impl Handler<Stop> for Scheduler {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        self.stopped = true;
        self.sleep(Duration::ZERO, context);
    }
}
