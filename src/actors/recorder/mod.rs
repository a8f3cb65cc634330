//! The recorder: every write to the store goes through it, and every query from HTTP.
//!
//! Outcomes collect in a buffer and are committed in groups; changes from the API go between the
//! groups. One write is under way at a time, so changes take effect in the order of their commits.
//! Queries are forwarded at once and never wait for writes.
//!
//! When the buffer is full and the store is slow, outcomes wait and their slots stay leased, which
//! shows as missed slots. When the store fails, new outcomes are dropped and counted, so probing
//! continues.
//!
//! Failures that a loss of the local network would explain are held for a short time before they
//! are buffered ([`self_check`]).

mod admission;
mod buffer;
mod clocks;
mod commit_window;
#[cfg(test)]
mod commit_window_scripts;
mod commits;
mod events;
mod giving_back;
mod handlers;
#[cfg(test)]
mod hole_scripts;
mod holes;
mod live;
mod observation;
mod outdated;
mod pending_clock;
mod posts;
mod publishing;
mod queued;
mod reports;
mod self_check;
mod shards;
mod store_health;
mod writes;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use actix::prelude::*;
use slog::Logger;

use crate::actors::access_registry::AccessRegistry;
use crate::actors::current_windows::CurrentWindows;
use crate::actors::last_results::LastResults;
use crate::actors::messages::instances::{GetProbedShards, LeaveShards};
use crate::actors::messages::live::LiveRecipients;
use crate::actors::messages::probing::{
    HeartbeatReceived, ProbesFinished, RestartHeartbeatWaits, ServiceChanged,
};
use crate::actors::messages::recording::{AreCanariesDead, DispatcherRecipients, TicksCommitted};
use crate::actors::messages::relaying::RelayRecipients;
use crate::actors::messages::store::{UpkeepReply, UpkeepWrite};
use crate::actors::push_keys::PushKeys;
use crate::actors::revision::Revision;
use crate::actors::runtime::{Lifeline, Runtime};
use crate::actors::self_check::decision::{SelfCheck, SelfCheckSettings};
use crate::actors::service_changes::ServiceChanges;
use crate::actors::store::WriterRecipients;
use crate::actors::store::readers::Readers;
use crate::clock;
use crate::domain::time::clock_watch::ClockWatch;
use crate::domain::time::step_back::StepBack;
use crate::domain::{Defaults, Outcome, ShardSet};
use crate::metrics::Telemetry;
use crate::storage::coordination::owned::OwnedShards;
use crate::storage::records::LoadedService;
use crate::storage::{Rescued, StoreChange};
use buffer::Buffer;
use commit_window::CommitWindow;
use events::EventPublisher;
pub use events::EventSubscriber;
use live::LivePublisher;
use observation::{Back, Observations};
use outdated::OutdatedResults;
use pending_clock::PendingClock;
use posts::Posts;
use queued::{Ack, Change, Reply};
use reports::Reports;
use store_health::StoreHealth;

/// Most changes that wait for the writer.
const CHANGES_LIMIT: usize = 256;

/// A longer time between two heartbeats is a stall. The recorder's heartbeat comes at least once a
/// second, and before each commit.
const STALL_AFTER: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Since [`Flush`](crate::actors::messages::recording::Flush): outcomes are still accepted, and
    /// groups are committed at once.
    Closing,
    /// Everything is in the store; outcomes are dropped.
    Closed,
}

