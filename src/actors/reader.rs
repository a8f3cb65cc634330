//! A reader: answers questions on a connection that cannot write.

use actix::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::Lifeline;
use crate::storage::reader::Query;
use crate::storage::{StorageError, connection};

/// Owns a connection, opened when it is first needed and again after it failed.
pub struct Reader {
    path: String,
    connection: Option<SqliteConnection>,
    _lifeline: Lifeline,
}

impl Reader {
    /// A reader of the file at `path`.
    pub fn new(path: String, lifeline: Lifeline) -> Self {
        Self { path, connection: None, _lifeline: lifeline }
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, StorageError> {
        if self.connection.is_none() {
            let opened = connection::reader(&self.path)
                .map_err(|error| StorageError::Unavailable(error.to_string()))?;
            self.connection = Some(opened);
        }
        self.connection.as_mut().ok_or(StorageError::Busy)
    }
}

/// Query from HTTP to the recorder, and from the recorder to a reader. If the one who asked has gone, it is dropped.
#[derive(Debug)]
pub struct Ask<Q>(pub Q);

impl<Q: Query> Message for Ask<Q> {
    type Result = Result<Q::Answer, StorageError>;
}

impl Actor for Reader {
    type Context = SyncContext<Self>;
}

impl<Q: Query> Handler<Ask<Q>> for Reader {
    type Result = Result<Q::Answer, StorageError>;

    fn handle(&mut self, Ask(query): Ask<Q>, _: &mut Self::Context) -> Self::Result {
        let answer = query.run(self.connection()?);
        if matches!(answer, Err(StorageError::Unavailable(_))) {
            self.connection = None;
        }
        answer
    }
}
