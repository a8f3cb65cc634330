//! The recorder: everything that is written or read goes through it.
//!
//! Outcomes gather in a buffer and are committed in groups; changes from the API go between the groups; one write is
//! under way at a time, so changes take effect in the order in which they were committed. Reads are forwarded at once
//! and never queue behind writes.
//!
//! When the buffer is full, a store that is merely slow makes the probers wait, which shows as missed slots; a store
//! that fails makes new outcomes be dropped and counted, so that probing goes on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use slog::{Logger, error, info, warn};
use tokio::sync::oneshot;

use super::Lifeline;
use super::board::Board;
use super::buffer::Buffer;
use super::reader::{Ask, Reader};
use super::scheduler::ServiceChanged;
use super::writer::{Close, Commit, MakeChange, NotCommitted, Writer};
use crate::domain::{Outcome, Service, State};
use crate::storage::StorageError;
use crate::storage::ledger::{Began, Committed};
use crate::storage::reader::Query;
use crate::storage::writer::{Applied, Change};
use crate::telemetry::{Fate, LastResult, Telemetry};

/// Most changes that wait for the writer.
const CHANGES_LIMIT: usize = 256;
/// Most reads under way.
const READS_LIMIT: usize = 256;
/// A write that takes longer than this counts as a store that fails.
const STALL_AFTER: Duration = Duration::from_secs(5);
/// Without other writes, the liveness mark is moved this often: so we know that the store takes writes.
const LIVENESS_EVERY: Duration = Duration::from_secs(5);
/// First and longest pause after a write that failed; each failure doubles it.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Whether the store takes writes.
#[derive(Debug)]
enum Store {
    /// It did, last at `since`.
    Takes { since: Instant },
    /// It does not; the next try is at `retry_at`.
    Fails { why: String, pause: Duration, retry_at: Instant, dropped: usize },
}

type Reply<T> = oneshot::Sender<T>;

/// Owns the buffer, the queue of changes and the board of last results.
pub struct Recorder {
    buffer: Buffer,
    /// Outcomes for which there was no room. Bound: one a prober, since a prober waits for the answer.
    parked: VecDeque<(Outcome, Reply<Admission>)>,
    /// Bound: [`CHANGES_LIMIT`].
    changes: VecDeque<(Change, Reply<Result<Applied, StorageError>>)>,
    /// Reads under way. Bound: [`READS_LIMIT`].
    reads: usize,
    /// Since when a write is under way.
    writing: Option<Instant>,
    store: Store,
    board: Board,
    /// Set by [`Flush`]: nothing new is taken, and groups go without waiting.
    closing: bool,
    /// Who waits until everything is in the store.
    flush: Option<Reply<()>>,
    /// The timer of the next group; one at a time.
    timer: Option<SpawnHandle>,
    subscriber: Option<Recipient<ServiceChanged>>,
    writer: Addr<Writer>,
    reader: Addr<Reader>,
    telemetry: Telemetry,
    log: Logger,
    _lifeline: Lifeline,
}

impl Recorder {
    /// A recorder that keeps at most `buffer_limit` outcomes, tells of the services on `board` and writes through
    /// `writer`.
    pub fn new(
        buffer_limit: usize,
        board: Board,
        writer: Addr<Writer>,
        reader: Addr<Reader>,
        telemetry: Telemetry,
        log: Logger,
        lifeline: Lifeline,
    ) -> Self {
        Self {
            buffer: Buffer::new(buffer_limit),
            parked: VecDeque::new(),
            changes: VecDeque::new(),
            reads: 0,
            writing: None,
            store: Store::Takes { since: Instant::now() },
            board,
            closing: false,
            flush: None,
            timer: None,
            subscriber: None,
            writer,
            reader,
            telemetry,
            log,
            _lifeline: lifeline,
        }
    }