/// Owns the buffer and the queue of writes.
pub struct Recorder {
    buffer: Buffer,
    commit_window: CommitWindow,
    /// Outcomes that wait for room in the buffer. Bound: one a slot, which stays leased, and one a
    /// connection.
    parked: VecDeque<(Outcome, Ack)>,
    reports: Reports,
    /// Each behind the outcome of this position, which was measured before it. Bound:
    /// [`CHANGES_LIMIT`].
    changes: VecDeque<(u64, Change)>,
    /// Bound: the upkeep sends one write at a time.
    upkeep_write: Option<(UpkeepWrite, Reply<UpkeepReply>)>,
    store: StoreHealth,
    liveness_interval: Duration,
    revision: Revision,
    /// Outcomes dropped since the store last took a write.
    dropped: usize,
    last_results: LastResults,
    push_keys: PushKeys,
    service_changes: ServiceChanges,
    windows: CurrentWindows,
    access: AccessRegistry,
    clock_watch: ClockWatch,
    pending_clock: PendingClock,
    /// Steps back since the newest commit began. Bound: as those of `pending_clock`.
    steps_since_commit: Vec<StepBack>,
    self_check: SelfCheck,
    /// Outcomes that the self-check released and the buffer has no room for. Bound: what was held.
    released: VecDeque<Outcome>,
    defaults: Defaults,
    /// The shards whose services are probed here.
    owned: OwnedShards,
    /// Those of them that are being given back: their reports go to the inbox.
    leaving: ShardSet,
    posts: Posts,
    /// This instance was ended, and what it could not commit is not discarded yet.
    is_fenced: bool,
    observations: Observations,
    outdated: OutdatedResults,
    /// Services that became observed again and are not logged yet.
    back: Back,
    /// The timer of the next decision of the self-check.
    self_check_timer: Option<SpawnHandle>,
    phase: Phase,
    /// The writer has died: the process is about to end, and nothing can be written.
    writer_died: bool,
    store_change: Option<StoreChange>,
    /// The reply to [`Flush`](crate::actors::messages::recording::Flush).
    flush: Option<Reply<Option<Rescued>>>,
    /// The timer of the next write.
    timer: Option<(Instant, SpawnHandle)>,
    links: Option<Links>,
    events: EventPublisher,
    live: LivePublisher,
    writer: WriterRecipients,
    readers: Readers,
    telemetry: Telemetry,
    log: Logger,
    lifeline: Lifeline,
}

/// The recipients that are started after the recorder.
struct Links {
    scheduler: Recipient<ServiceChanged>,
    heartbeat_waits: Recipient<RestartHeartbeatWaits>,
    leave: Recipient<LeaveShards>,
    heartbeats: Recipient<HeartbeatReceived>,
    pool: Recipient<ProbesFinished>,
    probes: Recipient<GetProbedShards>,
    canaries: Recipient<AreCanariesDead>,
    upkeep: Recipient<TicksCommitted>,
    dispatcher: DispatcherRecipients,
    /// `None` without remote write.
    relay: Option<RelayRecipients>,
}

/// Settings of the recorder.
#[derive(Debug, Clone, Copy)]
pub struct RecorderSettings {
    /// Most buffered outcomes.
    pub buffer_limit: usize,
    /// Longest wait of a result that changes no state for others to share its commit.
    pub commit_window: Duration,
    /// Without other writes the liveness mark is moved this often, which also shows that the store
    /// takes writes.
    pub liveness_interval: Duration,
    /// When the previous run ended, in unix milliseconds; `None` for a new store.
    pub stopped_at_ms: Option<i64>,
    /// Interval and timeout of services that set none.
    pub defaults: Defaults,
    pub self_check: SelfCheckSettings,
}

/// What the recorder writes to and reads from.
pub struct RecorderDeps {
    /// Incremented after each write.
    pub revision: Revision,
    pub last_results: LastResults,
    pub push_keys: PushKeys,
    pub service_changes: ServiceChanges,
    pub windows: CurrentWindows,
    pub access: AccessRegistry,
    /// Receive the events of each commit.
    pub subscribers: Vec<EventSubscriber>,
    pub live: LiveRecipients,
    pub owned: OwnedShards,
    /// Incremented by the writer with each write.
    pub written: Revision,
    pub writer: WriterRecipients,
    pub readers: Readers,
}

impl Recorder {
    /// Watches every enabled service of `services`.
    pub fn new(
        settings: RecorderSettings,
        services: &[LoadedService],
        deps: RecorderDeps,
        runtime: &Runtime,
    ) -> Self {
        let mut clock_watch = ClockWatch::new(STALL_AFTER, clock::read().into());
        if let Some(stopped_at_ms) = settings.stopped_at_ms {
            clock_watch.started(stopped_at_ms);
        }
        Self {
            buffer: Buffer::new(settings.buffer_limit),
            commit_window: CommitWindow::new(settings.commit_window),
            parked: VecDeque::new(),
            reports: Reports::default(),
            changes: VecDeque::new(),
            upkeep_write: None,
            store: StoreHealth::new(Instant::now()),
            liveness_interval: settings.liveness_interval,
            revision: deps.revision,
            dropped: 0,
            last_results: deps.last_results,
            push_keys: deps.push_keys,
            service_changes: deps.service_changes,
            windows: deps.windows,
            access: deps.access,
            clock_watch,
            pending_clock: PendingClock::default(),
            steps_since_commit: Vec::new(),
            self_check: SelfCheck::new(settings.self_check),
            released: VecDeque::new(),
            defaults: settings.defaults,
            leaving: ShardSet::EMPTY,
            posts: Posts::default(),
            is_fenced: false,
            observations: Observations::of(
                services.iter().filter(|service| deps.owned.contains(service.id)),
                &settings.defaults,
                Instant::now(),
            ),
            owned: deps.owned,
            back: Back::default(),
            outdated: OutdatedResults::default(),
            self_check_timer: None,
            phase: Phase::Open,
            writer_died: false,
            store_change: None,
            flush: None,
            timer: None,
            links: None,
            events: EventPublisher::new(deps.subscribers, runtime),
            live: LivePublisher::new(deps.live, deps.written),
            writer: deps.writer,
            readers: deps.readers,
            telemetry: runtime.telemetry.clone(),
            log: runtime.log.clone(),
            lifeline: runtime.lifeline("recorder"),
        }
    }

