//! The readers: they answer queries on stores that cannot write, each on its own thread.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::actors::messages::store::Ask;
use crate::actors::runtime::Lifeline;
use crate::actors::store::reopening::Reopening;
use crate::storage::port::{Query, StoreRead};
use crate::storage::{StorageError, StoreAccess};

/// Most queries that run or are queued at once.
const READS_LIMIT: usize = 256;

/// Pause before a reader tries again to reach a server that it could not reach.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// Limits the queries to the reader threads. Clones share the limit.
#[derive(Clone)]
pub struct Readers {
    readers: Addr<Reader>,
    permits: Arc<Semaphore>,
    deadline: Option<Duration>,
}

impl Readers {
    /// A query whose answer takes longer than `deadline` is given up; one that has not begun then
    /// never runs.
    pub fn new(readers: Addr<Reader>, deadline: Option<Duration>) -> Self {
        Self { readers, permits: Arc::new(Semaphore::new(READS_LIMIT)), deadline }
    }

    /// Fails with `Busy` at once when [`READS_LIMIT`] queries are under way.
    pub fn ask<Q: Query>(
        &self,
        ask: Ask<Q>,
    ) -> impl Future<Output = Result<Q::Answer, StorageError>> + use<Q> {
        let reserved = Arc::clone(&self.permits)
            .try_acquire_owned()
            .map(|permit| (permit, self.readers.send(ask)));
        let deadline = self.deadline;
        async move {
            let (_permit, answer) = reserved.map_err(|_| StorageError::Busy)?;
            let answer = match deadline {
                None => answer.await,
                Some(limit) => timeout(limit, answer).await.map_err(|_| {
                    let why = format!("it did not answer within {} s", limit.as_secs());
                    StorageError::Unavailable(why)
                })?,
            };
            answer.unwrap_or_else(|_| {
                Err(StorageError::Unavailable("the reader has died".to_owned()))
            })
        }
    }
}

/// Owns a store that cannot write.
pub struct Reader {
    store: Reopening<dyn StoreRead>,
    _lifeline: Lifeline,
}

impl Reader {
    pub fn new(access: StoreAccess, lifeline: Lifeline) -> Self {
        let pause = if access.is_remote() { REOPEN_PAUSE } else { Duration::ZERO };
        let store = Reopening::new(access, StoreAccess::reader).with_pause(pause);
        Self { store, _lifeline: lifeline }
    }
}

impl Actor for Reader {
    type Context = SyncContext<Self>;
}

impl<Q: Query> Handler<Ask<Q>> for Reader {
    type Result = Result<Q::Answer, StorageError>;

    fn handle(&mut self, Ask(query): Ask<Q>, _: &mut Self::Context) -> Self::Result {
        self.store.run(|store| query.run(store))
    }
}
