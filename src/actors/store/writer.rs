//! The writer: the only store that writes, on its own thread.

use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::actors::messages::instances::{ShardsWrite, ShardsWritten};
use crate::actors::messages::relaying::SaveRelayed;
use crate::actors::messages::store::{
    ApplyFile, ChangeAccess, ChangeAlerting, ChangeMaintenance, ClockNotes, Close, Commit,
    CommitDone, MakeChange, NotCommitted, SettleAlerts, UpkeepWrite, UpkeepWritten,
};
use crate::actors::revision::Revision;
use crate::actors::runtime::Lifeline;
use crate::actors::store::marks::MarksSource;
use crate::actors::store::watched::WatchedStore;
use crate::clock::unix_ms;
use crate::domain::alert::AlertMarks;
use crate::domain::live::LiveService;
use crate::domain::time::stall::Stall;
use crate::domain::{Definition, Outcome, ServiceId, ShardSet};
use crate::services_file;
use crate::services_file::{FileApplied, FileError};
use crate::storage::access::AccessApplied;
use crate::storage::alerting::AlertingApplied;
use crate::storage::history::{retention, sealing};
use crate::storage::ledger::Ledger;
use crate::storage::maintenance::MaintenanceApplied;
use crate::storage::port::StoreWrite;
use crate::storage::records::{Applied, SetBack};
use crate::storage::relayed::RelayedSeqs;
use crate::storage::{StorageError, StoreAccess};

/// Owns the writing store and the cached rows of the services it commits to.
pub struct Writer {
    store: WatchedStore,
    ledger: Ledger,
    marks: MarksSource,
    /// What was stored beside commits and changes, or may have been, changed services.
    must_reload: bool,
    /// Incremented with each write, before its sender learns of it.
    written: Revision,
    /// Empty without remote write.
    relayed: RelayedSeqs,
    /// Of services that set none.
    default_interval: Duration,
    _lifeline: Lifeline,
}

impl Writer {
    pub fn new(
        access: StoreAccess,
        (source, marks): (MarksSource, AlertMarks),
        written: Revision,
        relayed: Option<RelayedSeqs>,
        default_interval: Duration,
        lifeline: Lifeline,
    ) -> Self {
        let mut ledger = Ledger::default();
        ledger.set_marks(marks);
        if let Some(relayed) = &relayed {
            ledger.relay(relayed.clone());
        }
        let store = WatchedStore::new(access);
        Self {
            store,
            ledger,
            marks: source,
            must_reload: false,
            written,
            relayed: relayed.unwrap_or_default(),
            default_interval,
            _lifeline: lifeline,
        }
    }

    /// All services, if others than those of commits and changes may have changed.
    fn reload_services(&mut self) -> Option<Vec<LiveService>> {
        self.must_reload |= self.ledger.take_has_moved();
        if !self.must_reload {
            return None;
        }
        // After an error the next commit tries again.
        let services = self.store.run(|store| store.live_services(None)).ok()?;
        self.must_reload = false;
        Some(services)
    }

    /// A change failed. It may have been stored all the same if the store was unavailable.
    fn change_failed(&mut self, error: &StorageError) {
        if matches!(error, StorageError::Unavailable(_)) {
            self.ledger.forget_all();
            self.must_reload = true;
        }
    }

    /// Reads the policies again; after a change, the marks of all services.
    fn reload_marks(&mut self) {
        let marks = &mut self.marks;
        // Best effort: the policies are read again with the next change.
        if let Ok(Some(marks)) = self.store.run(|store| marks.reloaded(store)) {
            self.ledger.set_marks(marks);
        }
    }

    /// Moves what is stored by the steps back, and notes the stall as a gap.
    fn note_clock(
        &mut self,
        notes: &ClockNotes,
        done: &mut CommitDone,
    ) -> Result<(), StorageError> {
        let ledger = &mut self.ledger;
        if !notes.steps.is_empty() {
            let moved = self.store.run(|store| ledger.step_back(store, &notes.steps))?;
            let by_ms = notes.steps.iter().map(|step| step.by_ms).sum();
            done.set_back = Some(SetBack { by_ms, services: moved });
            done.noted.steps.clone_from(&notes.steps);
        }
        if let Some(Stall { from_ms, to_ms }) = notes.stall {
            self.must_reload = true;
            done.gap = self.store.run(|store| store.record_stall(from_ms, to_ms))?;
            self.ledger.stalled(to_ms);
            done.noted.stall = notes.stall;
        }
        Ok(())
    }

    /// Returns the group to the recorder, unless a rescue saves it.
    fn fail(&mut self, done: &mut CommitDone, group: Vec<Outcome>, why: String) {
        match self.store.append_to_rescue(&group) {
            None => {
                done.failed = Some(NotCommitted { group, why });
                done.store_change = self.store.change();
            }
            Some(Ok(lost)) => done.given_up = Some(lost),
            Some(Err(error)) => {
                let lost = group.iter().map(|outcome| (outcome.service_id, error.to_string()));
                done.committed.refused.extend(lost);
            }
        }
    }

