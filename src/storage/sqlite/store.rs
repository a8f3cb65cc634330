//! Opening the store: the lock, checks before SQLite touches the file, PRAGMAs, migrations.

use std::path::Path;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::connection::{Line, WRITING, connect, reader, set, writer};
use super::files::{FileLock, absolute, escaped, explain, has_beside, is_new, unusable};
use super::{header, migrations};
use crate::storage::error::{OpenError, StorageError};
use crate::storage::port::{StoreRead, StoreWrite};

/// Oldest SQLite that is safe: with two WAL connections, 3.7.0 to 3.51.2 can lose commits.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// Up to this size the whole file is checked at the start; of a larger one, services, metrics and
/// events.
const FULL_CHECK_LIMIT_BYTES: u64 = 256 * 1024 * 1024;

/// The open store. No other process of this program opens the file until it is dropped.
#[derive(Debug)]
pub struct Store {
    file: StoreFile,
    _lock: FileLock,
}

/// Opens readers and writers of a [`Store`], which must be open.
#[derive(Debug, Clone)]
pub struct StoreFile {
    path: String,
}

impl Store {
    /// Opens `file`, creating it when missing, and migrates it.
    ///
    /// A file that is foreign, damaged or in use is refused before anything is written to it.
    pub fn open(file: &Path) -> Result<Self, OpenError> {
        let path = absolute(file).map_err(|error| unusable(file, error))?;
        let text = path.to_str().ok_or_else(|| unusable(file, "its path is not UTF-8"))?.to_owned();
        // Before the lock, so that no lock file is created beside a foreign file; and again after.
        is_new(file, &path)?;
        let lock = FileLock::acquire(file)?;
        let is_new = is_new(file, &path)?;
        // A killed first start leaves a journal; only a connection that may write can roll it back.
        let has_journal = has_beside(&path, "-journal");
        if !is_new && !has_journal {
            // Read-only, since the last connection to close checkpoints the log, and a damaged
            // file must stay unchanged.
            let mut connection = connect(&format!("file:{}?mode=ro", escaped(&text)))
                .map_err(|error| explain(file, &error))?;
            check(file, &path, &mut connection)?;
        }
        let mut connection = connect(&text).map_err(|error| explain(file, &error))?;
        check_version(&mut connection).map_err(|reason| unusable(file, reason))?;
        if has_journal {
            check(file, &path, &mut connection)?;
        }
        set_up_if_empty(&mut connection).map_err(|error| explain(file, &error))?;
        set(&mut connection, &WRITING).map_err(|error| explain(file, &error))?;
        migrations::run(&mut connection).map_err(|reason| unusable(file, reason))?;
        Ok(Self { file: StoreFile { path: text }, _lock: lock })
    }

    pub fn file(&self) -> &StoreFile {
        &self.file
    }

    /// The absolute path of the file.
    pub fn path(&self) -> &str {
        &self.file.path
    }
}

impl StoreFile {
    /// A store that may be read only.
    pub fn reader(&self) -> Result<Box<dyn StoreRead>, StorageError> {
        match reader(&self.path) {
            Ok(connection) => Ok(Box::new(connection)),
            Err(error) => Err(StorageError::Unavailable(error.to_string())),
        }
    }

    /// The store for writes. There is one at a time.
    pub fn writer(&self) -> Result<Box<dyn StoreWrite>, StorageError> {
        match writer(&self.path) {
            Ok(connection) => Ok(Box::new(connection)),
            Err(error) => Err(StorageError::Unavailable(error.to_string())),
        }
    }
}

/// Marks a file without tables as a database of this program. Whether it has tables is read
/// through SQLite and not from the header: a killed first start may have left a mark that its
/// journal rolls back.
fn set_up_if_empty(connection: &mut SqliteConnection) -> QueryResult<()> {
    let tables: Line =
        diesel::sql_query("SELECT CAST(count(*) AS TEXT) AS line FROM sqlite_schema")
            .get_result(connection)?;
    if tables.line != "0" {
        return Ok(());
    }
    // Can only be set before the first table; lets retention return space later.
    let mark = format!("application_id = {}", header::APPLICATION_ID);
    set(connection, &["auto_vacuum = INCREMENTAL", &mark])
}

fn check_version(connection: &mut SqliteConnection) -> Result<(), String> {
    let found: Line = diesel::sql_query("SELECT sqlite_version() AS line")
        .get_result(connection)
        .map_err(|error| error.to_string())?;
    let mut parts = found.line.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    if (next(), next(), next()) < OLDEST_SQLITE {
        return Err(format!(
            "SQLite {} can lose commits; version 3.51.3 or newer is needed",
            found.line
        ));
    }
    Ok(())
}

/// Searches for damage, as thoroughly as the size allows.
fn check(file: &Path, path: &Path, connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let length = path.metadata().map_or(u64::MAX, |metadata| metadata.len());
    let checks: &[&str] = if length <= FULL_CHECK_LIMIT_BYTES {
        &["SELECT quick_check AS line FROM pragma_quick_check"]
    } else {
        &[
            "SELECT quick_check AS line FROM pragma_quick_check('services')",
            "SELECT quick_check AS line FROM pragma_quick_check('service_metrics')",
            "SELECT quick_check AS line FROM pragma_quick_check('service_events')",
        ]
    };
    for check in checks {
        let lines: Vec<Line> =
            diesel::sql_query(*check).load(connection).map_err(|error| explain(file, &error))?;
        if let Some(found) = lines.into_iter().find(|found| found.line != "ok") {
            return Err(OpenError::Damaged { file: file.to_owned(), found: found.line });
        }
    }
    Ok(())
}
