//! A file that receives a copy of a store.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::cold::audit;
use super::cold::transfer::{moves, rows::Buffer};
use super::connection::{connect, set};
use super::files::{absolute, escaped, explain, has_beside, is_new, unusable};
use super::lock::FileLock;
use super::migrations::{self, Version};
use super::offline::OfflineStore;
use super::rows::{NewChunkRow, NewRollupRow, TickRow};
use super::schema::{service_metrics, service_rollups, service_tick_chunks, service_ticks};
use super::store::{has_tables, set_up_if_empty};
use super::transfer;
use crate::domain::ServiceId;
use crate::domain::audit::AuditEntry;
use crate::storage::error::{OpenError, StorageError};
use crate::storage::port::Result;
use crate::storage::transfer::moving::{Begun, MoveSource};
use crate::storage::transfer::target_error::TargetError;
use crate::storage::transfer::{
    EachRow, MoveTarget, Progress, Row, StoreCopy, StoreState, TickCopy, TransferSource,
    TransferTarget,
};

type Manager = AnsiTransactionManager;

/// PRAGMAs for a file that is removed when the copy fails. The caller syncs it.
const COPYING: [&str; 4] =
    ["journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -65536"];

/// PRAGMAs for a file that stays whole when the process is killed. Without a write-ahead log, each
/// page is written once; a journal has the few pages that a portion changes.
const MOVING: [&str; 3] = ["journal_mode = DELETE", "synchronous = FULL", "cache_size = -65536"];

/// A file that is being filled.
pub struct TargetFile {
    connection: SqliteConnection,
    /// Of a move: the name of this process.
    mover: Option<String>,
    next_tick_id: i64,
    /// The newest tick of each service of the portion.
    newest_ticks: HashMap<i64, i64>,
    buffer: Buffer,
    /// After the connection, which loses its locks when this is dropped.
    _lock: Option<FileLock>,
}

impl TargetFile {
    /// Creates the tables in `file`, which must be empty and unused. For a copy that is removed
    /// when it fails.
    pub fn create(file: &Path) -> std::result::Result<Self, String> {
        let path = file.to_str().ok_or("its path is not UTF-8")?;
        let mut connection = connect(path).map_err(|error| error.to_string())?;
        set(&mut connection, &COPYING)
            .and_then(|()| set_up_if_empty(&mut connection))
            .map_err(|error| error.to_string())?;
        migrations::run(&mut connection)?;
        Ok(Self::new(connection, None, None))
    }

    /// Opens a file for a move: an empty one, or one with an unfinished move of the same store.
    /// Another file is unchanged. No service uses the file until this is dropped, nor until the
    /// move is finished.
    pub fn open(file: &Path, from: &MoveSource) -> std::result::Result<(Self, Begun), OpenError> {
        let path = absolute(file).map_err(|error| unusable(file, error))?;
        let text = path.to_str().ok_or_else(|| unusable(file, "its path is not UTF-8"))?.to_owned();
        // Before the lock, so that no lock file is created beside a foreign file; and again after.
        is_new(file, &path)?;
        let mut lock = FileLock::acquire(file)?;
        let is_new = is_new(file, &path)?;
        // A killed move leaves a journal; only a connection that may write can roll it back.
        if !is_new && !has_beside(&path, "-journal") {
            let mut found = OfflineStore::open_unchecked(file)?;
            look(&mut found.connection, from).map_err(|error| unusable(file, error))?;
        }
        lock.create_database()?;
        let uri = format!("file:{}?mode=rw", escaped(&text));
        let mut connection = connect(&uri).map_err(|error| explain(file, &error))?;
        let begun = look(&mut connection, from).map_err(|error| unusable(file, error))?;
        set(&mut connection, &MOVING)
            .and_then(|()| set_up_if_empty(&mut connection))
            .map_err(|error| explain(file, &error))?;
        let mover = format!("{:016x}", RandomState::new().hash_one(0));
        connection
            .immediate_transaction(|connection| {
                if begun == Begun::New {
                    migrations::create(connection)?;
                }
                moves::begin(connection, from, &mover, begun)
            })
            .map_err(|error: StorageError| unusable(file, error))?;
        Ok((Self::new(connection, Some(mover), Some(lock)), begun))
    }

    fn new(connection: SqliteConnection, mover: Option<String>, lock: Option<FileLock>) -> Self {
        Self {
            connection,
            mover,
            next_tick_id: 1,
            newest_ticks: HashMap::new(),
            buffer: Buffer::default(),
            _lock: lock,
        }
    }

