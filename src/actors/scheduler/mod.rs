//! The scheduler: wakes when slots are due and dispatches them to the pool.

pub mod schedule;
pub mod spread;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::actors::messages::probing::{
    ConfirmationResult, Dispatch, GetLateness, HeartbeatReceived, RemoveService, ReviseService,
    ServiceChanged, Stop,
};
use crate::actors::runtime::{Lifeline, Runtime};
use crate::clock::unix_ms;
use crate::domain::{Defaults, Kind, Missed, Service};
use crate::metrics::Telemetry;
use crate::storage::records::LoadedService;
use schedule::{First, Now, Schedule};
use spread::Spread;

/// Most jobs of one [`Dispatch`].
const DISPATCH_LIMIT: usize = 1_024;

/// Shortest time between two wake-ups, so that slots due close together share a batch.
const COALESCE: Duration = Duration::from_millis(2);

/// Longest sleep; a new slot wakes the scheduler anyway.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// The pool, by the messages that the scheduler sends.
pub struct PoolRecipients {
    pub dispatch: Recipient<Dispatch>,
    pub revise: Recipient<ReviseService>,
    pub remove: Recipient<RemoveService>,
}

/// Owns the schedule.
pub struct Scheduler {
    schedule: Schedule,
    pool: PoolRecipients,
    defaults: Defaults,
    telemetry: Telemetry,
    /// The timer of the next wake-up; `None` while nothing is scheduled and after [`Stop`].
    wake_up: Option<SpawnHandle>,
    stopped: bool,
    _lifeline: Lifeline,
}

impl Scheduler {
    /// Schedules every enabled service of `loaded`.
    pub fn new(
        loaded: Vec<LoadedService>,
        defaults: Defaults,
        pool: PoolRecipients,
        runtime: &Runtime,
    ) -> Self {
        let mut schedule = Schedule::new(Spread::of(loaded.len()));
        let now = now();
        for loaded in loaded.into_iter().filter(|loaded| loaded.definition.enabled) {
            let last_report = loaded.last_tick.unwrap_or(loaded.created_at);
            let service = Service::new(loaded.id, loaded.definition, &defaults);
            let first = match (service.target.kind(), loaded.last_tick) {
                (Kind::Push, _) => First::AfterSilence { since_ms: last_report * 1_000 },
                (_, Some(_)) => First::OnGrid,
                (_, None) => First::Soon,
            };
            schedule.watch(Arc::new(service), first, now);
        }
        runtime.telemetry.services.set(schedule.len() as i64);
        Self {
            schedule,
            pool,
            defaults,
            telemetry: runtime.telemetry.clone(),
            wake_up: None,
            stopped: false,
            _lifeline: runtime.lifeline("scheduler"),
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
            self.pool.dispatch.do_send(Dispatch { jobs });
        }
    }

    /// Sets the one timer to the next due time.
    fn sleep_until_due(&mut self, least: Duration, context: &mut Context<Self>) {
        if let Some(handle) = self.wake_up.take() {
            context.cancel_future(handle);
        }
        if self.stopped {
            return;
        }
        let Some(due) = self.schedule.next_due() else { return };
        let wait = due.saturating_duration_since(Instant::now()).clamp(least, LONGEST_SLEEP);
        self.wake_up = Some(context.run_later(wait, |scheduler, context| {
            scheduler.dispatch_due();
            scheduler.sleep_until_due(COALESCE, context);
        }));
    }
}

fn now() -> Now {
    Now { instant: Instant::now(), wall_ms: unix_ms() }
}

impl Actor for Scheduler {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.sleep_until_due(Duration::ZERO, context);
    }
}

impl Handler<ServiceChanged> for Scheduler {
    type Result = ();

    fn handle(&mut self, change: ServiceChanged, context: &mut Self::Context) {
        match change.definition.filter(|definition| definition.enabled) {
            None => {
                self.schedule.unwatch(change.id);
                self.pool.remove.do_send(RemoveService { id: change.id });
            }
            Some(definition) => {
                let service = Arc::new(Service::new(change.id, definition, &self.defaults));
                if self.schedule.revise(Arc::clone(&service), now()) {
                    self.pool.revise.do_send(ReviseService { service });
                } else {
                    let first = if change.on_demand { First::Now } else { First::Soon };
                    self.schedule.watch(service, first, now());
                }
            }
        }
        self.telemetry.services.set(self.schedule.len() as i64);
        self.sleep_until_due(Duration::ZERO, context);
    }
}

impl Handler<ConfirmationResult> for Scheduler {
    type Result = ();

    fn handle(&mut self, result: ConfirmationResult, context: &mut Self::Context) {
        self.schedule.confirm(result.id, result.is_up, Instant::now());
        self.sleep_until_due(Duration::ZERO, context);
    }
}

impl Handler<HeartbeatReceived> for Scheduler {
    type Result = ();

    fn handle(&mut self, HeartbeatReceived(id): HeartbeatReceived, context: &mut Self::Context) {
        self.schedule.heartbeat(id, Instant::now());
        self.sleep_until_due(Duration::ZERO, context);
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
        self.sleep_until_due(Duration::ZERO, context);
    }
}