    /// Runs one transaction of a sealing. After an error the transaction may have been committed,
    /// so the ledger reads the rows again.
    fn seal<T>(
        &mut self,
        transaction: impl FnOnce(&mut dyn StoreWrite) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.store.run(|store| transaction(store)).inspect_err(|_| self.ledger.forget_all())
    }
}

impl Actor for Writer {
    type Context = SyncContext<Self>;
}

impl Handler<Commit> for Writer {
    type Result = MessageResult<Commit>;

    fn handle(&mut self, commit: Commit, _: &mut Self::Context) -> Self::Result {
        fail::fail_point!("writer");
        let mut done = CommitDone::default();
        if commit.rescues && self.store.begin_rescue(unix_ms()) {
            self.ledger.forget_all();
        }
        if let Err(error) = self.note_clock(&commit.clock, &mut done) {
            self.ledger.forget_all();
            self.fail(&mut done, commit.group, error.to_string());
            return MessageResult(done);
        }
        let now_ms = commit.as_of.wall_ms_at(Instant::now());
        // One transaction, unless an outcome contradicts the store: then the group is halved until
        // that outcome is alone, and every other outcome is committed.
        let mut waiting = vec![commit.group];
        while let Some(mut group) = waiting.pop() {
            let ledger = &mut self.ledger;
            match self.store.run(|store| ledger.commit(store, &group, now_ms)) {
                Ok(committed) => done.committed.extend(committed),
                Err(StorageError::Unavailable(why)) => {
                    waiting.push(group);
                    let group = waiting.into_iter().rev().flatten().collect();
                    self.fail(&mut done, group, why);
                    break;
                }
                Err(error) => match group.as_slice() {
                    [] => {}
                    [one] => done.committed.refused.push((one.service_id, error.to_string())),
                    _ => {
                        let second = group.split_off(group.len() / 2);
                        waiting.extend([second, group]);
                    }
                },
            }
        }
        self.written.increment();
        if done.failed.is_none() {
            done.services = self.reload_services();
        }
        done.fresh = self.ledger.fresh();
        MessageResult(done)
    }
}

impl Handler<MakeChange> for Writer {
    type Result = Result<Applied, StorageError>;

    fn handle(&mut self, make: MakeChange, _: &mut Self::Context) -> Self::Result {
        let MakeChange { change, source } = make;
        let made = self.store.run(|store| store.define(change, &source, unix_ms()));
        match &made {
            Ok(applied) => {
                self.ledger.forget(applied.id);
                let definition = applied.record.as_ref().map(|record| &record.definition);
                self.marks.changed(applied.id, definition, self.ledger.marks_mut());
            }
            Err(error) => self.change_failed(error),
        }
        self.written.increment();
        made
    }
}

impl Handler<ChangeAlerting> for Writer {
    type Result = Result<AlertingApplied, StorageError>;

    fn handle(&mut self, make: ChangeAlerting, _: &mut Self::Context) -> Self::Result {
        let ChangeAlerting { change, source } = make;
        let applied = self.store.run(|store| store.change_alerting(change, &source, unix_ms()));
        self.reload_marks();
        applied
    }
}

impl Handler<SettleAlerts> for Writer {
    type Result = Result<(), StorageError>;

    fn handle(&mut self, settle: SettleAlerts, _: &mut Self::Context) -> Self::Result {
        self.store.run(|store| store.settle_alerts(&settle.0))
    }
}

impl Handler<SaveRelayed> for Writer {
    type Result = Result<(), StorageError>;

    fn handle(&mut self, _: SaveRelayed, _: &mut Self::Context) -> Self::Result {
        let seqs = self.relayed.all_unsaved();
        self.store.run(|store| store.set_relayed(&seqs))?;
        seqs.into_iter().for_each(|(id, seq)| self.relayed.saved(id, seq));
        Ok(())
    }
}

impl Handler<ChangeMaintenance> for Writer {
    type Result = Result<MaintenanceApplied, StorageError>;

    fn handle(&mut self, make: ChangeMaintenance, _: &mut Self::Context) -> Self::Result {
        let ChangeMaintenance { change, source } = make;
        self.store.run(|store| store.change_maintenance(change, &source, unix_ms()))
    }
}

impl Handler<ChangeAccess> for Writer {
    type Result = Result<AccessApplied, StorageError>;

    fn handle(&mut self, change: ChangeAccess, _: &mut Self::Context) -> Self::Result {
        let ChangeAccess { change, source } = change;
        self.store.run(|store| store.change_access(change, &source, unix_ms()))
    }
}

impl Handler<ApplyFile> for Writer {
    type Result = Result<FileApplied, FileError>;

    fn handle(&mut self, ApplyFile(content): ApplyFile, _: &mut Self::Context) -> Self::Result {
        let made = self.store.run(|store| match services_file::apply(store, &content, unix_ms()) {
            Err(FileError::Store(error)) => Err(error),
            applied => Ok(applied),
        });
        self.written.increment();
        if let Err(error) = &made {
            self.change_failed(error);
        }
        // Whatever the result is, the cached rows may be outdated.
        self.ledger.forget_all();
        self.reload_marks();
        if let Ok(Ok(applied)) = &made {
            for (id, definition) in &applied.services {
                self.marks.changed(*id, definition.as_ref(), self.ledger.marks_mut());
            }
        }
        made?
    }
}

