//! Database files outside of a running service: read without a trace, checked, copied, migrated,
//! and closed before they are moved.

use std::path::Path;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use super::connection::{Line, connect};
use super::files::{absolute, escaped, explain, has_beside, is_new, unusable};
use super::lock::FileLock;
use super::migrations;
use crate::domain::audit::AuditEntry;
use crate::storage::audit::port::AuditWrite;
use crate::storage::error::{OpenError, StorageError};
use crate::storage::port::StoreRead;
use crate::storage::transfer::TransferSource;

pub use super::migrations::Version;

/// Number of services and ticks in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Counts {
    /// Deleted ones included.
    #[diesel(sql_type = BigInt)]
    pub services: i64,
    /// Fresh and sealed.
    #[diesel(sql_type = BigInt)]
    pub ticks: i64,
}

/// A database that is open for reading, whether a service uses it or not.
pub struct OfflineStore {
    pub(super) connection: SqliteConnection,
}

impl OfflineStore {
    /// Opens a database of this program. Creates no file, and changes none.
    ///
    /// With a log beside the file, the connection is read-only, so that it never checkpoints the
    /// log. Without one it opens the file as a writer would, since only a writer removes the files
    /// that SQLite creates beside it; there is nothing to checkpoint then.
    pub fn open(file: &Path) -> Result<Self, OpenError> {
        let path = absolute(file).map_err(|error| unusable(file, error))?;
        if is_new(file, &path)? {
            let why = if path.exists() { "it is empty" } else { "there is no such file" };
            return Err(unusable(file, why));
        }
        Self::open_unchecked(file)
    }

    /// As [`open`](Self::open), without checking the head of the file.
    pub fn open_unchecked(file: &Path) -> Result<Self, OpenError> {
        let path = file.canonicalize().map_err(|error| unusable(file, error))?;
        let text = path.to_str().ok_or_else(|| unusable(file, "its path is not UTF-8"))?;
        let uri = |mode: &str| format!("file:{}?mode={mode}", escaped(text));
        let has_log = has_beside(&path, "-wal") || has_beside(&path, "-journal");
        let opened = read_only(&uri(if has_log { "ro" } else { "rw" }));
        let is_write_protected = |error: &dyn std::error::Error| {
            let message = error.to_string();
            message.contains("unable to open") || message.contains("readonly")
        };
        let connection = match opened {
            // In a folder that is write-protected, no service of this user can run meanwhile.
            Err(error) if !has_log && is_write_protected(&*error) => {
                read_only(&uri("ro&immutable=1"))
            }
            opened => opened,
        }
        .map_err(|error| explain(file, &*error))?;
        Ok(Self { connection })
    }

    /// Opens a copy that is not in use, and migrates it.
    pub fn migrate(copy: &Path) -> Result<Self, String> {
        let path = copy.to_str().ok_or("its path is not UTF-8")?;
        let mut connection = connect(path).map_err(|error| error.to_string())?;
        migrations::run(&mut connection)?;
        Ok(Self { connection })
    }

    /// Its rows. They can be read when the [`version`](Self::version) is the current one.
    pub fn rows(&mut self) -> &mut dyn StoreRead {
        &mut self.connection
    }

    /// Writes a row of the audit into a copy that is migrated.
    pub fn record_audit(&mut self, entry: &AuditEntry) -> Result<(), String> {
        let entries = std::slice::from_ref(entry);
        self.connection.record_audit(entries).map_err(|error| error.to_string())
    }

    /// Which version of this program wrote the tables; an error for a newer one.
    pub fn version(&mut self) -> Result<Version, String> {
        migrations::version(&mut self.connection)
    }

    /// Error unless the tables are those of this version of the program.
    pub fn require_current(&mut self) -> Result<(), String> {
        match self.version()? {
            Version::Current => Ok(()),
            Version::Older => {
                Err("it was written by an older version; start this version on it once".to_owned())
            }
        }
    }

    /// The problems that SQLite finds in the file, one sentence each, at most a hundred.
    pub fn damage(&mut self) -> Vec<String> {
        let check = diesel::sql_query("SELECT integrity_check AS line FROM pragma_integrity_check");
        match check.load::<Line>(&mut self.connection) {
            Ok(lines) => {
                lines.into_iter().map(|found| found.line).filter(|line| line != "ok").collect()
            }
            Err(error) => vec![error.to_string()],
        }
    }

