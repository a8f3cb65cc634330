//! The recorder: everything that is written or read goes through it.
//!
//! Outcomes gather in a buffer and are committed in groups; changes from the API go between the groups; one write is
//! under way at a time, so changes take effect in the order in which they were committed. Reads are forwarded at once
//! and never queue behind writes.
//!
//! When the buffer is full, a store that is merely slow makes the probers wait, which shows as missed slots; a store
//! that fails makes new outcomes be dropped and counted, so that probing goes on.
//!
//! What an outage of our own network would look like is held for a moment before it is kept (`network`). What is kept is sealed
//! and taken away in time (`history`).

mod admission;
mod handlers;
mod history;
mod network;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use slog::{Logger, error, info};
use tokio::sync::oneshot;

use super::Lifeline;
use super::told;
use crate::actors::beats::{Beats, Standstill};
use crate::actors::board::Board;
use crate::actors::buffer::Buffer;
use crate::actors::health::StoreHealth;
use crate::actors::outage::{Outage, OutageRules};
use crate::actors::pool::Finished;
use crate::actors::reader::Reader;
use crate::actors::revision::Revision;
use crate::actors::scheduler::ServiceChanged;
use crate::actors::sentinel::Sentinel;
use crate::actors::upkeep::{Upkeep, UpkeepRules};
use crate::actors::writer::{ApplyFile, Close, Commit, MakeChange, NotCommitted, Writer};
use crate::domain::{Definition, Outcome, ServiceId};
use crate::metrics::{Fate, Telemetry};
use crate::services_file::{Entry, FileApplied, FileError};
use crate::storage::StorageError;
use crate::storage::ledger::Committed;
use crate::storage::writer::{Applied, Change};
pub use admission::Admission;
use admission::Waiter;
pub use handlers::{Flush, GetResults, GetTrouble, Probed, RecordOutcome, Subscribe};
use history::Duty;

/// Most changes that wait for the writer.
const CHANGES_LIMIT: usize = 256;
/// Most reads under way.
const READS_LIMIT: usize = 256;
/// Without other writes, the liveness mark is moved this often: so we know that the store takes writes.
const LIVENESS_EVERY: Duration = Duration::from_secs(5);

/// `/metrics` is told how much there is this often.
const COUNT_EVERY: Duration = Duration::from_secs(60);

/// Pause between tries while the recorder closes.
const CLOSING_RETRY: Duration = Duration::from_millis(100);

/// How far the recorder is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// At work.
    Open,
    /// Since [`Flush`]: what comes is still taken, and groups go without waiting.
    Closing,
    /// Everything is in the store, and nothing is taken any more.
    Closed,
}

type Reply<T> = oneshot::Sender<T>;

/// A write that somebody waits for.
enum Task {
    /// One change, from HTTP.
    Change(Change, Reply<Result<Applied, StorageError>>),
    /// A whole services file, from the app.
    File(Arc<[Entry]>, Reply<Result<FileApplied, FileError>>),
}

impl Task {
    /// Tells who waits that nothing came of it.
    fn give_up(self, why: &StorageError) {
        // Who has gone does not hear it.
        match self {
            Self::Change(_, reply) => drop(reply.send(Err(why.clone()))),
            Self::File(_, reply) => drop(reply.send(Err(FileError::Store(why.clone())))),
        }
    }
}

