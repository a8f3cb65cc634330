//! A reader: answers questions on a connection that cannot write.

use actix::prelude::*;

use super::Lifeline;
use crate::storage::StorageError;
use crate::storage::connection;
use crate::storage::connection::Reopening;
use crate::storage::reader::Query;

/// Owns a connection.
pub struct Reader {
    connection: Reopening,
    _lifeline: Lifeline,
}

impl Reader {
    /// A reader of the file at `path`.
    pub fn new(path: String, lifeline: Lifeline) -> Self {
        Self { connection: Reopening::new(path, connection::reader), _lifeline: lifeline }
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
        self.connection.run(|connection| query.run(connection))
    }
}
