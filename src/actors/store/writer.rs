//! The writer: the only connection that writes, on its own thread.

use actix::prelude::*;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;

use crate::actors::messages::store::{
    ApplyFile, Close, Commit, CommitDone, MakeChange, NotCommitted, UpkeepWrite, UpkeepWritten,
};
use crate::actors::runtime::Lifeline;
use crate::clock::unix_ms;
use crate::domain::time::stall::Stall;
use crate::services_file;
use crate::services_file::{FileApplied, FileError};
use crate::storage::StorageError;
use crate::storage::connection;
use crate::storage::connection::Reopening;
use crate::storage::history::gaps;
use crate::storage::history::retention;
use crate::storage::history::seal;
use crate::storage::ledger::Ledger;
use crate::storage::writer::{Applied, apply};

/// Owns the writing connection and the cached rows of the services it commits to.
pub struct Writer {
    connection: Reopening,
    ledger: Ledger,
    _lifeline: Lifeline,
}

impl Writer {
    /// `path` is the database file.
    pub fn new(path: String, lifeline: Lifeline) -> Self {
        let connection = Reopening::new(path, connection::writer);
        Self { connection, ledger: Ledger::default(), _lifeline: lifeline }
    }

    /// Runs one transaction of a sealing. After an error the transaction may have been committed all
    /// the same, so the ledger reads the rows again.
    fn seal<T>(
        &mut self,
        transaction: impl FnOnce(&mut SqliteConnection) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.connection.run(transaction).inspect_err(|_| self.ledger.forget_all())
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
        if let Some(Stall { from_ms, to_ms }) = commit.stall {
            let noted =
                self.connection.run(|connection| gaps::stood_still(connection, from_ms, to_ms));
            match noted {
                Ok(gap) => {
                    self.ledger.stood_still(to_ms);
                    done.gap = gap;
                }
                Err(error) => {
                    self.ledger.forget_all();
                    let (group, why) = (commit.group, error.to_string());
                    done.failed = Some(NotCommitted { group, why });
                    return MessageResult(done);
                }
            }
        }
        // One transaction, unless an outcome contradicts the store: then the group is halved until
        // that outcome is alone, and every other outcome is committed.
        let mut waiting = vec![commit.group];
        while let Some(mut group) = waiting.pop() {
            let ledger = &mut self.ledger;
            let written =
                self.connection.run(|connection| ledger.commit(connection, &group, unix_ms()));
            match written {
                Ok(committed) => done.committed.extend(committed),
                Err(StorageError::Unavailable(why)) => {
                    waiting.push(group);
                    let group = waiting.into_iter().rev().flatten().collect();
                    done.failed = Some(NotCommitted { group, why });
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
        done.fresh = self.ledger.fresh();
        MessageResult(done)
    }
}

impl Handler<MakeChange> for Writer {
    type Result = Result<Applied, StorageError>;

    fn handle(&mut self, MakeChange(change): MakeChange, _: &mut Self::Context) -> Self::Result {
        let made = self.connection.run(|connection| apply(connection, change, unix_ms()));
        match &made {
            Ok(applied) => self.ledger.forget(applied.id),
            // The change may have been committed all the same.
            Err(StorageError::Unavailable(_)) => self.ledger.forget_all(),
            Err(_) => {}
        }
        made
    }
}

impl Handler<ApplyFile> for Writer {
    type Result = Result<FileApplied, FileError>;

    fn handle(&mut self, ApplyFile(entries): ApplyFile, _: &mut Self::Context) -> Self::Result {
        let made = self.connection.run(|connection| {
            match services_file::apply(connection, &entries, unix_ms()) {
                Err(FileError::Store(error)) => Err(error),
                applied => Ok(applied),
            }
        });
        // Whatever the result is, the cached rows may be outdated.
        self.ledger.forget_all();
        made?
    }
}

impl Handler<UpkeepWrite> for Writer {
    type Result = Result<UpkeepWritten, StorageError>;

    fn handle(&mut self, write: UpkeepWrite, _: &mut Self::Context) -> Self::Result {
        match write {
            UpkeepWrite::BeginSealing => {
                let is_sealing = self.seal(seal::begin)?;
                self.ledger.sealing(is_sealing);
                Ok(UpkeepWritten::SealingBegun(self.ledger.fresh()))
            }
            UpkeepWrite::PublishSlice(mut slice) => {
                let portion =
                    self.seal(|connection| seal::publish(connection, &mut slice, unix_ms()))?;
                self.ledger.sealed(portion.ticks);
                let fresh = self.ledger.fresh();
                Ok(UpkeepWritten::SlicePublished { slice, ticks: portion.ticks, fresh })
            }
            UpkeepWrite::FinishSealing => {
                let strays = self.seal(|connection| seal::finish(connection, unix_ms()))?;
                self.ledger.sealing(false);
                if strays > 0 {
                    // The tick ids are not the ones that this ledger assigned either.
                    self.ledger.forget_all();
                }
                Ok(UpkeepWritten::SealingFinished { strays, fresh: self.ledger.fresh() })
            }
            UpkeepWrite::Retain { retention, progress } => {
                let step = self
                    .connection
                    .run(|connection| retention::step(connection, retention, progress, unix_ms()));
                step.map(UpkeepWritten::Retained)
            }
        }
    }
}

impl Handler<Close> for Writer {
    type Result = ();

    fn handle(&mut self, _: Close, _: &mut Self::Context) {
        // Best effort: without this mark, the time since the last commit becomes a gap.
        let ledger = &mut self.ledger;
        let _ = self.connection.run(|connection| ledger.commit(connection, &[], unix_ms()));
        if let Some(mut connection) = self.connection.take() {
            // Best effort: otherwise the next start folds the log in.
            let _ = connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }
}