    /// Why the store is not to be relied on now, if so.
    fn trouble(&self) -> Option<String> {
        match (&self.store, self.writing) {
            (Store::Fails { why, .. }, _) => Some(why.clone()),
            (Store::Takes { .. }, Some(since)) if since.elapsed() > STALL_AFTER => {
                Some(format!("a write takes {} s already", since.elapsed().as_secs()))
            }
            _ => None,
        }
    }

    /// Starts the next write, if there is one and none is under way: changes first, since somebody waits for them.
    fn pump(&mut self, context: &mut Context<Self>) {
        self.telemetry.buffered.set(self.buffer.len() as i64);
        if self.writing.is_some() {
            return;
        }
        let now = Instant::now();
        if let Some(due) = self.retry_at().filter(|due| *due > now) {
            self.wake_at(due, context);
        } else if let Some((change, reply)) = self.changes.pop_front() {
            self.make_change(change, reply, context);
        } else if let Some(due) = self.next_group(now) {
            if due <= now {
                self.commit(now, context);
            } else {
                self.wake_at(due, context);
            }
        } else if let Some(reply) = self.flush.take() {
            self.close(reply, context);
        }
    }

    fn retry_at(&self) -> Option<Instant> {
        match self.store {
            Store::Takes { .. } => None,
            Store::Fails { retry_at, .. } => Some(retry_at),
        }
    }

    /// When the next group is to go: at once while flushing or when a retry is due.
    fn next_group(&self, now: Instant) -> Option<Instant> {
        let hurry = self.closing || self.retry_at().is_some();
        match self.buffer.group_due() {
            Some(_) if hurry => Some(now),
            None if self.retry_at().is_some() => Some(now),
            due => due,
        }
    }

    fn wake_at(&mut self, due: Instant, context: &mut Context<Self>) {
        if self.timer.is_none() {
            let wait = due.saturating_duration_since(Instant::now());
            self.timer = Some(context.run_later(wait, |recorder, context| {
                recorder.timer = None;
                recorder.pump(context);
            }));
        }
    }

    fn commit(&mut self, now: Instant, context: &mut Context<Self>) {
        let group = self.buffer.take_group(now);
        let size = group.len();
        self.writing = Some(now);
        let commit = self.writer.send(Commit { group }).into_actor(self);
        context.spawn(commit.map(move |done, recorder, context| {
            // A writer that died has told the app already, and the process ends.
            let Ok(done) = done else { return };
            recorder.writing = None;
            match done {
                Ok(committed) => recorder.committed(&committed, size, now.elapsed()),
                Err(NotCommitted { group, error }) => recorder.not_committed(group, error),
            }
            recorder.unpark();
            recorder.pump(context);
        }));
    }

    fn committed(&mut self, committed: &Committed, size: usize, took: Duration) {
        self.takes_writes();
        self.buffer.group_done();
        if size > 0 {
            self.telemetry.commit_size.observe(size as f64);
            self.telemetry.commit_duration.observe(took.as_secs_f64());
        }
        self.telemetry.outcomes(Fate::Recorded, committed.recorded);
        self.telemetry.outcomes(Fate::Orphaned, committed.orphaned);
        for began in &committed.began {
            self.tell_event(began);
        }
    }

    fn not_committed(&mut self, group: Vec<Outcome>, error: StorageError) {
        self.telemetry.commit_failures.inc();
        if let StorageError::Unavailable(why) = error {
            self.buffer.put_back(group, Instant::now());
            self.fails(why);
        } else {
            // Trying again cannot help: the rows contradict what is there.
            error!(self.log, "outcomes cannot be recorded"; "count" => group.len(), "error" => %error);
            self.telemetry.outcomes(Fate::Dropped, group.len());
            self.buffer.group_done();
        }
    }

    fn takes_writes(&mut self) {
        if let Store::Fails { dropped, .. } = self.store {
            info!(self.log, "the store takes writes again";
                "kept" => self.buffer.len(), "dropped" => dropped);
        }
        self.store = Store::Takes { since: Instant::now() };
    }