impl Handler<UpkeepWrite> for Writer {
    type Result = Result<UpkeepWritten, StorageError>;

    fn handle(&mut self, write: UpkeepWrite, _: &mut Self::Context) -> Self::Result {
        match write {
            UpkeepWrite::BeginSealing => {
                let is_sealing = self.seal(|store| store.begin_sealing())?;
                self.ledger.sealing(is_sealing);
                Ok(UpkeepWritten::SealingBegun(self.ledger.fresh()))
            }
            UpkeepWrite::PublishSlice(mut slice) => {
                let portion = self.seal(|store| sealing::publish(store, &mut slice, unix_ms()))?;
                self.ledger.sealed(portion.ticks);
                let fresh = self.ledger.fresh();
                Ok(UpkeepWritten::SlicePublished { slice, ticks: portion.ticks, fresh })
            }
            UpkeepWrite::FinishSealing => {
                let strays = self.seal(|store| store.finish_sealing(unix_ms()))?;
                self.ledger.sealing(false);
                if strays > 0 {
                    // The tick ids are not the ones that this ledger assigned either.
                    self.ledger.forget_all();
                }
                Ok(UpkeepWritten::SealingFinished { strays, fresh: self.ledger.fresh() })
            }
            UpkeepWrite::Retain { retention, progress } => {
                let step =
                    self.store.run(|store| retention::step(store, retention, progress, unix_ms()));
                step.map(UpkeepWritten::Retained)
            }
        }
    }
}

impl Handler<ShardsWrite> for Writer {
    type Result = Result<ShardsWritten, StorageError>;

    fn handle(&mut self, write: ShardsWrite, _: &mut Self::Context) -> Self::Result {
        let written = match write {
            ShardsWrite::Claim(most, except) => self.claim(most, &except),
            ShardsWrite::GiveBack(shards, watched_to_ms) => self.give_back(&shards, watched_to_ms),
            ShardsWrite::Settle(services) => self.settle_definitions(&services),
            ShardsWrite::ReloadPolicies => {
                self.reload_marks();
                Ok(ShardsWritten::Done)
            }
            ShardsWrite::Post(outcomes) => {
                self.store.run(|store| store.post(&outcomes)).map(|()| ShardsWritten::Done)
            }
            ShardsWrite::PostCommand(command) => {
                self.store.run(|store| store.post_command(&command)).map(|()| ShardsWritten::Done)
            }
            ShardsWrite::Forget => {
                self.ledger.fenced();
                self.relayed.forget_shards(&ShardSet::ALL);
                Ok(ShardsWritten::Done)
            }
        };
        self.written.increment();
        written
    }
}

impl Writer {
    fn claim(&mut self, most: usize, except: &ShardSet) -> Result<ShardsWritten, StorageError> {
        let interval_ms = i64::try_from(self.default_interval.as_millis()).unwrap_or(i64::MAX);
        let claimed =
            self.store.run(|store| store.claim((most, except), unix_ms(), interval_ms))?;
        self.ledger.forget_shards(&claimed.shards);
        for service in &claimed.services {
            let definition = Some(&service.definition);
            self.marks.changed(service.id, definition, self.ledger.marks_mut());
        }
        Ok(ShardsWritten::Claimed(Box::new(claimed)))
    }

    fn give_back(
        &mut self,
        shards: &ShardSet,
        watched_to_ms: i64,
    ) -> Result<ShardsWritten, StorageError> {
        let seqs = self.relayed.all_unsaved();
        let seqs: Vec<_> = seqs.into_iter().filter(|(id, _)| shards.contains(*id)).collect();
        let given = self.store.run(|store| {
            if !seqs.is_empty() {
                store.set_relayed(&seqs)?;
            }
            store.give_back(shards, watched_to_ms)
        });
        self.ledger.forget_shards(shards);
        self.relayed.forget_shards(shards);
        given.map(|()| ShardsWritten::Done)
    }

    fn settle_definitions(
        &mut self,
        services: &[(ServiceId, Option<Definition>)],
    ) -> Result<ShardsWritten, StorageError> {
        let ids: Vec<ServiceId> = services.iter().map(|(id, _)| *id).collect();
        self.store.run(|store| store.settle_definitions(&ids))?;
        for (id, definition) in services {
            self.ledger.forget(*id);
            self.marks.changed(*id, definition.as_ref(), self.ledger.marks_mut());
        }
        Ok(ShardsWritten::Done)
    }
}

impl Handler<Close> for Writer {
    type Result = MessageResult<Close>;

    fn handle(&mut self, _: Close, _: &mut Self::Context) -> Self::Result {
        // Best effort: without this mark, the time since the last commit becomes a gap.
        let ledger = &mut self.ledger;
        let _ = self.store.run(|store| ledger.commit(store, &[], unix_ms()));
        MessageResult(self.store.close(unix_ms()))
    }
}
