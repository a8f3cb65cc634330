//! Opening the store: the lock, checks before SQLite touches the file, PRAGMAs, migrations.

use std::fmt;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::connection::{Line, WRITING, connect, reader, set, writer};
use super::files::{absolute, beside, escaped, explain, has_beside, is_new, shared_mode, unusable};
use super::lock::FileLock;
use super::watch::FileWatch;
use super::{header, migrations};
use crate::storage::error::{OpenError, StorageError, StoreChange};
use crate::storage::port::{StoreRead, StoreWrite};

/// Oldest SQLite that is safe: with two WAL connections, 3.7.0 to 3.51.2 can lose commits.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// Up to this size the whole file is checked at the start; of a larger one, services, metrics and
/// events.
const FULL_CHECK_LIMIT_BYTES: u64 = 256 * 1024 * 1024;

/// The open store. No other process of this program opens the file until it and every clone of its
/// [`StoreFile`] is dropped.
#[derive(Debug)]
pub struct Store {
    file: StoreFile,
}

/// Opens readers and writers of a [`Store`].
#[derive(Debug, Clone)]
pub struct StoreFile {
    pub(super) open: Arc<OpenFile>,
}

/// What is open for as long as the store is.
pub(super) struct OpenFile {
    pub(super) path: PathBuf,
    /// `path` as an SQLite URI that creates no file.
    uri: String,
    /// Keeps the log in place while no other connection is open, and reaches the content after the
    /// file has lost its name. `None` when it is given up.
    pub(super) connection: Mutex<Option<SqliteConnection>>,
    /// The folder of the file.
    pub(super) folder: File,
    pub(super) watch: FileWatch,
    /// After the connection, which loses its locks when this is dropped.
    lock: FileLock,
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if self.watch.check_names().is_err()
            && let Ok(connection) = self.connection.get_mut()
        {
            // Closing it would remove the log by name, which may be that of another database.
            std::mem::forget(connection.take());
        }
    }
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
        let mut lock = FileLock::acquire(file)?;
        let is_new = is_new(file, &path)?;
        lock.create_database()?;
        // A killed first start leaves a journal; only a connection that may write can roll it back.
        let has_journal = has_beside(&path, "-journal");
        if !is_new && !has_journal {
            // Read-only, since the last connection to close checkpoints the log, and a damaged
            // file must stay unchanged.
            let mut connection = connect(&format!("file:{}?mode=ro", escaped(&text)))
                .map_err(|error| explain(file, &error))?;
            check(file, &path, &mut connection)?;
        }
        let uri = format!("file:{}?mode=rw", escaped(&text));
        let mut connection = connect(&uri).map_err(|error| explain(file, &error))?;
        check_version(&mut connection).map_err(|reason| unusable(file, reason))?;
        if has_journal {
            check(file, &path, &mut connection)?;
        }
        set_up_if_empty(&mut connection).map_err(|error| explain(file, &error))?;
        set(&mut connection, &WRITING).map_err(|error| explain(file, &error))?;
        migrations::run(&mut connection).map_err(|reason| unusable(file, reason))?;
        let mark = mark_run(&mut connection).map_err(|error| explain(file, &error))?;
        let watch = FileWatch::new(file, &path, mark).map_err(|error| unusable(file, error))?;
        let folder = File::open(path.parent().unwrap_or(Path::new("/")))
            .map_err(|error| unusable(file, error))?;
        let connection = Mutex::new(Some(connection));
        let open = Arc::new(OpenFile { path, uri, connection, folder, watch, lock });
        let store = Self { file: StoreFile { open } };
        store.file.check().map_err(|error| unusable(file, error))?;
        Ok(store)
    }

    pub fn file(&self) -> &StoreFile {
        &self.file
    }

    /// The absolute path of the file.
    pub fn path(&self) -> &str {
        // `open` refuses a path that is not UTF-8.
        self.file.open.path.to_str().unwrap_or_default()
    }

    /// The files of the store that others than their owner may read or write, and their modes.
    pub fn shared_files(&self) -> Vec<(PathBuf, u32)> {
        let names = ["", "-wal", "-shm"].map(|ending| beside(&self.file.open.path, ending));
        names.into_iter().filter_map(|name| Some((name.clone(), shared_mode(&name)?))).collect()
    }

    /// Names of the file. With more than one, SQLite may miss the log that is beside another name.
    pub fn names(&self) -> u64 {
        self.file.open.path.metadata().map_or(1, |metadata| metadata.nlink())
    }
}

impl StoreFile {
    /// A store that may be read only.
    pub fn reader(&self) -> Result<Box<dyn StoreRead>, StorageError> {
        Ok(Box::new(self.connect(reader)?))
    }

    /// The store for writes. There is one at a time.
    pub fn writer(&self) -> Result<Box<dyn StoreWrite>, StorageError> {
        Ok(Box::new(self.connect(writer)?))
    }

    /// A connection to the file that was opened, never to another one of its name.
    fn connect(
        &self,
        connect: fn(&str) -> ConnectionResult<SqliteConnection>,
    ) -> Result<SqliteConnection, StorageError> {
        self.open.watch.check_names()?;
        let connection = connect(&self.open.uri);
        if let Err(error) = self.open.watch.check_names() {
            std::mem::forget(connection);
            return Err(error);
        }
        connection.map_err(|error| StorageError::Unavailable(error.to_string()))
    }

    /// Error unless the names of the database, its log and its shared memory lead to the files that
    /// were opened, and the database has the content of this run. For the thread that writes.
    pub fn check(&self) -> Result<(), StorageError> {
        self.open.watch.check(self.open.lock.database())
    }

    /// The change of the files that a check has found. It stays.
    pub fn change(&self) -> Option<StoreChange> {
        let summary = "the files of the store were changed by another program";
        let change = self.open.watch.change()?;
        Some(StoreChange { summary, detail: change.to_string() })
    }

    /// Whether the names lead to the files that were opened. Otherwise no connection may be closed,
    /// as that may remove the log by name.
    pub fn is_in_place(&self) -> bool {
        self.open.watch.check_names().is_ok()
    }
}

/// Gives the database a mark of this run, which tells it from copies of it. Returns the mark, which
/// is in the file unless another process reads meanwhile.
fn mark_run(connection: &mut SqliteConnection) -> QueryResult<u32> {
    // Random, and not negative, as the pragma is signed.
    let mark = (RandomState::new().hash_one(0) as u32 >> 1).max(1);
    set(connection, &[&format!("user_version = {mark}"), "wal_checkpoint(TRUNCATE)"])?;
    Ok(mark)
}

pub(super) fn has_tables(connection: &mut SqliteConnection) -> QueryResult<bool> {
    let tables: Line =
        diesel::sql_query("SELECT CAST(count(*) AS TEXT) AS line FROM sqlite_schema")
            .get_result(connection)?;
    Ok(tables.line != "0")
}

/// Marks a file without tables as a database of this program. Whether it has tables is read
/// through SQLite and not from the header: a killed first start may have left a mark that its
/// journal rolls back.
pub(super) fn set_up_if_empty(connection: &mut SqliteConnection) -> QueryResult<()> {
    if has_tables(connection)? {
        return Ok(());
    }
    // The first can only be set before the first table; it lets retention return space later. Each
    // writes the first page: a killed process must not leave one without the mark of this program.
    let mark = format!("application_id = {}", header::APPLICATION_ID);
    connection.batch_execute("BEGIN")?;
    set(connection, &["auto_vacuum = INCREMENTAL", &mark])?;
    connection.batch_execute("COMMIT")
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
