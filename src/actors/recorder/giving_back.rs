//! Gives shards back: their services are dispatched no longer, their probes and what the self-check
//! decides are awaited, their results are committed, and then the writer gives them up. So their
//! next owner finds everything.

use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::queued::Change;
use super::shards::ended_by_another;
use super::{Phase, Recorder};
use crate::actors::messages::instances::{
    GetProbedShards, GiveBackShards, LeaveShards, ShardsWrite,
};
use crate::clock::unix_ms;
use crate::domain::ShardSet;
use crate::domain::shards::shard_of;
use crate::storage::StorageError;

/// Longest wait for the results of services that are given back. Later ones are discarded.
const PROBES_WAIT: Duration = Duration::from_secs(30);

/// Interval between checks for such results.
const PROBES_CHECK: Duration = Duration::from_millis(100);

/// Pause before shards that the store did not take back are given back again.
const GIVE_UP_AGAIN: Duration = Duration::from_secs(1);

/// Shards that are being given back. Their services are not dispatched any more.
struct GivingBack {
    /// Those that are still owned.
    left: ShardSet,
    watched_to_ms: i64,
    /// Results are awaited until then.
    deadline: Instant,
    reply: oneshot::Sender<Result<(), StorageError>>,
}

impl Handler<GiveBackShards> for Recorder {
    type Result = ResponseFuture<Result<(), StorageError>>;

    fn handle(
        &mut self,
        GiveBackShards(shards): GiveBackShards,
        context: &mut Self::Context,
    ) -> Self::Result {
        // While the store takes no writes, everything goes on being probed here.
        if let Some(why) = self.store_failure() {
            return Box::pin(fut::ready(Err(StorageError::Unavailable(why))));
        }
        let Some(links) = &self.links else { return Box::pin(fut::ready(Err(closed()))) };
        let left = links.leave.send(LeaveShards(shards)).into_actor(self);
        self.leaving = self.leaving.union(&shards);
        let (reply, given) = oneshot::channel();
        // An error means that the scheduler has died, and the process ends.
        context.spawn(left.map(move |_, recorder, context| {
            let (watched_to_ms, deadline) = (unix_ms(), Instant::now() + PROBES_WAIT);
            let giving = GivingBack { left: shards, watched_to_ms, deadline, reply };
            recorder.give_up_idle(giving, context);
        }));
        Box::pin(async move { given.await.unwrap_or_else(|_| Err(closed())) })
    }
}

impl Recorder {
    /// Gives up those shards none of whose services has a result under way, and then the rest, so
    /// that none of them waits for the slow probes of another one.
    fn give_up_idle(&mut self, giving: GivingBack, context: &mut Context<Self>) {
        if !self.is_leaving(&giving.left) {
            return drop(giving.reply.send(Err(ended_by_another())));
        }
        let Some(links) = &self.links else { return };
        let probed = links.probes.send(GetProbedShards(giving.left)).into_actor(self);
        context.spawn(probed.map(move |probed, recorder, context| {
            let is_over = Instant::now() >= giving.deadline;
            let busy = probed.unwrap_or_default().union(&recorder.undecided());
            let idle = if is_over { giving.left } else { giving.left.without(&busy) };
            if idle.is_empty() {
                recorder.check_again(giving, context);
            } else {
                recorder.give_up(idle, giving, context);
            }
        }));
    }

    /// Whether these shards are still being given back: not after another one has ended this
    /// instance.
    fn is_leaving(&self, shards: &ShardSet) -> bool {
        shards.without(&self.leaving).is_empty()
    }

    /// The shards of failures that the self-check holds, or has released into a full buffer.
    fn undecided(&self) -> ShardSet {
        let released = self.released.iter().map(|outcome| outcome.service_id);
        self.self_check.held_services().chain(released).map(|id| shard_of(id.get())).collect()
    }

    fn check_again(&self, giving: GivingBack, context: &mut Context<Self>) {
        context.run_later(PROBES_CHECK, |recorder, context| {
            recorder.give_up_idle(giving, context);
        });
    }

    /// Gives up shards that are not probed any more, behind the results that wait. A write that
    /// fails is repeated until the store takes it, or until this instance was ended.
    fn give_up(&mut self, idle: ShardSet, mut giving: GivingBack, context: &mut Context<Self>) {
        if !self.is_leaving(&idle) {
            return drop(giving.reply.send(Err(ended_by_another())));
        }
        let write = ShardsWrite::GiveBack(idle, giving.watched_to_ms);
        let given = self.make_change(|reply| Change::Shards(write, reply), context);
        context.spawn(given.into_actor(self).map(move |given, recorder, context| {
            let given = given.map(|_| ());
            let is_leaving = recorder.is_leaving(&idle);
            if given.is_err() && is_leaving && recorder.phase == Phase::Open {
                context.run_later(GIVE_UP_AGAIN, move |recorder, context| {
                    recorder.give_up(idle, giving, context);
                });
                return;
            }
            if is_leaving {
                recorder.left(&idle);
            }
            giving.left = giving.left.without(&idle);
            if given.is_ok() && !giving.left.is_empty() {
                recorder.check_again(giving, context);
            } else {
                // The coordinator may have gone.
                let _ = giving.reply.send(given);
            }
        }));
    }
}

fn closed() -> StorageError {
    StorageError::Unavailable("it is being closed".to_owned())
}
