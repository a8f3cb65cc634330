//! The writes of changes and of the upkeep, and what the end of any write means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use slog::{error, info};

use super::queued::{Change, Reply};
use super::{CHANGES_LIMIT, Phase, Recorder};
use crate::actors::messages::alerting::{AlertingChanged, SignalsCommitted};
use crate::actors::messages::instances::ShardsWrite;
use crate::actors::messages::live::ServicesDefined;
use crate::actors::messages::probing::{FirstProbe, ServiceChanged};
use crate::actors::messages::recording::DispatcherRecipients;
use crate::actors::messages::relaying::{LabelsChanged, SaveRelayed};
use crate::actors::messages::store::{
    ApplyFile, ChangeAccess, ChangeAlerting, ChangeMaintenance, Close, MakeChange, SettleAlerts,
    UpkeepReply, UpkeepWrite,
};
use crate::actors::runtime::Fault;
use crate::clock::unix_ms;
use crate::domain::alert::Settlement;
use crate::domain::live::LiveService;
use crate::domain::maintenance::Windows;
use crate::domain::{Definition, ServiceId};
use crate::metrics::RecordResult;
use crate::services_file::{Content, FileApplied, FileError};
use crate::storage::access::AccessApplied;
use crate::storage::alerting::AlertingApplied;
use crate::storage::maintenance::MaintenanceApplied;
use crate::storage::records::{Applied, ServiceRecord};
use crate::storage::{StorageError, StoreChange};

/// Pause between tries while the recorder closes.
const CLOSING_RETRY: Duration = Duration::from_millis(100);

impl Recorder {
    /// Queues a change, or rejects it at once when the store fails or the queue is full.
    pub(super) fn queue_change(&mut self, change: Change, context: &mut Context<Self>) {
        if let Some(why) = self.store_failure() {
            change.reject(&StorageError::Unavailable(why));
        } else if self.phase != Phase::Open || self.writer_died {
            change.reject(&StorageError::Unavailable("it is being closed".into()));
        } else if self.changes.len() >= CHANGES_LIMIT {
            change.reject(&StorageError::Busy);
        } else {
            // Neither decides a result that is measured before it.
            let position = match change {
                Change::Settlement(..) | Change::Relayed(..) => 0,
                Change::Shards(
                    ShardsWrite::Post(_) | ShardsWrite::PostCommand(_) | ShardsWrite::Claim(..),
                    _,
                ) => 0,
                _ => self.buffer.pushed(),
            };
            self.changes.push_back((position, change));
            self.start_next_write(context);
        }
    }

    pub(super) fn write_change(&mut self, change: Change, context: &mut Context<Self>) {
        self.store.begin(Instant::now());
        match change {
            Change::Service(change, reply) => self.write_service(change, reply, context),
            Change::Settlement(settlement, reply) => {
                self.write_settlement(settlement, reply, context);
            }
            Change::Relayed(reply) => {
                let write = self.writer.relayed.send(SaveRelayed);
                self.await_write(write, reply, |_, ()| {}, context);
            }
            Change::Shards(write, reply) => self.write_shards(write, reply, context),
            Change::Alerting(change, reply) => self.write_alerting(change, reply, context),
            Change::Maintenance(change, reply) => self.write_maintenance(change, reply, context),
            Change::Access(change, reply) => self.write_access(change, reply, context),
            Change::File(content, reply) => self.write_file(content, reply, context),
        }
    }

    fn write_service(
        &mut self,
        change: MakeChange,
        reply: Reply<Result<Applied, StorageError>>,
        context: &mut Context<Self>,
    ) {
        let write = self.writer.change.send(change).into_actor(self);
        context.spawn(write.map(move |done, recorder, context| {
            let Ok(done) = done else { return recorder.handle_writer_death() };
            recorder.end_write();
            match &done {
                Ok(applied) => {
                    recorder.note_success();
                    let definition = applied.record.as_ref().map(|it| it.definition.clone());
                    if applied.changes_probes {
                        recorder.discard_outdated([applied.id]);
                    }
                    recorder.publish_change(applied.id, definition, FirstProbe::Now);
                    let live = applied.record.as_ref().map(ServiceRecord::live);
                    recorder.live.define(ServicesDefined::Changed(vec![(applied.id, live)]));
                    // A service that is paused or removed ends its alerts by a signal.
                    recorder.notify_dispatcher(|to| to.signals.do_send(SignalsCommitted));
                }
                Err(error) => recorder.note_error(error),
            }
            recorder.live.write_published();
            // The client may have gone; the change is made.
            let _ = reply.send(done);
            recorder.start_next_write(context);
        }));
    }

