//! A database that receives a move.

use std::hash::{BuildHasher, RandomState};
use std::mem::take;
use std::thread;
use std::time::{Duration, Instant};

use diesel::Connection as _;
use diesel::connection::{SimpleConnection, TransactionManager};

use super::cold::audit;
use super::cold::transfer::{moves, rows::Buffer};
use super::columns::Ticks;
use super::connection::{Connection, Mode, StoreConnection};
use super::import::insert_ticks;
use super::migrations;
use super::migrations::Version;
use super::registration::lock_migrations;
use super::rollup_columns::{EventColumns, RollupColumns};
use super::sealing::ChunkColumns;
use super::settings::Settings;
use super::start_checks;
use super::start_checks::Content;
use super::start_error::StartError;
use super::transfer;
use crate::clock::unix_ms;
use crate::domain::ServiceId;
use crate::domain::audit::AuditEntry;
use crate::storage::error::{OpenError, StorageError};
use crate::storage::history::rows::{NewChunk, Rollup};
use crate::storage::port::Result;
use crate::storage::transfer::moving::{Begun, MoveSource};
use crate::storage::transfer::target_error::TargetError;
use crate::storage::transfer::{
    EachRow, MoveTarget, Progress, Row, StoreCopy, StoreState, TransferSource, TransferTarget,
};

type Manager = <StoreConnection as diesel::Connection>::TransactionManager;

/// Longest wait for another process that migrates.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pause between two attempts.
const RETRY_EVERY: Duration = Duration::from_millis(200);

/// Ticks that are written at once.
const TICKS: usize = 4_096;

/// Roll-ups that are written at once.
const ROLLUPS: usize = 1_024;

/// Sealed ticks that are written at once, in bytes.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// A portion may take any time. Tables that have just been filled have no statistics, and every row
/// is found by its key.
const SESSION: &str = "\
    SET statement_timeout = 0; SET jit = off; \
    SET enable_seqscan = off; SET enable_bitmapscan = off";

/// A database that is being filled. Its connection is not opened again when it ends: the next move
/// goes on.
pub struct TargetDatabase {
    connection: Connection,
    /// The name of this process.
    mover: String,
    buffer: Buffer,
    ticks: Ticks,
    rollups: RollupColumns,
    rollup_count: usize,
    chunks: ChunkColumns,
    chunk_bytes: usize,
    sealed_events: EventColumns,
}

impl TargetDatabase {
    /// Opens a database for a move: an empty schema, or one with an unfinished move of the same
    /// store. Another one is unchanged. No service uses it until the move is finished.
    pub fn open(
        settings: &Settings,
        from: &MoveSource,
    ) -> std::result::Result<(Self, Begun), OpenError> {
        let refused = |why| OpenError::Database { database: settings.shown(), why };
        Self::connect(settings, from).map_err(refused)
    }

    fn connect(
        settings: &Settings,
        from: &MoveSource,
    ) -> std::result::Result<(Self, Begun), StartError> {
        let mut connection = Connection::open(settings, Mode::Write)?;
        start_checks::check_server(&mut connection)?;
        connection.batch_execute(SESSION)?;
        let mover = format!("{:016x}", RandomState::new().hash_one(0));
        let since = Instant::now();
        let begun = loop {
            let begun = connection.transaction(|connection| begin(connection, from, &mover));
            let begun = begun.map_err(|error| match connection.end() {
                Some(why) => StartError::Interrupted(why),
                None => error,
            })?;
            match begun {
                Some(begun) => break begun,
                None if since.elapsed() >= PATIENCE => {
                    let why = "another process migrates its tables";
                    return Err(StartError::Interrupted(why.to_owned()));
                }
                None => thread::sleep(RETRY_EVERY),
            }
        };
        let target = Self {
            connection,
            mover,
            buffer: Buffer::default(),
            ticks: Ticks::default(),
            rollups: RollupColumns::default(),
            rollup_count: 0,
            chunks: ChunkColumns::default(),
            chunk_bytes: 0,
            sealed_events: EventColumns::default(),
        };
        Ok((target, begun))
    }

