//! The writer: the one connection that writes, on a thread of its own.

use actix::prelude::*;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;

use super::Lifeline;
use crate::domain::Outcome;
use crate::probe::unix_ms;
use crate::storage::ledger::{Committed, Ledger};
use crate::storage::writer::{Applied, Change, apply};
use crate::storage::{StorageError, connection};

/// Owns the connection, opened when it is first needed and again after a write failed: a transaction that broke off
/// leaves nothing behind that way.
pub struct Writer {
    path: String,
    connection: Option<SqliteConnection>,
    ledger: Ledger,
    _lifeline: Lifeline,
}

impl Writer {
    /// A writer to the file at `path`.
    pub fn new(path: String, lifeline: Lifeline) -> Self {
        Self { path, connection: None, ledger: Ledger::default(), _lifeline: lifeline }
    }

    fn write<T>(
        &mut self,
        write: impl FnOnce(&mut SqliteConnection, &mut Ledger) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if self.connection.is_none() {
            let opened = connection::writer(&self.path)
                .map_err(|error| StorageError::Unavailable(error.to_string()))?;
            self.connection = Some(opened);
        }
        let open = self.connection.as_mut().ok_or(StorageError::Busy)?;
        let written = write(open, &mut self.ledger);
        match &written {
            Ok(_) => {}
            // Whether an error undid the transaction, or came after it was kept, the rows know.
            Err(StorageError::Unavailable(_)) => {
                self.connection = None;
                self.ledger = Ledger::default();
            }
            Err(_) => self.ledger = Ledger::default(),
        }
        written
    }
}

/// Command from the recorder: write this group as one transaction. The reply says what is on the disk, and what is not and
/// comes back.
#[derive(Debug, Message)]
#[rtype(result = "CommitDone")]
pub struct Commit {
    /// What to write; an empty group only moves the liveness mark.
    pub group: Vec<Outcome>,
}

/// What became of a group.
#[derive(Debug, Default)]
pub struct CommitDone {
    /// What is on the disk.
    pub committed: Committed,
    /// What is not, if the store did not take all of it.
    pub failed: Option<NotCommitted>,
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

/// Command from the recorder, the last one: fold the write-ahead log into the file and close it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Close;

impl Actor for Writer {
    type Context = SyncContext<Self>;
}

impl Handler<Commit> for Writer {
    type Result = MessageResult<Commit>;

    fn handle(&mut self, Commit { group }: Commit, _: &mut Self::Context) -> Self::Result {
        fail::fail_point!("writer");
        let mut done = CommitDone::default();
        // One transaction, as a rule. A group with an outcome that contradicts the store is halved until that one is alone,
        // so that it takes nobody with it.
        let mut waiting = vec![group];
        while let Some(mut group) = waiting.pop() {
            let written =
                self.write(|connection, ledger| ledger.commit(connection, &group, unix_ms()));
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
        MessageResult(done)
    }
}

impl Handler<MakeChange> for Writer {
    type Result = Result<Applied, StorageError>;

    fn handle(&mut self, MakeChange(change): MakeChange, _: &mut Self::Context) -> Self::Result {
        self.write(|connection, ledger| {
            let applied = apply(connection, change, unix_ms())?;
            ledger.forget(applied.id);
            Ok(applied)
        })
    }
}

impl Handler<Close> for Writer {
    type Result = ();

    fn handle(&mut self, _: Close, _: &mut Self::Context) {
        if let Some(mut connection) = self.connection.take() {
            // Best effort: the log is folded in at the next start otherwise.
            let _ = connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }
}