    fn write_settlement(
        &mut self,
        settlement: Box<Settlement>,
        reply: Reply<Result<(), StorageError>>,
        context: &mut Context<Self>,
    ) {
        let services = settlement.alerts.iter().filter_map(|alert| alert.service_id).collect();
        let write = self.writer.settle.send(SettleAlerts(settlement));
        let publish = |recorder: &mut Self, (): &()| recorder.live.alerts_changed(services);
        self.await_write(write, reply, publish, context);
    }

    fn write_alerting(
        &mut self,
        change: ChangeAlerting,
        reply: Reply<Result<AlertingApplied, StorageError>>,
        context: &mut Context<Self>,
    ) {
        let write = self.writer.alerting.send(change);
        let notify = |recorder: &mut Self, _: &AlertingApplied| {
            recorder.commit_window.all_changed();
            recorder.notify_dispatcher(|to| to.changes.do_send(AlertingChanged));
        };
        self.await_write(write, reply, notify, context);
    }

    fn write_maintenance(
        &mut self,
        change: ChangeMaintenance,
        reply: Reply<Result<MaintenanceApplied, StorageError>>,
        context: &mut Context<Self>,
    ) {
        let write = self.writer.maintenance.send(change);
        let publish = |recorder: &mut Self, applied: &MaintenanceApplied| {
            recorder.publish_windows(applied.windows.as_ref());
        };
        self.await_write(write, reply, publish, context);
    }

    fn write_access(
        &mut self,
        change: ChangeAccess,
        reply: Reply<Result<AccessApplied, StorageError>>,
        context: &mut Context<Self>,
    ) {
        let write = self.writer.access.send(change);
        // Here, since the client may have gone before its handler gets the reply.
        let publish = |recorder: &mut Self, applied: &AccessApplied| {
            recorder.access.apply(applied, unix_ms());
        };
        self.await_write(write, reply, publish, context);
    }

