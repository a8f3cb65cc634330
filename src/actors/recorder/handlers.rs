//! The messages of the recorder.

use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::queued::{Ack, Change, Reply};
use super::{Links, Phase, Recorder};
use crate::actors::messages::recording::{
    Flush, GetObservationFailure, GetStoreFailure, ProbesEnded, RecordOutcome, RecordReply,
    Subscribe,
};
use crate::actors::messages::relaying::SaveRelayed;
use crate::actors::messages::store::{
    ApplyFile, Ask, ChangeAccess, ChangeAlerting, ChangeMaintenance, MakeChange, QueueUpkeepWrite,
    SettleAlerts, UpkeepReply,
};
use crate::actors::shared_timer::run_every;
use crate::services_file::{FileApplied, FileError};
use crate::storage::access::AccessApplied;
use crate::storage::alerting::AlertingApplied;
use crate::storage::maintenance::MaintenanceApplied;
use crate::storage::port::Query;
use crate::storage::records::Applied;
use crate::storage::{Rescued, StorageError};

impl Actor for Recorder {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        run_every(Duration::from_secs(1), context, Self::every_second);
    }
}

impl Handler<ProbesEnded> for Recorder {
    type Result = ();

    fn handle(&mut self, ProbesEnded(probes): ProbesEnded, context: &mut Self::Context) {
        fail::fail_point!("recorder");
        self.watch_clocks();
        let mut ended = Vec::with_capacity(probes.len());
        for (probe, outcome) in probes {
            match outcome {
                Some(outcome) if !self.owned.contains(outcome.service_id) => {
                    self.receive_of_other(outcome, context);
                    ended.push(probe);
                }
                Some(outcome) => self.receive(outcome, Ack::Slot(probe), &mut ended),
                None => ended.push(probe),
            }
        }
        self.finish_probes(ended);
        self.run_self_check(context);
        self.start_next_write(context);
    }
}

impl Handler<RecordOutcome> for Recorder {
    type Result = Response<RecordReply>;

    fn handle(&mut self, record: RecordOutcome, context: &mut Self::Context) -> Self::Result {
        self.watch_clocks();
        let (reply, acknowledged) = oneshot::channel();
        if self.is_own(record.outcome.service_id) {
            self.receive(record.outcome, Ack::Client(reply), &mut Vec::new());
            self.run_self_check(context);
        } else {
            self.post(record.outcome, Some(reply), context);
        }
        self.start_next_write(context);
        Response::fut(async move { acknowledged.await.unwrap_or(RecordReply::Dropped) })
    }
}

impl Handler<MakeChange> for Recorder {
    type Result = Response<Result<Applied, StorageError>>;

    fn handle(&mut self, change: MakeChange, context: &mut Self::Context) -> Self::Result {
        self.watch_clocks();
        Response::fut(self.make_change(|reply| Change::Service(change, reply), context))
    }
}

impl Handler<ChangeAlerting> for Recorder {
    type Result = Response<Result<AlertingApplied, StorageError>>;

    fn handle(&mut self, change: ChangeAlerting, context: &mut Self::Context) -> Self::Result {
        Response::fut(self.make_change(|reply| Change::Alerting(change, reply), context))
    }
}

impl Handler<SettleAlerts> for Recorder {
    type Result = Response<Result<(), StorageError>>;

    fn handle(&mut self, settle: SettleAlerts, context: &mut Self::Context) -> Self::Result {
        Response::fut(self.make_change(|reply| Change::Settlement(settle.0, reply), context))
    }
}

impl Handler<SaveRelayed> for Recorder {
    type Result = Response<Result<(), StorageError>>;

    fn handle(&mut self, _: SaveRelayed, context: &mut Self::Context) -> Self::Result {
        Response::fut(self.make_change(Change::Relayed, context))
    }
}

impl Handler<ChangeMaintenance> for Recorder {
    type Result = Response<Result<MaintenanceApplied, StorageError>>;

    fn handle(&mut self, change: ChangeMaintenance, context: &mut Self::Context) -> Self::Result {
        Response::fut(self.make_change(|reply| Change::Maintenance(change, reply), context))
    }
}