    fn fails(&mut self, why: String) {
        let now = Instant::now();
        match &mut self.store {
            Store::Fails { why: last, pause, retry_at, .. } => {
                *pause = (*pause * 2).min(RETRY_AFTER.1);
                *retry_at = now + *pause;
                *last = why;
            }
            Store::Takes { .. } => {
                error!(self.log, "the store takes no writes; outcomes are kept in memory"; "error" => &why);
                let pause = RETRY_AFTER.0;
                self.store = Store::Fails { why, pause, retry_at: now + pause, dropped: 0 };
            }
        }
    }

    /// Lets those in for whom there is room now; turns the others away when the store fails.
    fn unpark(&mut self) {
        let failing = self.trouble().is_some();
        while self.buffer.has_room() || failing {
            let Some((outcome, reply)) = self.parked.pop_front() else { return };
            // A prober that no longer waits has died; its outcome counts all the same.
            let _ = reply.send(self.admit_or_drop(outcome));
        }
    }

    fn admit_or_drop(&mut self, outcome: Outcome) -> Admission {
        if self.buffer.has_room() && !self.closing {
            self.buffer.admit(outcome, Instant::now());
            return Admission::Kept;
        }
        self.telemetry.outcomes(Fate::Dropped, 1);
        if let Store::Fails { dropped, .. } = &mut self.store {
            if *dropped == 0 {
                error!(self.log, "the buffer is full; outcomes are dropped until the store takes writes again";
                    "kept" => self.buffer.len());
            }
            *dropped += 1;
        }
        Admission::Dropped
    }

    fn make_change(
        &mut self,
        change: Change,
        reply: Reply<Result<Applied, StorageError>>,
        context: &mut Context<Self>,
    ) {
        self.writing = Some(Instant::now());
        let write = self.writer.send(MakeChange(change)).into_actor(self);
        context.spawn(write.map(move |done, recorder, context| {
            let Ok(done) = done else { return };
            recorder.writing = None;
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
        match &definition {
            Some(definition) if definition.enabled => self.board.watch(applied.id),
            _ => self.board.unwatch(applied.id),
        }
        if let Some(scheduler) = &self.subscriber {
            scheduler.do_send(ServiceChanged { id: applied.id, definition });
        }
    }

    fn close(&mut self, reply: Reply<()>, context: &mut Context<Self>) {
        self.writing = Some(Instant::now());
        let close = self.writer.send(Close).into_actor(self);
        context.spawn(close.map(move |_, _, _| {
            let _ = reply.send(());
        }));
    }

    fn tell_event(&self, began: &Began) {
        let id = began.service_id;
        let name = self.board.name(id).unwrap_or_default();
        let failure = began.failure.as_ref();
        match began.state {
            State::Up => {
                let told = if began.first { "service is up" } else { "service came up" };
                info!(self.log, "{}", told; "service_id" => id.get(), "name" => name);
            }
            State::Down => {
                let told = if began.first { "service is down" } else { "service went down" };
                let reason = failure.map_or("", |failure| failure.reason.as_str());
                let detail = failure.map_or("", |failure| failure.detail.as_str());
                warn!(self.log, "{}", told; "service_id" => id.get(), "name" => name,
                    "reason" => reason, "detail" => detail);
            }
        }
    }

    /// Once a second: moves the liveness mark when nothing else was written, and ends the wait of those who wait for a
    /// store that has stalled.
    fn keep_house(&mut self, context: &mut Context<Self>) {
        if self.trouble().is_some() {
            self.unpark();
        }
        let idle = matches!(self.store, Store::Takes { since } if since.elapsed() > LIVENESS_EVERY);
        if idle && self.writing.is_none() && !self.closing {
            self.commit(Instant::now(), context);
        }
        self.pump(context);
    }
}

/// Command from a prober, which waits for the answer before it takes another job. Never lost while the recorder lives.
#[derive(Debug, Message)]
#[rtype(result = "Admission")]
pub struct RecordOutcome {
    /// The service as it was probed.
    pub service: Arc<Service>,
    /// Up or down; never a fault of ours.
    pub outcome: Outcome,
}

/// Whether an outcome was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is in the buffer, and will be in the store unless the process is killed.
    Kept,
    /// It was counted and dropped: the store fails and the buffer is full, or the store is being closed.
    Dropped,
}

/// Query from HTTP: the last result of each service.
#[derive(Debug, Message)]
#[rtype(result = "Vec<LastResult>")]
pub struct GetResults;

/// Query from HTTP: why the store takes no writes, or `None` when it does.
#[derive(Debug, Message)]
#[rtype(result = "Option<String>")]
pub struct GetTrouble;

/// Command from the app at start: whom to tell of changed services.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Subscribe(pub Recipient<ServiceChanged>);

/// Command from the app at the end: write everything and close the store. The reply means that it is done.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), oneshot::error::RecvError>")]
pub struct Flush;

impl Actor for Recorder {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(Duration::from_secs(1), Self::keep_house);
    }
}

impl Handler<RecordOutcome> for Recorder {
    type Result = Response<Admission>;