/// Owns the buffer, the queue of changes and the board of last results.
pub struct Recorder {
    buffer: Buffer,
    /// Outcomes for which there was no room, and who waits for it. Bound: one a slot, which stays taken, and one a connection.
    parked: VecDeque<(Outcome, Waiter)>,
    /// Bound: [`CHANGES_LIMIT`].
    changes: VecDeque<Task>,
    /// Reads under way. Bound: [`READS_LIMIT`].
    reads: usize,
    store: StoreHealth,
    /// Moves with each write.
    revision: Revision,
    /// Outcomes that were dropped since the store last took a write.
    dropped: usize,
    board: Board,
    upkeep: Upkeep,
    /// What the upkeep has for the writer.
    duty: Option<Duty>,
    /// Notices when this process stood still.
    beats: Beats,
    /// When it did, until that is in the store.
    stood_still: Option<Standstill>,
    /// When `/metrics` was last told how much there is.
    counted_at: Option<Instant>,
    outage: Outage,
    /// What the outage let go and the buffer has no room for yet. Bound: what it had held.
    released: VecDeque<Outcome>,
    /// The timer of the next decision on our own network; one at a time.
    network_timer: Option<SpawnHandle>,
    phase: Phase,
    /// Whether the writer has died; the process is about to end, and nothing can be written any more.
    writer_gone: bool,
    /// Who waits until everything is in the store.
    flush: Option<Reply<()>>,
    /// The timer of the next group; one at a time.
    timer: Option<(Instant, SpawnHandle)>,
    scheduler: Option<Recipient<ServiceChanged>>,
    pool: Option<Recipient<Finished>>,
    sentinel: Option<Addr<Sentinel>>,
    writer: Addr<Writer>,
    reader: Addr<Reader>,
    keeper: Addr<Reader>,
    telemetry: Telemetry,
    log: Logger,
    _lifeline: Lifeline,
}

/// Those who do the recorder's work on the store.
pub struct Hands {
    /// Writes.
    pub writer: Addr<Writer>,
    /// Reads what is asked.
    pub reader: Addr<Reader>,
    /// Reads what the upkeep needs, which may take a while.
    pub keeper: Addr<Reader>,
}

/// What the recorder goes by, and what it tells by.
pub struct Rules {
    /// Moved with each write.
    pub revision: Revision,
    /// Most outcomes it keeps.
    pub buffer_limit: usize,
    /// When our own network is gone.
    pub outage: OutageRules,
    /// When ticks are sealed, and what goes.
    pub upkeep: UpkeepRules,
}

impl Recorder {
    /// A recorder that goes by `rules`, tells of the services on `board` and works on the store by its `hands`.
    pub fn new(
        rules: &Rules,
        board: Board,
        hands: Hands,
        telemetry: Telemetry,
        log: Logger,
        lifeline: Lifeline,
    ) -> Self {
        Self {
            buffer: Buffer::new(rules.buffer_limit),
            parked: VecDeque::new(),
            changes: VecDeque::new(),
            reads: 0,
            store: StoreHealth::new(Instant::now()),
            revision: rules.revision.clone(),
            dropped: 0,
            board,
            upkeep: Upkeep::new(rules.upkeep, Instant::now()),
            duty: None,
            beats: Beats::default(),
            stood_still: None,
            counted_at: None,
            outage: Outage::new(rules.outage),
            released: VecDeque::new(),
            network_timer: None,
            phase: Phase::Open,
            writer_gone: false,
            flush: None,
            timer: None,
            scheduler: None,
            pool: None,
            sentinel: None,
            writer: hands.writer,
            reader: hands.reader,
            keeper: hands.keeper,
            telemetry,
            log,
            _lifeline: lifeline,
        }
    }

    /// A write is over. It may have been kept even if it failed, so answers of before are not to be believed.
    fn written(&mut self) {
        self.store.end();
        self.revision.move_on();
    }

    fn trouble(&self) -> Option<String> {
        self.store.trouble(Instant::now())
    }

    /// Starts the next write, if there is one and none is under way: changes first, since somebody waits for them.
    fn pump(&mut self, context: &mut Context<Self>) {
        let held = self.buffer.len() + self.parked.len() + self.outage.len() + self.released.len();
        self.telemetry.buffered.set(held as i64);
        if self.store.is_writing() || self.writer_gone {
            return;
        }
        let now = Instant::now();
        let nothing_left = self.buffer.is_empty()
            && self.parked.is_empty()
            && self.released.is_empty()
            && self.changes.is_empty()
            && self.stood_still.is_none();
        if nothing_left && self.phase == Phase::Closing {
            self.close(context);
        } else if let Some(due) = self.store.retry_at().filter(|due| *due > now) {
            self.wake_at(due, context);
        } else if let Some(task) = self.changes.pop_front() {
            match task {
                Task::Change(change, reply) => self.make_change(change, reply, context),
                Task::File(entries, reply) => self.apply_file(entries, reply, context),
            }
        } else if let Some(duty) = self.duty.take_if(|_| self.phase == Phase::Open) {
            self.do_duty(duty, context);
        } else if let Some(due) = self.next_group(now) {
            if due <= now {
                self.commit(now, context);
            } else {
                self.wake_at(due, context);
            }
        }
    }