    /// Waits for a write, calls `publish` once it is stored, and replies.
    fn await_write<T: 'static>(
        &mut self,
        write: impl Future<Output = Result<Result<T, StorageError>, MailboxError>> + 'static,
        reply: Reply<Result<T, StorageError>>,
        publish: impl FnOnce(&mut Self, &T) + 'static,
        context: &mut Context<Self>,
    ) {
        context.spawn(write.into_actor(self).map(move |done, recorder, context| {
            let Ok(done) = done else { return recorder.handle_writer_death() };
            recorder.end_write();
            match &done {
                Ok(applied) => {
                    recorder.note_success();
                    publish(recorder, applied);
                }
                Err(error) => recorder.note_error(error),
            }
            // The sender may have gone; the write is made.
            let _ = reply.send(done);
            recorder.start_next_write(context);
        }));
    }

    pub(super) fn publish_windows(&self, windows: Option<&Windows>) {
        if let Some(windows) = windows {
            self.windows.set(windows.clone());
            self.live.maintenance_changed();
            self.notify_dispatcher(|to| to.changes.do_send(AlertingChanged));
        }
    }

    fn write_file(
        &mut self,
        content: Arc<Content>,
        reply: Reply<Result<FileApplied, FileError>>,
        context: &mut Context<Self>,
    ) {
        let write = self.writer.file.send(ApplyFile(content)).into_actor(self);
        context.spawn(write.map(move |done, recorder, context| {
            let Ok(done) = done else { return recorder.handle_writer_death() };
            recorder.end_write();
            match &done {
                Ok(applied) => {
                    recorder.note_success();
                    recorder.discard_outdated(applied.redefined.iter().copied());
                    if applied.alerting_changed {
                        recorder.commit_window.all_changed();
                        recorder.notify_dispatcher(|dispatcher| {
                            dispatcher.changes.do_send(AlertingChanged);
                        });
                    }
                    recorder.publish_windows(applied.windows.as_ref());
                    let first = FirstProbe::Spread(applied.added);
                    for (id, definition) in &applied.services {
                        recorder.publish_change(*id, definition.clone(), first);
                    }
                    recorder.live.define(ServicesDefined::Changed(live_services(applied)));
                    recorder.notify_dispatcher(|to| to.changes.do_send(AlertingChanged));
                }
                Err(FileError::Store(error)) => recorder.note_error(error),
                Err(FileError::Refused(_)) => {}
            }
            recorder.live.write_published();
            let _ = reply.send(done);
            recorder.start_next_write(context);
        }));
    }

    pub(super) fn notify_dispatcher(&self, notify: impl FnOnce(&DispatcherRecipients)) {
        if let Some(links) = &self.links {
            notify(&links.dispatcher);
        }
    }

    /// These services were changed, which is committed. Their results that wait for a commit are
    /// discarded; later ones are discarded when they arrive.
    pub(super) fn discard_outdated(&mut self, ids: impl IntoIterator<Item = ServiceId>) {
        for id in ids {
            self.observations.restart(id, Instant::now());
            self.outdated.changed(id, self.revision.current());
        }
        for outcome in self.buffer.waiting_mut() {
            if self.outdated.contains(outcome) && !outcome.is_outdated {
                outcome.is_outdated = true;
                self.telemetry.outcomes(RecordResult::Outdated, 1);
            }
        }
    }

    /// Updates the watched services and notifies the scheduler.
    pub(super) fn publish_change(
        &mut self,
        id: ServiceId,
        definition: Option<Definition>,
        first: FirstProbe,
    ) {
        if !self.is_own(id) {
            return self.publish_change_of_other(id, definition.as_ref());
        }
        match &definition {
            Some(definition) if definition.enabled => {
                self.last_results.watch(id, definition);
                self.watch_observations(id, definition);
            }
            _ => {
                self.last_results.unwatch(id);
                self.observations.unwatch(id);
            }
        }
        self.push_keys.update(id, definition.as_ref());
        self.service_changes.note(id);
        self.commit_window.changed(id);
        if definition.is_none() {
            self.outdated.deleted(id);
        }
        if let Some(links) = &self.links {
            let revision = self.revision.current();
            links.scheduler.do_send(ServiceChanged { id, definition, first, revision });
            if let Some(relay) = &links.relay {
                relay.labels.do_send(LabelsChanged(id));
            }
        }
    }

    pub(super) fn write_upkeep(
        &mut self,
        write: UpkeepWrite,
        reply: Reply<UpkeepReply>,
        context: &mut Context<Self>,
    ) {
        let began = Instant::now();
        self.store.begin(began);
        let write = self.writer.upkeep.send(write).into_actor(self);
        context.spawn(write.map(move |result, recorder, context| {
            let Ok(result) = result else { return recorder.handle_writer_death() };
            recorder.end_write();
            if let Err(error) = &result {
                recorder.note_error(error);
            }
            let _ = reply.send(UpkeepReply { result, took: began.elapsed() });
            recorder.start_next_write(context);
        }));
    }

    pub(super) fn close(&mut self, context: &mut Context<Self>) {
        self.phase = Phase::Closed;
        let reply = self.flush.take();
        let close = self.writer.close.send(Close).into_actor(self);
        context.spawn(close.map(move |rescued, recorder, _| {
            // Without a reply, the app reports the outcomes that are still buffered.
            let Ok(rescued) = rescued else { return recorder.handle_writer_death() };
            // The app has gone when its grace period is over.
            if let Some(reply) = reply {
                let _ = reply.send(rescued);
            }
        }));
    }

    /// This process may not use the store any more: it must end.
    pub(super) fn note_store_change(&mut self, change: Option<StoreChange>) {
        if self.store_change.is_none()
            && let Some(change) = change
        {
            error!(self.log, "{}; stopping", change.summary; "change" => &change.detail);
            self.store_change = Some(change);
            self.lifeline.report(Fault::StoreChanged);
        }
    }

    /// A write is over. It may have been committed even if it failed, so cached responses are
    /// invalid.
    pub(super) fn end_write(&mut self) {
        self.store.end();
        self.revision.increment();
    }

    /// The store took a write.
    pub(super) fn note_success(&mut self) {
        let recovered = self.store.succeeded(Instant::now());
        if recovered || self.dropped > 0 {
            info!(self.log, "the store takes writes again";
                "buffered" => self.buffer.len(), "dropped" => self.dropped);
        }
        self.dropped = 0;
    }

    pub(super) fn note_error(&mut self, error: &StorageError) {
        if let StorageError::Unavailable(why) = error {
            self.note_failure(why.clone());
        }
    }

    /// The store did not take a write. Queued changes are rejected: made later, they would surprise
    /// clients that have given up.
    pub(super) fn note_failure(&mut self, why: String) {
        for (_, change) in self.changes.drain(..) {
            change.reject(&StorageError::Unavailable(why.clone()));
        }
        let reason = why.clone();
        if self.store.failed(why, Instant::now()) {
            error!(self.log, "the store takes no writes; outcomes are buffered in memory";
                "error" => reason);
        }
        if self.phase == Phase::Closing {
            self.store.set_retry(Instant::now() + CLOSING_RETRY);
        }
    }

    /// The writer's lifeline has notified the app. Dropping the replies tells their receivers that
    /// nothing was written.
    pub(super) fn handle_writer_death(&mut self) {
        self.writer_died = true;
        self.flush = None;
        self.reports.clear();
        self.changes.clear();
        self.upkeep_write = None;
        self.live.clear();
    }
}

/// The services that a services file changed.
fn live_services(applied: &FileApplied) -> Vec<(ServiceId, Option<LiveService>)> {
    let removed = applied.services.iter().filter(|(_, definition)| definition.is_none());
    let removed = removed.map(|(id, _)| (*id, None));
    removed.chain(applied.live.iter().map(|service| (service.id, Some(service.clone())))).collect()
}