    fn handle(&mut self, record: RecordOutcome, context: &mut Self::Context) -> Self::Result {
        fail::fail_point!("recorder");
        self.board.note(record.service, &record.outcome);
        if self.buffer.has_room() || self.closing || self.trouble().is_some() {
            let admission = self.admit_or_drop(record.outcome);
            self.pump(context);
            return Response::reply(admission);
        }
        let (reply, admitted) = oneshot::channel();
        self.parked.push_back((record.outcome, reply));
        Response::fut(async move { admitted.await.unwrap_or(Admission::Dropped) })
    }
}

impl Handler<MakeChange> for Recorder {
    type Result = Response<Result<Applied, StorageError>>;

    fn handle(
        &mut self,
        MakeChange(change): MakeChange,
        context: &mut Self::Context,
    ) -> Self::Result {
        if let Some(why) = self.trouble() {
            return Response::reply(Err(StorageError::Unavailable(why)));
        }
        if self.changes.len() >= CHANGES_LIMIT || self.closing {
            return Response::reply(Err(StorageError::Busy));
        }
        let (reply, made) = oneshot::channel();
        self.changes.push_back((change, reply));
        self.pump(context);
        Response::fut(async move { made.await.unwrap_or(Err(StorageError::Busy)) })
    }
}

impl<Q: Query> Handler<Ask<Q>> for Recorder {
    type Result = ResponseActFuture<Self, Result<Q::Answer, StorageError>>;

    fn handle(&mut self, ask: Ask<Q>, _: &mut Self::Context) -> Self::Result {
        if self.reads >= READS_LIMIT {
            return Box::pin(async { Err(StorageError::Busy) }.into_actor(self));
        }
        self.reads += 1;
        let answer = self.reader.send(ask).into_actor(self);
        Box::pin(answer.map(|answer, recorder: &mut Self, _| {
            recorder.reads -= 1;
            answer.unwrap_or_else(|_| Err(StorageError::Unavailable("the reader has died".into())))
        }))
    }
}

impl Handler<GetResults> for Recorder {
    type Result = MessageResult<GetResults>;

    fn handle(&mut self, _: GetResults, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.board.all())
    }
}

impl Handler<GetTrouble> for Recorder {
    type Result = MessageResult<GetTrouble>;

    fn handle(&mut self, _: GetTrouble, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.trouble())
    }
}

impl Handler<Subscribe> for Recorder {
    type Result = ();

    fn handle(&mut self, Subscribe(scheduler): Subscribe, _: &mut Self::Context) {
        self.subscriber = Some(scheduler);
    }
}

impl Handler<Flush> for Recorder {
    type Result = ResponseFuture<Result<(), oneshot::error::RecvError>>;

    fn handle(&mut self, _: Flush, context: &mut Self::Context) -> Self::Result {
        let (reply, flushed) = oneshot::channel();
        self.closing = true;
        self.flush = Some(reply);
        self.pump(context);
        Box::pin(flushed)
    }
}
