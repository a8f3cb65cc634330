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
        if matches!(written, Err(StorageError::Unavailable(_))) {
            self.connection = None;
        }
        written
    }
}

/// Command from the recorder: write this group as one transaction. The reply means that it is on the disk; after an
/// error nothing of it is, and the group comes back.
#[derive(Debug, Message)]
#[rtype(result = "Result<Committed, NotCommitted>")]
pub struct Commit {
    /// What to write; an empty group only moves the liveness mark.
    pub group: Vec<Outcome>,
}

/// A group that is not in the store.
#[derive(Debug)]
pub struct NotCommitted {
    /// The group.
    pub group: Vec<Outcome>,
    /// Why.
    pub error: StorageError,
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
    type Result = Result<Committed, NotCommitted>;

    fn handle(&mut self, Commit { group }: Commit, _: &mut Self::Context) -> Self::Result {
        fail::fail_point!("writer");
        self.write(|connection, ledger| ledger.commit(connection, &group, unix_ms()))
            .map_err(|error| NotCommitted { group, error })
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
