//! The writer: the one connection that writes, on a thread of its own.

use std::sync::Arc;

use actix::prelude::*;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;

use super::Lifeline;
use crate::actors::beats::Standstill;
use crate::clock::unix_ms;
use crate::domain::Outcome;
use crate::domain::Retention;
use crate::services_file;
use crate::services_file::{Entry, FileApplied, FileError};
use crate::storage::StorageError;
use crate::storage::connection;
use crate::storage::connection::Reopening;
use crate::storage::history::gaps;
use crate::storage::history::gaps::Gap;
use crate::storage::history::retention;
use crate::storage::history::retention::Progress;
use crate::storage::history::seal;
use crate::storage::history::slice::Slice;
use crate::storage::ledger::{Committed, Fresh, Ledger};
use crate::storage::writer::{Applied, Change, apply};

/// Owns the connection, and what its commits need not read.
pub struct Writer {
    connection: Reopening,
    ledger: Ledger,
    _lifeline: Lifeline,
}

impl Writer {
    /// A writer to the file at `path`.
    pub fn new(path: String, lifeline: Lifeline) -> Self {
        let connection = Reopening::new(path, connection::writer);
        Self { connection, ledger: Ledger::default(), _lifeline: lifeline }
    }
}

/// Command from the recorder: write this group as one transaction. The reply says what is on the disk, and what is not and
/// comes back.
#[derive(Debug, Message)]
#[rtype(result = "CommitDone")]
pub struct Commit {
    /// What to write; an empty group only moves the liveness mark.
    pub group: Vec<Outcome>,
    /// When this process stood still, if it did; to be noted before the group.
    pub stood_still: Option<Standstill>,
}

/// What became of a group.
#[derive(Debug, Default)]
pub struct CommitDone {
    /// What is on the disk.
    pub committed: Committed,
    /// What is not, if the store did not take all of it.
    pub failed: Option<NotCommitted>,
    /// What waits to be sealed now.
    pub fresh: Fresh,
    /// The gap that was noted, if one was.
    pub gap: Option<Gap>,
}

/// Outcomes that are not in the store and may be tried again.
#[derive(Debug)]
pub struct NotCommitted {
    /// The outcomes, oldest first.
    pub group: Vec<Outcome>,
    /// Why the store is unavailable.
    pub why: String,
}

/// Command from HTTP to the recorder, and from the recorder to the writer. The reply means that it is on the disk, or
/// why nothing of it is.
#[derive(Debug, Message)]
#[rtype(result = "Result<Applied, StorageError>")]
pub struct MakeChange(pub Change);

/// Command from the app to the recorder, and from the recorder to the writer: bring the services of the file in line with these
/// entries. The reply means that all of it is on the disk, or why nothing of it is.
#[derive(Debug, Message)]
#[rtype(result = "Result<FileApplied, FileError>")]
pub struct ApplyFile(pub Arc<[Entry]>);

/// Command from the recorder: begin a sealing, unless one is under way. The reply says what is fresh now, and whether there is a
/// sealing.
#[derive(Debug, Message)]
#[rtype(result = "Result<Fresh, StorageError>")]
pub struct BeginSealing;

/// Command from the recorder: put so much of this slice in the place of its ticks as one short transaction can take. The reply
/// brings the slice back with what is left of it, or says why nothing was changed.
#[derive(Debug, Message)]
#[rtype(result = "Result<Published, StorageError>")]
pub struct Publish(pub Box<Slice>);

/// What became of a slice.
#[derive(Debug)]
pub struct Published {
    /// What is left of it.
    pub slice: Box<Slice>,
    /// Ticks that were sealed.
    pub ticks: u64,
    /// What is fresh now.
    pub fresh: Fresh,
}

/// Command from the recorder: end the sealing, of which everything is published. The reply says what came of it, or why nothing was
/// changed.
#[derive(Debug, Message)]
#[rtype(result = "Result<Finished, StorageError>")]
pub struct FinishSealing;

/// What became of a sealing.
#[derive(Debug)]
pub struct Finished {
    /// Ticks that belonged to no service, as far as the rows tell, and are gone.
    pub strays: u64,
    /// What is fresh now.
    pub fresh: Fresh,
}

/// Command from the recorder: take the next step of a round. The reply says how far it has come.
#[derive(Debug, Message)]
#[rtype(result = "Result<Progress, StorageError>")]
pub struct Retain {
    /// How long what is kept.
    pub retention: Retention,
    /// How far the round has come.
    pub progress: Progress,
}

/// Command from the recorder, the last one: fold the write-ahead log into the file and close it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Close;

impl Actor for Writer {
    type Context = SyncContext<Self>;
}

impl Handler<Commit> for Writer {
    type Result = MessageResult<Commit>;

    fn handle(&mut self, commit: Commit, _: &mut Self::Context) -> Self::Result {
        fail::fail_point!("writer");
        let mut done = CommitDone::default();
        if let Some(Standstill { from_ms, to_ms }) = commit.stood_still {
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
        // One transaction, as a rule. A group with an outcome that contradicts the store is halved until that one is alone,
        // so that it takes nobody with it.
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
            // It may have been kept all the same.
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
        // Whatever came of it, what is known of the services may be outdated.
        self.ledger.forget_all();
        made?
    }
}

impl Writer {
    /// Does a part of a sealing. After an error it may have been done all the same.
    fn seal<T>(
        &mut self,
        part: impl FnOnce(&mut SqliteConnection) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.connection.run(part).inspect_err(|_| self.ledger.forget_all())
    }
}

impl Handler<BeginSealing> for Writer {
    type Result = Result<Fresh, StorageError>;

    fn handle(&mut self, _: BeginSealing, _: &mut Self::Context) -> Self::Result {
        let is_under_way = self.seal(seal::begin)?;
        self.ledger.sealing(is_under_way);
        Ok(self.ledger.fresh())
    }
}

impl Handler<Publish> for Writer {
    type Result = Result<Published, StorageError>;

    fn handle(&mut self, Publish(mut slice): Publish, _: &mut Self::Context) -> Self::Result {
        let portion = self.seal(|connection| seal::publish(connection, &mut slice, unix_ms()))?;
        self.ledger.sealed(portion.ticks);
        Ok(Published { slice, ticks: portion.ticks, fresh: self.ledger.fresh() })
    }
}

impl Handler<FinishSealing> for Writer {
    type Result = Result<Finished, StorageError>;

    fn handle(&mut self, _: FinishSealing, _: &mut Self::Context) -> Self::Result {
        let strays = self.seal(|connection| seal::finish(connection, unix_ms()))?;
        self.ledger.sealing(false);
        if strays > 0 {
            // Nor were the ids what this program has given.
            self.ledger.forget_all();
        }
        Ok(Finished { strays, fresh: self.ledger.fresh() })
    }
}

impl Handler<Retain> for Writer {
    type Result = Result<Progress, StorageError>;

    fn handle(&mut self, retain: Retain, _: &mut Self::Context) -> Self::Result {
        let Retain { retention, progress } = retain;
        self.connection
            .run(|connection| retention::step(connection, retention, progress, unix_ms()))
    }
}

impl Handler<Close> for Writer {
    type Result = ();

    fn handle(&mut self, _: Close, _: &mut Self::Context) {
        // Best effort: the time since the last commit is unknown otherwise.
        let ledger = &mut self.ledger;
        let _ = self.connection.run(|connection| ledger.commit(connection, &[], unix_ms()));
        if let Some(mut connection) = self.connection.take() {
            // Best effort: the log is folded in at the next start otherwise.
            let _ = connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }
}