    fn add_tick(&mut self, copy: &TickCopy) -> Result<()> {
        let TickCopy { service_id, tick, .. } = copy;
        let id = self.next_tick_id;
        self.next_tick_id += 1;
        let previous = self.newest_ticks.insert(*service_id, id);
        let row = TickRow::new(id, known_id(*service_id)?, previous, tick);
        row.insert(&mut self.connection)?;
        Ok(())
    }

    /// Writes what the transaction has not written yet.
    fn flush(&mut self) -> Result<()> {
        self.buffer.flush(&mut self.connection)?;
        for (service_id, tick_id) in self.newest_ticks.drain() {
            diesel::update(service_metrics::table.find(service_id))
                .set(service_metrics::latest_tick_id.eq(tick_id))
                .execute(&mut self.connection)?;
        }
        Ok(())
    }
}

/// What a move finds in a file.
fn look(
    connection: &mut SqliteConnection,
    from: &MoveSource,
) -> std::result::Result<Begun, TargetError> {
    if !has_tables(connection)? {
        return Ok(Begun::New);
    }
    match migrations::version_of_tables(connection) {
        Ok(Version::Current) => moves::look(connection, from),
        Ok(Version::Older) | Err(_) => Err(TargetError::NotEmpty),
    }
}

impl TransferTarget for TargetFile {
    fn begin(&mut self) -> Result<()> {
        Manager::begin_transaction(&mut self.connection)?;
        let newest: Option<i64> = service_ticks::table
            .select(diesel::dsl::max(service_ticks::id))
            .first(&mut self.connection)?;
        self.next_tick_id = newest.unwrap_or_default() + 1;
        Ok(())
    }

    fn add(&mut self, row: Row) -> Result<()> {
        match row {
            Row::Plain(row) => self.buffer.add(&mut self.connection, *row),
            Row::Tick(tick) => self.add_tick(&tick),
            Row::Rollup(service_id, rollup) => {
                let row = NewRollupRow::new(known_id(service_id)?, &rollup);
                let insert = diesel::insert_into(service_rollups::table).values(row);
                insert.execute(&mut self.connection).map(drop).map_err(Into::into)
            }
            Row::Chunk(service_id, chunk) => {
                let row = NewChunkRow::new(known_id(service_id)?, &chunk);
                let insert = diesel::insert_into(service_tick_chunks::table).values(row);
                insert.execute(&mut self.connection).map(drop).map_err(Into::into)
            }
            // The file has one mark, which `set_store` sets.
            Row::SealedEvents { .. } => Ok(()),
        }
    }

    fn set_store(&mut self, store: &StoreCopy) -> Result<()> {
        self.flush()?;
        transfer::set_store(&mut self.connection, store)
    }

    fn note(&mut self, progress: Progress) -> Result<()> {
        match &self.mover {
            Some(mover) => moves::note(&mut self.connection, mover, progress),
            // A copy that is removed when it fails.
            None => Ok(()),
        }
    }

    fn commit(&mut self) -> Result<()> {
        self.flush()?;
        Ok(Manager::commit_transaction(&mut self.connection)?)
    }
}

impl TransferSource for TargetFile {
    fn state(&mut self) -> Result<StoreState> {
        self.connection.state()
    }

    fn service_count(&mut self) -> Result<u64> {
        self.connection.service_count()
    }

    fn store(&mut self) -> Result<StoreCopy> {
        self.connection.store()
    }

    fn portion(&mut self, after: i64, limit: usize, each: &mut EachRow<'_>) -> Result<Option<i64>> {
        self.connection.portion(after, limit, each)
    }

    fn others(&mut self, each: &mut EachRow<'_>) -> Result<()> {
        self.connection.others(each)
    }
}

impl MoveTarget for TargetFile {
    fn finish(&mut self, audited: &AuditEntry) -> Result<()> {
        let mover = self.mover.as_deref().unwrap_or_default();
        self.connection.immediate_transaction(|connection| {
            moves::finish(connection, mover, audited.at_ms)?;
            audit::write(connection, std::slice::from_ref(audited))
        })
    }

    fn forget(&mut self) -> Result<()> {
        moves::forget(&mut self.connection, self.mover.as_deref().unwrap_or_default())
    }
}

fn known_id(id: i64) -> Result<ServiceId> {
    ServiceId::new(id).ok_or_else(|| StorageError::Unreadable(format!("services has the id {id}")))
}
