//! Takes shards over, and what other instances on the same store have for this one.
//!
//! A service is probed here, and its results are taken, while its shard is owned. Reports of
//! services of other owners go to the inbox, and so do probes on demand; a late result of a
//! scheduled probe is discarded.

use std::collections::HashSet;

use actix::prelude::*;
use slog::{info, warn};
use tokio::sync::oneshot;

use super::posts::POSTS_LIMIT;
use super::queued::{Ack, Change, Reply};
use super::{Phase, Recorder};
use crate::actors::messages::alerting::{AlertingChanged, SignalsCommitted};
use crate::actors::messages::instances::{
    ChangesFound, ClaimShards, DropShards, LeaveShards, PostCommand, RecordInbox, SettingsFound,
    ShardsReply, ShardsWrite, ShardsWritten,
};
use crate::actors::messages::live::ServicesDefined;
use crate::actors::messages::probing::{FirstProbe, HeartbeatReceived};
use crate::actors::messages::recording::RecordReply;
use crate::actors::messages::relaying::{CatchUp, LabelsChanged};
use crate::domain::time::timestamp;
use crate::domain::{Definition, Outcome, ServiceId, ShardSet, Verdict};
use crate::metrics::RecordResult;
use crate::storage::StorageError;
use crate::storage::coordination::Claimed;
use crate::storage::records::Gap;

impl Recorder {
    /// Whether results of the service are recorded here.
    pub(super) fn is_own(&self, id: ServiceId) -> bool {
        self.owned.contains(id) && !self.leaving.contains(id)
    }

    /// An outcome of a prober for a service of another owner.
    pub(super) fn receive_of_other(&mut self, outcome: Outcome, context: &mut Context<Self>) {
        if outcome.scheduled_every.is_some() {
            self.telemetry.outcomes(RecordResult::Fenced, 1);
        } else if outcome.verdict() != Verdict::Local {
            self.post(outcome, None, context);
        }
    }

    /// Sends an outcome to the owner of its service, and replies when it is stored.
    pub(super) fn post(
        &mut self,
        outcome: Outcome,
        reply: Option<Reply<RecordReply>>,
        context: &mut Context<Self>,
    ) {
        if self.posts.waiting.len() >= POSTS_LIMIT || self.phase != Phase::Open {
            self.telemetry.outcomes(RecordResult::Dropped, 1);
            if let Some(reply) = reply {
                let _ = reply.send(RecordReply::Dropped);
            }
            return;
        }
        self.posts.waiting.push((outcome, reply));
        self.send_posts(context);
    }

    fn send_posts(&mut self, context: &mut Context<Self>) {
        if self.posts.is_under_way || self.posts.waiting.is_empty() {
            return;
        }
        self.posts.is_under_way = true;
        let (outcomes, replies): (Vec<Outcome>, Vec<_>) =
            std::mem::take(&mut self.posts.waiting).into_iter().unzip();
        let write = ShardsWrite::Post(outcomes);
        let posted = self.make_change(|reply| Change::Shards(write, reply), context);
        context.spawn(posted.into_actor(self).map(|posted, recorder, context| {
            recorder.posts.is_under_way = false;
            let is_stored = posted.is_ok();
            if !is_stored {
                recorder.telemetry.outcomes(RecordResult::Dropped, replies.len());
            }
            let result = if is_stored { RecordReply::Recorded } else { RecordReply::Dropped };
            for reply in replies.into_iter().flatten() {
                // The client may have gone.
                let _ = reply.send(result);
            }
            recorder.send_posts(context);
        }));
    }

    pub(super) fn write_shards(
        &mut self,
        write: ShardsWrite,
        reply: ShardsReply,
        context: &mut Context<Self>,
    ) {
        let write = self.writer.shards.send(write).into_actor(self);
        context.spawn(write.map(move |done, recorder, context| {
            let Ok(done) = done else { return recorder.handle_writer_death() };
            recorder.end_write();
            match &done {
                Ok(written) => {
                    recorder.note_success();
                    if let ShardsWritten::Claimed(claimed) = written {
                        recorder.publish_claimed(claimed);
                    }
                }
                Err(error) => recorder.note_error(error),
            }
            recorder.live.write_published();
            let _ = reply.send(done);
            recorder.start_next_write(context);
        }));
    }