    /// When the next group is to go: at once while closing, and even if it is empty when a retry is due or a gap is to be noted.
    fn next_group(&self, now: Instant) -> Option<Instant> {
        let due = self.buffer.group_due();
        let at_once = self.store.retry_at().is_some()
            || self.stood_still.is_some()
            || (due.is_some() && self.phase == Phase::Closing);
        if at_once { Some(now) } else { due }
    }

    /// Sets the one timer, in place of the one that is set.
    fn wake_at(&mut self, due: Instant, context: &mut Context<Self>) {
        match self.timer.take() {
            Some((at, timer)) if at == due => return self.timer = Some((at, timer)),
            Some((_, timer)) => drop(context.cancel_future(timer)),
            None => {}
        }
        let wait = due.saturating_duration_since(Instant::now());
        let timer = context.run_later(wait, |recorder, context| {
            recorder.timer = None;
            recorder.pump(context);
        });
        self.timer = Some((due, timer));
    }

    fn commit(&mut self, now: Instant, context: &mut Context<Self>) {
        self.notice_standstill();
        let group = self.buffer.take_group(now);
        self.store.begin(now);
        let stood_still = self.stood_still;
        let commit = self.writer.send(Commit { group, stood_still }).into_actor(self);
        context.spawn(commit.map(move |done, recorder, context| {
            let Ok(done) = done else { return recorder.writer_died() };
            recorder.written();
            recorder.committed(&done.committed, now.elapsed());
            match done.failed {
                None => {
                    recorder.buffer.group_done();
                    recorder.gap_noted(stood_still, done.gap);
                    recorder.takes_writes();
                }
                Some(NotCommitted { group, why }) => {
                    recorder.buffer.put_back(group, Instant::now());
                    recorder.telemetry.commit_failures.inc();
                    recorder.fails(why);
                }
            }
            recorder.upkeep.note(done.fresh, Instant::now());
            recorder.unpark();
            recorder.look_after_history(context);
            recorder.pump(context);
        }));
    }

    fn committed(&mut self, committed: &Committed, took: Duration) {
        if committed.recorded > 0 {
            self.telemetry.commit_size.observe(committed.recorded as f64);
            self.telemetry.commit_duration.observe(took.as_secs_f64());
        }
        self.telemetry.outcomes(Fate::Recorded, committed.recorded);
        self.telemetry.outcomes(Fate::Orphaned, committed.orphaned);
        self.telemetry.outcomes(Fate::Dropped, committed.refused.len());
        for (service_id, why) in &committed.refused {
            error!(self.log, "an outcome contradicts the store and was dropped";
                "service_id" => service_id.get(), "error" => why);
        }
        for began in &committed.began {
            let name = self.board.name(began.service_id).unwrap_or_default();
            told::event(&self.log, name, began);
        }
    }

    /// Its lifeline has told the app already; nobody is to wait for it.
    fn writer_died(&mut self) {
        self.writer_gone = true;
        self.flush = None;
        self.changes.clear();
    }

    fn takes_writes(&mut self) {
        let healed = self.store.succeeded(Instant::now());
        if healed || self.dropped > 0 {
            info!(self.log, "the store takes writes again";
                "kept" => self.buffer.len(), "dropped" => self.dropped);
        }
        self.dropped = 0;
    }

    fn fails(&mut self, why: String) {
        // Who waits for a change is told now: carried out later, it would surprise a client that has given up.
        for task in self.changes.drain(..) {
            task.give_up(&StorageError::Unavailable(why.clone()));
        }
        let told = why.clone();
        if self.store.failed(why, Instant::now()) {
            error!(self.log, "the store takes no writes; outcomes are kept in memory"; "error" => told);
        }
        if self.phase == Phase::Closing {
            self.store.hurry(Instant::now() + CLOSING_RETRY);
        }
    }

