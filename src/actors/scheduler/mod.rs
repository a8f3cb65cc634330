//! The scheduler: wakes when slots are due and dispatches them to the pool.

pub mod first;
pub mod schedule;
pub mod spread;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::actors::messages::instances::LeaveShards;
use crate::actors::messages::probing::{
    ConfirmationResult, Dispatch, FirstProbe, GetLateness, HeartbeatReceived, RemoveService,
    RestartHeartbeatWaits, ReviseService, ServiceChanged, Stop,
};
use crate::actors::runtime::{Lifeline, Runtime};
use crate::actors::shared_timer::run_every;
use crate::clock;
use crate::domain::time::clock_watch::{ClockWatch, Moment};
use crate::domain::{Defaults, Missed, Service};
use crate::metrics::Telemetry;
use crate::storage::coordination::owned::OwnedShards;
use crate::storage::records::LoadedService;
use first::{First, first_probes_within};
use schedule::Schedule;
use spread::Spread;

/// Most jobs of one [`Dispatch`].
const DISPATCH_LIMIT: usize = 1_024;

/// Shortest time between two wake-ups, so that slots due close together share a batch.
const COALESCE: Duration = Duration::from_millis(2);

/// Longest sleep; a new slot wakes the scheduler anyway.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// A longer time between two heartbeats of the scheduler, which come every [`HEARTBEAT_EVERY`],
/// means that the process stood still, and that jobs could not report.
const STANDSTILL: Duration = Duration::from_secs(2);
const HEARTBEAT_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy)]
pub struct SchedulerSettings {
    pub defaults: Defaults,
    /// `RUNNER_POOL_SIZE`.
    pub pool_size: usize,
    /// How much earlier than due a probe may start together with another one.
    pub tolerance: Duration,
    /// Number of services that the grid is computed from.
    pub spread: usize,
}

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
    settings: SchedulerSettings,
    clock_watch: ClockWatch,
    telemetry: Telemetry,
    /// The timer of the next wake-up; `None` while nothing is scheduled and after [`Stop`].
    wake_up: Option<SpawnHandle>,
    stopped: bool,
    _lifeline: Lifeline,
}

impl Scheduler {
    /// Schedules every enabled service of `loaded` that this instance owns. Takes the definitions
    /// over, since copies would leave holes of their size in the heap.
    pub fn new(
        loaded: Vec<LoadedService>,
        owned: &OwnedShards,
        settings: SchedulerSettings,
        pool: PoolRecipients,
        runtime: &Runtime,
    ) -> Self {
        let mut schedule = Schedule::new(Spread::of(settings.spread), settings.tolerance);
        let now = Moment::from(clock::read());
        let is_watched =
            |loaded: &LoadedService| loaded.definition.enabled && owned.contains(loaded.id);
        let is_new = |loaded: &&LoadedService| is_watched(loaded) && loaded.last_tick.is_none();
        let new_services = loaded.iter().filter(is_new).count();
        let soon = First::Soon(first_probes_within(new_services, settings.pool_size));
        for loaded in loaded.into_iter().filter(is_watched) {
            let service = Service::new(loaded.id, loaded.definition, &settings.defaults);
            let first = if loaded.last_tick.is_some() { First::OnGrid } else { soon };
            schedule.watch(Arc::new(service), first, now);
        }
        runtime.telemetry.services.set(schedule.len() as i64);
        Self {
            schedule,
            pool,
            settings,
            clock_watch: ClockWatch::new(STANDSTILL, now),
            telemetry: runtime.telemetry.clone(),
            wake_up: None,
            stopped: false,
            _lifeline: runtime.lifeline("scheduler"),
        }
    }

    /// The wait for heartbeats begins anew after a standstill or a suspend, which looks like a
    /// clock that was set forward. Called before a dispatch, so that no heartbeat is late for it.
    fn watch_clocks(&mut self) {
        let change = self.clock_watch.heartbeat(clock::read().into());
        if change.unobserved.is_some() {
            self.schedule.restart_heartbeat_waits(Instant::now());
        }
    }

    fn dispatch_due(&mut self) {
        fail::fail_point!("scheduler");
        self.watch_clocks();
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

impl Actor for Scheduler {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.schedule.begin(Instant::now());
        self.sleep_until_due(Duration::ZERO, context);
        run_every(HEARTBEAT_EVERY, context, |scheduler, _| scheduler.watch_clocks());
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
                let defaults = &self.settings.defaults;
                let service = Arc::new(
                    Service::new(change.id, definition, defaults).at_revision(change.revision),
                );
                let now = Moment::from(clock::read());
                if self.schedule.revise(Arc::clone(&service), now) {
                    self.pool.revise.do_send(ReviseService { service });
                } else {
                    let pool_size = self.settings.pool_size;
                    let first = match change.first {
                        FirstProbe::Now => First::Now,
                        FirstProbe::Spread(new) => First::Soon(first_probes_within(new, pool_size)),
                        FirstProbe::After(newest_ms) => First::After(newest_ms),
                    };
                    self.schedule.watch(service, first, now);
                }
            }
        }
        self.telemetry.services.set(self.schedule.len() as i64);
        self.sleep_until_due(Duration::ZERO, context);
    }
}

impl Handler<LeaveShards> for Scheduler {
    type Result = ();

    fn handle(&mut self, LeaveShards(shards): LeaveShards, context: &mut Self::Context) {
        for id in self.schedule.unwatch_shards(&shards) {
            self.pool.remove.do_send(RemoveService { id });
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

impl Handler<RestartHeartbeatWaits> for Scheduler {
    type Result = ();

    fn handle(&mut self, _: RestartHeartbeatWaits, context: &mut Self::Context) {
        self.schedule.restart_heartbeat_waits(Instant::now());
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