    /// Why the store takes no writes; `None` when it does.
    fn store_failure(&self) -> Option<String> {
        self.store.failure(Instant::now())
    }

    /// Starts the next write unless one is under way: changes first, since their clients wait, and
    /// before them the outcomes that were measured before them.
    fn start_next_write(&mut self, context: &mut Context<Self>) {
        self.discard_if_fenced();
        self.update_buffered_gauge();
        if self.store_failure().is_some() {
            self.reports.store_fails();
        }
        if self.store.is_writing() || self.writer_died {
            return;
        }
        let now = Instant::now();
        if self.phase == Phase::Closing && self.is_all_written() {
            self.close(context);
        } else if self.phase == Phase::Closed {
            // Nothing is written any more.
        } else if let Some(due) = self.store.retry_at().filter(|due| *due > now) {
            self.wake_at(due, context);
        } else if !self.pending_clock.is_empty() {
            // A change of a service is made after the stall before it, not within.
            self.commit(now, context);
        } else if self.is_change_behind_outcomes() {
            self.commit(now, context);
        } else if let Some((_, change)) = self.changes.pop_front() {
            self.write_change(change, context);
        } else if let Some((write, reply)) = self.upkeep_write.take() {
            self.write_upkeep(write, reply, context);
        } else if let Some(due) = self.next_group_due(now) {
            if due <= now {
                self.commit(now, context);
            } else {
                self.wake_at(due, context);
            }
        }
    }

    fn is_change_behind_outcomes(&self) -> bool {
        let front = self.changes.front();
        let is_behind = front.is_some_and(|(position, _)| self.buffer.finished() < *position);
        is_behind && !self.buffer.is_empty()
    }

    fn update_buffered_gauge(&self) {
        let held = self.self_check.held() + self.released.len();
        let buffered = self.buffer.len() + self.parked.len() + held;
        self.telemetry.buffered.set(buffered as i64);
    }

    fn is_all_written(&self) -> bool {
        self.buffer.is_empty()
            && self.parked.is_empty()
            && self.released.is_empty()
            && self.changes.is_empty()
            && self.pending_clock.is_empty()
    }

    /// A group is due at once while closing and while a client waits for its commit; and even
    /// without outcomes for a retry, a stall or a step of the clock.
    fn next_group_due(&self, now: Instant) -> Option<Instant> {
        let due = self.buffer.group_due(now);
        let at_once = self.store.retry_at().is_some()
            || !self.pending_clock.is_empty()
            || (due.is_some() && (self.phase == Phase::Closing || self.reports.is_waiting()));
        if at_once { Some(now) } else { due }
    }

    /// Replaces the timer of the next write.
    fn wake_at(&mut self, due: Instant, context: &mut Context<Self>) {
        match self.timer.take() {
            Some((at, timer)) if at == due => return self.timer = Some((at, timer)),
            Some((_, timer)) => drop(context.cancel_future(timer)),
            None => {}
        }
        let wait = due.saturating_duration_since(Instant::now());
        let timer = context.run_later(wait, |recorder, context| {
            recorder.timer = None;
            recorder.start_next_write(context);
        });
        self.timer = Some((due, timer));
    }

    /// Moves the liveness mark when nothing else was written, and drops parked outcomes when a
    /// write has stalled.
    fn every_second(&mut self, context: &mut Context<Self>) {
        if self.store_failure().is_some() {
            self.unpark();
        }
        let now = Instant::now();
        self.watch_clocks();
        self.check_observations();
        let is_idle = self.store.retry_at().is_none() && !self.store.is_writing();
        let is_due = self.store.since_success(now) > self.liveness_interval;
        if is_idle && is_due && self.phase == Phase::Open {
            self.commit(now, context);
        }
        self.start_next_write(context);
    }
}