    fn make_change(
        &mut self,
        change: Change,
        reply: Reply<Result<Applied, StorageError>>,
        context: &mut Context<Self>,
    ) {
        self.store.begin(Instant::now());
        let write = self.writer.send(MakeChange(change)).into_actor(self);
        context.spawn(write.map(move |done, recorder, context| {
            let Ok(done) = done else { return recorder.writer_died() };
            recorder.written();
            match &done {
                Ok(applied) => recorder.applied(applied),
                Err(StorageError::Unavailable(why)) => recorder.fails(why.clone()),
                Err(_) => {}
            }
            // The client may have gone; what was done is done.
            let _ = reply.send(done);
            recorder.pump(context);
        }));
    }

    fn applied(&mut self, applied: &Applied) {
        self.takes_writes();
        let definition = applied.record.as_ref().map(|record| record.definition.clone());
        self.changed(applied.id, definition, true);
    }

    fn apply_file(
        &mut self,
        entries: Arc<[Entry]>,
        reply: Reply<Result<FileApplied, FileError>>,
        context: &mut Context<Self>,
    ) {
        self.store.begin(Instant::now());
        let write = self.writer.send(ApplyFile(entries)).into_actor(self);
        context.spawn(write.map(move |done, recorder, context| {
            let Ok(done) = done else { return recorder.writer_died() };
            recorder.written();
            match &done {
                Ok(applied) => {
                    recorder.takes_writes();
                    for (id, definition) in &applied.services {
                        recorder.changed(*id, definition.clone(), false);
                    }
                }
                Err(FileError::Store(StorageError::Unavailable(why))) => {
                    recorder.fails(why.clone());
                }
                Err(_) => {}
            }
            let _ = reply.send(done);
            recorder.pump(context);
        }));
    }

    /// Tells the board and the scheduler how a service is defined now; `on_demand` when somebody waits for its first probe.
    fn changed(&mut self, id: ServiceId, definition: Option<Definition>, on_demand: bool) {
        match &definition {
            Some(definition) if definition.enabled => self.board.watch(id, definition),
            _ => self.board.unwatch(id),
        }
        if let Some(scheduler) = &self.scheduler {
            scheduler.do_send(ServiceChanged { id, definition, on_demand });
        }
    }

    /// Queues a write that somebody waits for; without room or a store, that one is told at once.
    fn queue(&mut self, task: Task, context: &mut Context<Self>) {
        if let Some(why) = self.trouble() {
            task.give_up(&StorageError::Unavailable(why));
        } else if self.phase != Phase::Open || self.writer_gone {
            task.give_up(&StorageError::Unavailable("it is being closed".into()));
        } else if self.changes.len() >= CHANGES_LIMIT {
            task.give_up(&StorageError::Busy);
        } else {
            self.changes.push_back(task);
            self.pump(context);
        }
    }

    fn close(&mut self, context: &mut Context<Self>) {
        self.phase = Phase::Closed;
        let reply = self.flush.take();
        let close = self.writer.send(Close).into_actor(self);
        context.spawn(close.map(move |_, _, _| {
            // An app that no longer waits has given up the grace period.
            let _ = reply.map(|reply| reply.send(()));
        }));
    }

    /// Once a second: moves the liveness mark when nothing else was written, and ends the wait of those who wait for a
    /// store that has stalled.
    fn keep_house(&mut self, context: &mut Context<Self>) {
        if self.trouble().is_some() {
            self.unpark();
        }
        let now = Instant::now();
        self.notice_standstill();
        let is_idle = self.store.retry_at().is_none() && !self.store.is_writing();
        if is_idle && self.phase == Phase::Open && self.store.quiet_for(now) > LIVENESS_EVERY {
            self.commit(now, context);
        }
        self.look_after_history(context);
        if self.counted_at.is_none_or(|at| now >= at + COUNT_EVERY) {
            self.counted_at = Some(now);
            self.count_history(context);
        }
        self.pump(context);
    }
}