    /// The services of these shards are probed here from now on.
    fn publish_claimed(&mut self, claimed: &Claimed) {
        let Claimed { shards, services, live, newest_ms, gap } = claimed;
        if shards.is_empty() {
            return;
        }
        info!(self.log, "shards were taken over"; "shards" => shards.len(),
            "services" => services.len());
        if let Some(Gap { from_ms, services }) = gap {
            warn!(self.log, "nobody observed services for a while; that time is unknown";
                "since" => timestamp::to_rfc3339(*from_ms), "services" => services);
        }
        self.telemetry.takeovers.inc();
        self.telemetry.shards_owned.set(self.owned.get().len() as i64);
        let mut newest = newest_ms.iter().peekable();
        for service in services {
            while newest.next_if(|(id, _)| *id < service.id).is_some() {}
            let first = match newest.next_if(|(id, _)| *id == service.id) {
                Some((_, at_ms)) => FirstProbe::After(*at_ms),
                None => FirstProbe::Spread(services.len()),
            };
            self.publish_change(service.id, Some(service.definition.clone()), first);
        }
        let live = live.iter().map(|service| (service.id, Some(service.clone())));
        self.live.define(ServicesDefined::Changed(live.collect()));
        if let Some(relay) = self.links.as_ref().and_then(|links| links.relay.as_ref()) {
            relay.behind.do_send(CatchUp);
        }
    }

    /// The definition of a service of another owner was changed.
    pub(super) fn publish_change_of_other(&self, id: ServiceId, definition: Option<&Definition>) {
        self.push_keys.update(id, definition);
        self.service_changes.note(id);
        if let Some(relay) = self.links.as_ref().and_then(|links| links.relay.as_ref()) {
            relay.labels.do_send(LabelsChanged(id));
        }
    }

    /// These shards are not owned any more.
    pub(super) fn left(&mut self, shards: &ShardSet) {
        self.owned.remove(shards);
        self.leaving = self.leaving.without(shards);
        self.last_results.unwatch_shards(shards);
        self.observations.unwatch_shards(shards);
        let late = self.buffer.waiting_mut().filter(|outcome| !outcome.is_outdated);
        let mut count = 0;
        for outcome in late.filter(|outcome| shards.contains(outcome.service_id)) {
            outcome.is_outdated = true;
            count += 1;
        }
        self.telemetry.outcomes(RecordResult::Fenced, count);
        self.telemetry.shards_owned.set(self.owned.get().len() as i64);
    }

    /// Discards what an instance that was ended cannot commit, once no write is under way.
    pub(super) fn discard_if_fenced(&mut self) {
        if !self.is_fenced || self.store.is_writing() {
            return;
        }
        self.is_fenced = false;
        let mut count = self.buffer.discard() + self.released.len();
        self.released.clear();
        let mut ended = Vec::new();
        for (_, ack) in std::mem::take(&mut self.parked) {
            count += 1;
            // A client learns that its report was dropped.
            drop(ack.taken(&mut ended));
        }
        self.finish_probes(ended);
        self.reports.clear();
        self.pending_clock = super::PendingClock::default();
        self.steps_since_commit.clear();
        self.telemetry.outcomes(RecordResult::Fenced, count);
        self.update_buffered_gauge();
        warn!(self.log, "another instance took this one for dead and has ended it; \
            what was not committed is discarded, and it registers anew"; "outcomes" => count);
    }

    fn settings_found(&mut self, settings: SettingsFound, context: &mut Context<Self>) {
        let SettingsFound { tokens, sessions, windows } = settings;
        self.access.replace(tokens, sessions);
        self.publish_windows(Some(&windows));
        self.commit_window.all_changed();
        self.notify_dispatcher(|to| to.changes.do_send(AlertingChanged));
        let (reply, _) = oneshot::channel();
        self.queue_change(Change::Shards(ShardsWrite::ReloadPolicies, reply), context);
    }

    /// Others have changed the definitions of services of this instance, and what that means for
    /// their events is stored.
    fn publish_settled(&mut self, settled: Vec<(ServiceId, Option<Definition>)>) {
        for (id, definition) in settled {
            if definition.is_some() {
                self.discard_outdated([id]);
            }
            self.publish_change(id, definition, FirstProbe::Now);
        }
        self.notify_dispatcher(|to| to.signals.do_send(SignalsCommitted));
    }
}

impl Handler<ClaimShards> for Recorder {
    type Result = ResponseFuture<Result<(), StorageError>>;