impl Handler<ChangeAccess> for Recorder {
    type Result = Response<Result<AccessApplied, StorageError>>;

    fn handle(&mut self, change: ChangeAccess, context: &mut Self::Context) -> Self::Result {
        Response::fut(self.make_change(|reply| Change::Access(change, reply), context))
    }
}

impl Handler<ApplyFile> for Recorder {
    type Result = Response<Result<FileApplied, FileError>>;

    fn handle(
        &mut self,
        ApplyFile(content): ApplyFile,
        context: &mut Self::Context,
    ) -> Self::Result {
        self.watch_clocks();
        Response::fut(self.make_change(|reply| Change::File(content, reply), context))
    }
}

impl Recorder {
    /// Queues a change. The future ends with the reply to it.
    pub(super) fn make_change<T, E: From<StorageError>, C>(
        &mut self,
        change: C,
        context: &mut Context<Self>,
    ) -> impl Future<Output = Result<T, E>> + use<T, E, C>
    where
        C: FnOnce(Reply<Result<T, E>>) -> Change,
    {
        let (reply, made) = oneshot::channel();
        self.queue_change(change(reply), context);
        async move { made.await.unwrap_or_else(|_| Err(writer_died().into())) }
    }
}

/// The writer drops the replies then.
fn writer_died() -> StorageError {
    StorageError::Unavailable("the writer has died".to_owned())
}

impl Handler<QueueUpkeepWrite> for Recorder {
    type Result = ResponseFuture<Result<UpkeepReply, oneshot::error::RecvError>>;

    fn handle(
        &mut self,
        QueueUpkeepWrite(write): QueueUpkeepWrite,
        context: &mut Self::Context,
    ) -> Self::Result {
        let (reply, written) = oneshot::channel();
        if self.phase == Phase::Open && !self.writer_died {
            self.upkeep_write = Some((write, reply));
            self.start_next_write(context);
        }
        Box::pin(written)
    }
}

impl<Q: Query> Handler<Ask<Q>> for Recorder {
    type Result = ResponseFuture<Result<Q::Answer, StorageError>>;

    fn handle(&mut self, ask: Ask<Q>, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.readers.ask(ask))
    }
}

impl Handler<GetStoreFailure> for Recorder {
    type Result = MessageResult<GetStoreFailure>;

    fn handle(&mut self, _: GetStoreFailure, _: &mut Self::Context) -> Self::Result {
        let change = self.store_change.as_ref().map(|change| change.detail.clone());
        MessageResult(change.or_else(|| self.store_failure()))
    }
}

impl Handler<GetObservationFailure> for Recorder {
    type Result = MessageResult<GetObservationFailure>;

    fn handle(&mut self, _: GetObservationFailure, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.observation_failure())
    }
}

impl Handler<Subscribe> for Recorder {
    type Result = ();

    fn handle(&mut self, subscribe: Subscribe, _: &mut Self::Context) {
        let Subscribe {
            scheduler,
            heartbeat_waits,
            leave,
            heartbeats,
            pool,
            probes,
            canaries,
            upkeep,
            dispatcher,
            relay,
        } = subscribe;
        self.links = Some(Links {
            scheduler,
            heartbeat_waits,
            leave,
            heartbeats,
            pool,
            probes,
            canaries,
            upkeep,
            dispatcher,
            relay,
        });
    }
}

impl Handler<Flush> for Recorder {
    type Result = ResponseFuture<Result<Option<Rescued>, oneshot::error::RecvError>>;

    fn handle(&mut self, _: Flush, context: &mut Self::Context) -> Self::Result {
        let (reply, flushed) = oneshot::channel();
        self.watch_clocks();
        self.decide_self_check(true);
        self.observations.end();
        self.buffer_holes();
        self.phase = Phase::Closing;
        self.upkeep_write = None;
        // Without a writer the sender is dropped, which tells the app that no reply will come.
        self.flush = (!self.writer_died).then_some(reply);
        self.store.set_retry(Instant::now());
        self.start_next_write(context);
        Box::pin(flushed)
    }
}