    /// Runs a part of the move. When the connection has ended, the error says why.
    fn run<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        work(self).map_err(|error| match (error, self.connection.end()) {
            (StorageError::Unavailable(_), Some(why)) => StorageError::Unavailable(why),
            (error, _) => error,
        })
    }

    fn add_rollup(&mut self, service_id: i64, rollup: &Rollup) -> Result<()> {
        let id = ServiceId::new(service_id).ok_or_else(|| {
            StorageError::Unreadable(format!("service_rollups has the service {service_id}"))
        })?;
        self.rollups.push(id, rollup);
        self.rollup_count += 1;
        if self.rollup_count < ROLLUPS { Ok(()) } else { self.write_rollups() }
    }

    fn write_rollups(&mut self) -> Result<()> {
        self.rollup_count = 0;
        take(&mut self.rollups).insert(&mut self.connection)
    }

    fn add_chunk(&mut self, service_id: i64, chunk: &NewChunk) -> Result<()> {
        self.chunks.push(service_id, chunk);
        self.chunk_bytes += chunk.data.len();
        if self.chunk_bytes < CHUNK_BYTES { Ok(()) } else { self.write_chunks() }
    }

    fn write_chunks(&mut self) -> Result<()> {
        self.chunk_bytes = 0;
        take(&mut self.chunks).insert(&mut self.connection)
    }

    fn write_ticks(&mut self) -> Result<()> {
        let ticks = take(&mut self.ticks);
        if ticks.service_id.is_empty() { Ok(()) } else { insert_ticks(&mut self.connection, ticks) }
    }

    /// Writes what the transaction has not written yet.
    fn flush(&mut self) -> Result<()> {
        self.buffer.flush(&mut self.connection)?;
        take(&mut self.sealed_events).write(&mut self.connection)?;
        self.write_ticks()?;
        self.write_rollups()?;
        self.write_chunks()
    }
}

/// Begins the move in the transaction of the caller, which is also that of the tables. `None` while
/// another process migrates, or the server has not noticed yet that it was killed.
fn begin(
    connection: &mut StoreConnection,
    from: &MoveSource,
    mover: &str,
) -> std::result::Result<Option<Begun>, StartError> {
    if !lock_migrations(connection)? {
        return Ok(None);
    }
    let begun = match start_checks::inspect(connection)? {
        Content::Empty => {
            migrations::run(connection)?;
            Begun::New
        }
        Content::Store(Version::Older) => return Err(TargetError::NotEmpty.into()),
        Content::Store(Version::Current) => {
            // A portion of a killed process may still be committed; that is waited for.
            connection.batch_execute("SELECT FROM moves FOR UPDATE")?;
            moves::look(connection, from)?
        }
    };
    let failed = |error: StorageError| StartError::Failed(error.to_string());
    moves::begin(connection, from, mover, begun).map_err(failed)?;
    Ok(Some(begun))
}

impl TransferTarget for TargetDatabase {
    fn begin(&mut self) -> Result<()> {
        self.run(|target| Ok(target.connection.begin()?))
    }

    fn add(&mut self, row: Row) -> Result<()> {
        self.run(|target| match row {
            Row::Plain(row) => target.buffer.add(&mut target.connection, *row),
            Row::Tick(copy) => {
                target.ticks.push(copy.service_id, copy.seq, &copy.tick);
                if target.ticks.service_id.len() < TICKS { Ok(()) } else { target.write_ticks() }
            }
            Row::Rollup(service_id, rollup) => target.add_rollup(service_id, &rollup),
            Row::Chunk(service_id, chunk) => target.add_chunk(service_id, &chunk),
            Row::SealedEvents { service_id, event_id } => {
                target.sealed_events.push(service_id, event_id);
                Ok(())
            }
        })
    }

    fn set_store(&mut self, store: &StoreCopy) -> Result<()> {
        self.run(|target| {
            target.flush()?;
            transfer::set_store(&mut target.connection, store, unix_ms())
        })
    }

    fn note(&mut self, progress: Progress) -> Result<()> {
        self.run(|target| moves::note(&mut target.connection, &target.mover, progress))
    }

    fn commit(&mut self) -> Result<()> {
        self.run(|target| {
            target.flush()?;
            Ok(Manager::commit_transaction(&mut *target.connection)?)
        })
    }
}

impl TransferSource for TargetDatabase {
    fn state(&mut self) -> Result<StoreState> {
        self.run(|target| target.connection.state())
    }

    fn service_count(&mut self) -> Result<u64> {
        self.run(|target| target.connection.service_count())
    }

    fn store(&mut self) -> Result<StoreCopy> {
        self.run(|target| target.connection.store())
    }

    fn portion(&mut self, after: i64, limit: usize, each: &mut EachRow<'_>) -> Result<Option<i64>> {
        self.run(|target| target.connection.portion(after, limit, each))
    }

    fn others(&mut self, each: &mut EachRow<'_>) -> Result<()> {
        self.run(|target| target.connection.others(each))
    }
}

impl MoveTarget for TargetDatabase {
    fn finish(&mut self, audited: &AuditEntry) -> Result<()> {
        self.run(|target| {
            target.connection.begin()?;
            moves::finish(&mut target.connection, &target.mover, audited.at_ms)?;
            audit::write(&mut target.connection, std::slice::from_ref(audited))?;
            Ok(Manager::commit_transaction(&mut *target.connection)?)
        })
    }

    fn forget(&mut self) -> Result<()> {
        self.run(|target| moves::forget(&mut target.connection, &target.mover))
    }
}
