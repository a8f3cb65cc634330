//! A connection as a store: calls with a deadline, transactions, and the fence of its writes.

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::{SimpleConnection, TransactionManager};

use super::connection::{Connection, Mode, StoreConnection};
use super::instance::{Instance, Write};
use super::settings::Settings;
use crate::domain::ShardSet;
use crate::storage::error::StorageError;
use crate::storage::port::Result;

type Manager = <StoreConnection as diesel::Connection>::TransactionManager;

/// Longest time of a call.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// Longest time of a call that may change every service.
pub(super) const BULK_CALL_LIMIT: Duration = Duration::from_secs(120);

const NO_STATEMENT_LIMIT: &str = "SET statement_timeout = 0";

/// The statements of a store are few and the same for ever, so none is planned twice; and none is
/// worth compiling. A merge join would read the metrics from the first service on for each page of
/// a list.
const PLANNING: &str =
    "SET plan_cache_mode = force_generic_plan; SET jit = off; SET enable_mergejoin = off";

/// Statements of the writer look rows up by their keys, whatever the statistics say: those are
/// missing or old exactly when much has just been written.
const WRITER_PLANNING: &str =
    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off";

/// A store on one connection, which is opened again when the server has closed it while idle.
pub struct PostgresStore {
    pub(super) connection: Connection,
    settings: Arc<Settings>,
    mode: Mode,
    /// `None` beside a running service.
    pub(super) instance: Option<Arc<Instance>>,
    /// Longest time of a call; `None` for no limit.
    limit: Option<Duration>,
    /// Calls under way: the first one has the deadline.
    depth: u32,
}

impl PostgresStore {
    /// A store that only reads; of a running service with its instance.
    pub fn reader(settings: Arc<Settings>, instance: Option<Arc<Instance>>) -> Result<Self> {
        Self::open(settings, Mode::Read, instance)
    }

    /// The store that writes as `instance`. There is one at a time.
    pub fn writer(settings: Arc<Settings>, instance: Arc<Instance>) -> Result<Self> {
        Self::open(settings, Mode::Write, Some(instance))
    }

    /// A store beside the writer of `instance`, for what needs no fence.
    pub fn coordinator(settings: Arc<Settings>, instance: Arc<Instance>) -> Result<Self> {
        Self::open(settings, Mode::Write, Some(instance))
    }

    fn open(settings: Arc<Settings>, mode: Mode, instance: Option<Arc<Instance>>) -> Result<Self> {
        let connection = connect(&settings, mode, Some(CALL_LIMIT), instance.as_deref())?;
        Ok(Self { connection, settings, mode, instance, limit: Some(CALL_LIMIT), depth: 0 })
    }

    /// The same store with another limit for its calls.
    pub fn with_limit(self, limit: Option<Duration>) -> Self {
        Self { limit, ..self }
    }

    /// The same store without a limit for its calls and statements, for commands.
    pub fn without_limit(mut self) -> Result<Self> {
        self.connection.batch_execute(NO_STATEMENT_LIMIT)?;
        Ok(self.with_limit(None))
    }

    /// Runs `work` within one deadline.
    pub(super) fn call<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth > 0 {
            return work(self);
        }
        if self.connection.is_closed() {
            let instance = self.instance.as_deref();
            self.connection = connect(&self.settings, self.mode, self.limit, instance)?;
        }
        self.connection.limit(self.limit);
        self.depth += 1;
        let done = work(self);
        self.depth -= 1;
        self.connection.limit(None);
        match (done, self.connection.end()) {
            // The end of the connection says more than the error of a statement that met it.
            (Err(StorageError::Unavailable(_)), Some(why)) => Err(StorageError::Unavailable(why)),
            (done, _) => done,
        }
    }

    /// As [`write`](Self::write), for a write that may change every service.
    pub(super) fn write_bulk<T>(
        &mut self,
        committed_at_ms: Option<i64>,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.write_within(Some(BULK_CALL_LIMIT), committed_at_ms, work)
    }

    /// As [`write`](Self::write), with at least this limit, or with none.
    pub(super) fn write_within<T>(
        &mut self,
        limit: Option<Duration>,
        committed_at_ms: Option<i64>,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let usual = self.limit;
        self.limit = usual.zip(limit).map(|(usual, limit)| usual.max(limit));
        let done = self.write(committed_at_ms, |store| {
            store.connection.batch_execute("SET LOCAL statement_timeout = 0")?;
            work(store)
        });
        self.limit = usual;
        done
    }

    /// Runs statements within one deadline.
    pub(super) fn run<T>(
        &mut self,
        work: impl FnOnce(&mut StoreConnection) -> Result<T>,
    ) -> Result<T> {
        self.call(|store| work(&mut store.connection))
    }

    /// Runs `work` in one transaction; on a store that only reads, on one snapshot.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.call(|store| {
            store.connection.begin()?;
            match work(store) {
                Ok(done) => {
                    Manager::commit_transaction(&mut *store.connection)?;
                    Ok(done)
                }
                Err(error) => {
                    // The connection is dropped when this fails, too.
                    let _ = Manager::rollback_transaction(&mut *store.connection);
                    Err(error)
                }
            }
        })
    }

    /// Runs `work` in one transaction behind the fence. `committed_at_ms` moves the liveness mark.
    pub(super) fn write<T>(
        &mut self,
        committed_at_ms: Option<i64>,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.numbered(Write::Other, |store, instance| {
            store.transaction(|store| {
                instance.pass_fence(&mut store.connection, committed_at_ms)?;
                work(store)
            })
        })
    }

    /// Runs a write that takes the next number of the instance.
    pub(super) fn numbered<T>(
        &mut self,
        kind: Write,
        write: impl FnOnce(&mut Self, &Instance) -> Result<T>,
    ) -> Result<T> {
        let instance = self.instance()?;
        self.call(|store| {
            instance.settle(&mut store.connection)?;
            let done = write(store, &instance);
            instance.note(kind, &done);
            done
        })
    }

    /// The shards that this instance may write to; without an instance, all.
    pub(super) fn owned(&self) -> ShardSet {
        self.instance.as_ref().map_or(ShardSet::ALL, |instance| instance.owned.get())
    }

    pub(super) fn instance(&self) -> Result<Arc<Instance>> {
        let instance = self.instance.clone();
        instance.ok_or_else(|| StorageError::Conflict("no instance writes here".to_owned()))
    }
}

fn connect(
    settings: &Settings,
    mode: Mode,
    limit: Option<Duration>,
    instance: Option<&Instance>,
) -> Result<Connection> {
    let unavailable = |error: &dyn ToString| StorageError::Unavailable(error.to_string());
    let mut connection = Connection::open(settings, mode).map_err(|error| unavailable(&error))?;
    connection.limit(limit);
    if let Some(instance) = instance {
        instance.check_store(&mut connection)?;
    }
    connection.batch_execute(PLANNING).map_err(|error| unavailable(&error))?;
    if limit.is_none() {
        connection.batch_execute(NO_STATEMENT_LIMIT).map_err(|error| unavailable(&error))?;
    }
    if mode == Mode::Write {
        connection.batch_execute(WRITER_PLANNING).map_err(|error| unavailable(&error))?;
    }
    connection.limit(None);
    Ok(connection)
}
