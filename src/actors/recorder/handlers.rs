//! What the recorder is told and asked.

use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{Phase, READS_LIMIT, Recorder, Task};
use crate::actors::pool::{Ended, Finished};
use crate::actors::reader::Ask;
use crate::actors::recorder::admission::{Admission, Waiter};
use crate::actors::scheduler::ServiceChanged;
use crate::actors::sentinel::Sentinel;
use crate::actors::writer::{ApplyFile, MakeChange};
use crate::domain::Outcome;
use crate::metrics::ServiceResult;
use crate::services_file::{FileApplied, FileError};
use crate::storage::StorageError;
use crate::storage::reader::Query;
use crate::storage::writer::Applied;

/// Notice from the probers of one arbiter: these probes are over. The pool hears of each once its outcome is taken, and so its
/// slot stays taken until then. Never lost while the recorder lives.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Probed(pub Vec<(Ended, Option<Outcome>)>);

/// Command from HTTP: record what somebody reports. Never lost while the recorder lives.
#[derive(Debug, Message)]
#[rtype(result = "Admission")]
pub struct RecordOutcome {
    /// Up, down, or a fault of ours that may be an outage of our network.
    pub outcome: Outcome,
}

/// Query from HTTP: the last result of each service.
#[derive(Debug, Message)]
#[rtype(result = "Vec<ServiceResult>")]
pub struct GetResults;

/// Query from HTTP: why the store takes no writes, or `None` when it does.
#[derive(Debug, Message)]
#[rtype(result = "Option<String>")]
pub struct GetTrouble;

/// Command from the app at start: whom to tell of changed services and of probes that are over, and whom to ask for our own
/// network.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Subscribe {
    /// Hears of changed services.
    pub scheduler: Recipient<ServiceChanged>,
    /// Hears of probes that are over.
    pub pool: Recipient<Finished>,
    /// Asks the canaries.
    pub sentinel: Addr<Sentinel>,
}

/// Command from the app at the end: write everything and close the store. The reply means that it is done.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), oneshot::error::RecvError>")]
pub struct Flush;

impl Actor for Recorder {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.notice_standstill();
        context.run_interval(Duration::from_secs(1), Self::keep_house);
    }
}

impl Handler<Probed> for Recorder {
    type Result = ();

    fn handle(&mut self, Probed(probes): Probed, context: &mut Self::Context) {
        fail::fail_point!("recorder");
        self.notice_standstill();
        let mut ended = Vec::with_capacity(probes.len());
        for (end, outcome) in probes {
            match outcome {
                Some(outcome) => self.take(outcome, Waiter::Slot(end), &mut ended),
                None => ended.push(end),
            }
        }
        self.free(ended);
        self.watch_network(context);
        self.pump(context);
    }
}

impl Handler<RecordOutcome> for Recorder {
    type Result = Response<Admission>;

    fn handle(&mut self, record: RecordOutcome, context: &mut Self::Context) -> Self::Result {
        self.notice_standstill();
        let (reply, admitted) = oneshot::channel();
        self.take(record.outcome, Waiter::Client(reply), &mut Vec::new());
        self.watch_network(context);
        self.pump(context);
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
        let (reply, made) = oneshot::channel();
        self.queue(Task::Change(change, reply), context);
        Response::fut(async move {
            made.await
                .unwrap_or_else(|_| Err(StorageError::Unavailable("the writer has died".into())))
        })
    }
}

impl Handler<ApplyFile> for Recorder {
    type Result = Response<Result<FileApplied, FileError>>;

    fn handle(
        &mut self,
        ApplyFile(entries): ApplyFile,
        context: &mut Self::Context,
    ) -> Self::Result {
        let (reply, applied) = oneshot::channel();
        self.queue(Task::File(entries, reply), context);
        let died = || StorageError::Unavailable("the writer has died".into());
        Response::fut(async move { applied.await.unwrap_or_else(|_| Err(died().into())) })
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

    fn handle(&mut self, subscribe: Subscribe, _: &mut Self::Context) {
        self.scheduler = Some(subscribe.scheduler);
        self.pool = Some(subscribe.pool);
        self.sentinel = Some(subscribe.sentinel);
    }
}

impl Handler<Flush> for Recorder {
    type Result = ResponseFuture<Result<(), oneshot::error::RecvError>>;

    fn handle(&mut self, _: Flush, context: &mut Self::Context) -> Self::Result {
        let (reply, flushed) = oneshot::channel();
        self.notice_standstill();
        self.settle_network(true);
        self.phase = Phase::Closing;
        // Without a writer the sender is dropped, which tells the app that there will be no answer.
        self.flush = (!self.writer_gone).then_some(reply);
        self.store.hurry(Instant::now());
        self.pump(context);
        Box::pin(flushed)
    }
}