    fn handle(
        &mut self,
        ClaimShards(most): ClaimShards,
        context: &mut Self::Context,
    ) -> Self::Result {
        let write = ShardsWrite::Claim(most, self.leaving);
        let claimed = self.make_change(|reply| Change::Shards(write, reply), context);
        Box::pin(async move { claimed.await.map(|_| ()) })
    }
}

impl Handler<PostCommand> for Recorder {
    type Result = ResponseFuture<Result<(), StorageError>>;

    fn handle(
        &mut self,
        PostCommand(command): PostCommand,
        context: &mut Self::Context,
    ) -> Self::Result {
        let write = ShardsWrite::PostCommand(command);
        let posted = self.make_change(|reply| Change::Shards(write, reply), context);
        Box::pin(async move { posted.await.map(|_| ()) })
    }
}

pub(super) fn ended_by_another() -> StorageError {
    StorageError::Unavailable("this instance was ended by another one".to_owned())
}

impl Handler<DropShards> for Recorder {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: DropShards, context: &mut Self::Context) -> Self::Result {
        self.is_fenced = true;
        self.left(&ShardSet::ALL);
        self.leaving = ShardSet::EMPTY;
        if let Some(links) = &self.links {
            links.leave.do_send(LeaveShards(ShardSet::ALL));
        }
        let why = ended_by_another();
        self.changes.drain(..).for_each(|(_, change)| change.reject(&why));
        self.upkeep_write = None;
        self.start_next_write(context);
        let forgotten = self.writer.shards.send(ShardsWrite::Forget);
        Box::pin(async move {
            // An error means that the writer has died, and the process ends.
            let _ = forgotten.await;
        })
    }
}

impl Handler<ChangesFound> for Recorder {
    type Result = ResponseActFuture<Self, Result<(), StorageError>>;

    fn handle(&mut self, found: ChangesFound, context: &mut Self::Context) -> Self::Result {
        let ChangesFound { changed, deleted, settings, mut states, mut results } = found;
        // What this instance has taken over since the look has newer states and results here.
        let is_changed: HashSet<ServiceId> = changed.iter().map(|service| service.id).collect();
        states.retain(|it| is_changed.contains(&it.id) || !self.owned.contains(it.id));
        results.retain(|(id, _)| !self.owned.contains(*id));
        let removed = deleted.iter().map(|id| (*id, None));
        let states = states.into_iter().map(|service| (service.id, Some(service)));
        self.live.define(ServicesDefined::Changed(removed.chain(states).collect()));
        self.publish_updates(results, context);
        let changed = changed.into_iter().map(|service| (service.id, Some(service.definition)));
        let all = changed.chain(deleted.into_iter().map(|id| (id, None)));
        let (own, of_others): (Vec<_>, Vec<_>) = all.partition(|(id, _)| self.owned.contains(*id));
        for (id, definition) in of_others {
            self.publish_change_of_other(id, definition.as_ref());
        }
        if let Some(settings) = settings {
            self.settings_found(settings, context);
        }
        // Others write signals, too, and this instance may decide about alerts since the last look.
        self.notify_dispatcher(|to| to.signals.do_send(SignalsCommitted));
        self.revision.increment();
        if own.is_empty() {
            return Box::pin(fut::ready(Ok(())));
        }
        let write = ShardsWrite::Settle(own.clone());
        let settled = self.make_change(|reply| Change::Shards(write, reply), context);
        Box::pin(settled.into_actor(self).map(move |settled, recorder, _| {
            settled?;
            recorder.publish_settled(own);
            Ok(())
        }))
    }
}

impl Handler<RecordInbox> for Recorder {
    type Result = usize;

    fn handle(
        &mut self,
        RecordInbox(outcomes): RecordInbox,
        context: &mut Self::Context,
    ) -> Self::Result {
        self.watch_clocks();
        let mut accepted = 0;
        for outcome in outcomes {
            if !self.buffer.has_room() || !self.is_own(outcome.service_id) {
                break;
            }
            accepted += 1;
            if let Some(links) = &self.links {
                links.heartbeats.do_send(HeartbeatReceived(outcome.service_id));
            }
            // Its sender was answered when it came into the inbox.
            let (reply, _) = oneshot::channel();
            self.receive(outcome, Ack::Client(reply), &mut Vec::new());
        }
        self.run_self_check(context);
        self.start_next_write(context);
        accepted
    }
}