    /// Writes the content at one moment to `copy`, an empty file; others may write meanwhile. The
    /// copy is packed and has no log. It is not synced.
    pub fn copy_to(&mut self, copy: &Path) -> Result<(), String> {
        let text = |error: diesel::result::Error| error.to_string();
        // It would keep SQLite from writing the copy too.
        self.connection.batch_execute("PRAGMA query_only = OFF").map_err(text)?;
        let copied = vacuum_into(&mut self.connection, copy);
        self.connection.batch_execute("PRAGMA query_only = ON").map_err(text)?;
        copied
    }

    /// Counts the rows, of an older version too, which has no sealed ticks or seals them at once.
    pub fn counts(&mut self) -> Result<Counts, String> {
        const SEALED: &str = " + (SELECT coalesce(sum(tick_count), 0) FROM service_tick_chunks)";
        let mut count = |fresh: &str, sealed: &str| {
            diesel::sql_query(format!(
                "SELECT (SELECT count(*) FROM services) AS services, \
                 (SELECT count(*) FROM {fresh}){sealed} AS ticks"
            ))
            .get_result(&mut self.connection)
        };
        count("fresh_ticks", SEALED)
            .or_else(|_| count("service_ticks", SEALED))
            .or_else(|_| count("service_ticks", ""))
            .map_err(|error| error.to_string())
    }
}

/// Writes the content at one moment to `copy`, an empty file, without the mark of a run: the
/// service that writes the database tells it from the copy.
pub(super) fn vacuum_into(connection: &mut SqliteConnection, copy: &Path) -> Result<(), String> {
    let path = copy.to_str().ok_or("its path is not UTF-8")?;
    let quoted = path.replace('\'', "''");
    let text = |error: &dyn std::error::Error| error.to_string();
    connection.batch_execute(&format!("VACUUM INTO '{quoted}'")).map_err(|error| text(&error))?;
    let mut copied = connect(path).map_err(|error| text(&error))?;
    // The caller syncs the copy, and removes it when this fails.
    let unmark = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA user_version = 0";
    copied.batch_execute(unmark).map_err(|error| text(&error))
}

/// A database of this version that no service uses until this is dropped. It is only read.
pub struct UnusedStore {
    connection: SqliteConnection,
    /// After the connection, which loses its locks when this is dropped.
    lock: FileLock,
}

impl UnusedStore {
    pub fn open(file: &Path) -> Result<Self, OpenError> {
        // Before the lock, so that no lock file is created beside a foreign file or none.
        drop(OfflineStore::open(file)?);
        let lock = FileLock::acquire(file)?;
        let mut store = OfflineStore::open(file)?;
        store.require_current().map_err(|why| unusable(file, why))?;
        Ok(Self { connection: store.connection, lock })
    }

    /// The absolute path of the file, without symbolic links.
    pub fn path(&self) -> &Path {
        self.lock.path()
    }

    /// Runs `work` on one snapshot.
    pub fn snapshot<T, E: From<StorageError>>(
        &mut self,
        work: impl FnOnce(&mut dyn TransferSource) -> Result<T, E>,
    ) -> Result<T, E> {
        let connection = &mut self.connection;
        AnsiTransactionManager::begin_transaction(connection).map_err(StorageError::from)?;
        let done = work(connection);
        // The connection is dropped when this fails.
        let _ = AnsiTransactionManager::rollback_transaction(connection);
        done
    }
}

/// A read-only connection, after a first read.
fn read_only(uri: &str) -> Result<SqliteConnection, Box<dyn std::error::Error>> {
    let mut connection = connect(uri)?;
    connection.batch_execute("PRAGMA query_only = ON")?;
    connection.batch_execute("SELECT count(*) FROM sqlite_schema")?;
    Ok(connection)
}

/// Locks every other process out of a database file until it is dropped.
pub struct ClosedFile {
    _connection: SqliteConnection,
}

impl ClosedFile {
    /// Checkpoints the log of an undamaged database, so that no file is left beside it. An error
    /// when another process has it open: a file must not be moved while SQLite uses it.
    pub fn close(file: &Path) -> Result<Self, String> {
        let path = file.to_str().ok_or("its path is not UTF-8")?;
        let text = |error: &dyn std::error::Error| error.to_string();
        let mut connection = connect(path).map_err(|error| text(&error))?;
        // Without a log, and so without files that SQLite would later remove by name. Needs
        // exclusive access.
        connection.batch_execute("PRAGMA journal_mode = DELETE").map_err(|error| text(&error))?;
        connection.batch_execute("BEGIN EXCLUSIVE").map_err(|error| text(&error))?;
        if has_beside(file, "-wal") {
            return Err("its log cannot be checkpointed".to_owned());
        }
        Ok(Self { _connection: connection })
    }
}
