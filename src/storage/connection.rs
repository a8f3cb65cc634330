//! Opening the file: our lock, the checks before SQLite touches it, PRAGMAs, migrations.

use std::fmt::Display;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;

use super::header;
use super::migrations;
use crate::storage::error::{OpenError, StorageError};
use crate::storage::header::Kind;

/// How long one statement waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// Oldest SQLite that is safe here: with two WAL connections, 3.7.0 to 3.51.2 can lose commits.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// Up to this size the whole file is checked at start, above it services, metrics and events.
const FULL_CHECK_LIMIT_BYTES: u64 = 256 * 1024 * 1024;

/// The open store. While it lives, no other process of this program works on the file.
#[derive(Debug)]
pub struct Store {
    path: String,
    _hold: Hold,
}

/// Our lock on a database file, whether the file is there or not. While it lives, no [`Store`] opens the file.
#[derive(Debug)]
pub struct Hold {
    path: PathBuf,
    _lock: File,
}

impl Hold {
    /// Takes the lock; an error names who has it.
    pub fn take(file: &Path) -> Result<Self, OpenError> {
        let path = absolute(file).map_err(|error| unusable(file, error))?;
        let lock = take_lock(file, &path)?;
        Ok(Self { path, _lock: lock })
    }

    /// The absolute path of the database file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Store {
    /// Opens `file`, creating it when missing, and brings its tables up to date.
    ///
    /// A file that is foreign, damaged or in use is refused before anything is written to it.
    pub fn open(file: &Path) -> Result<Self, OpenError> {
        let path = absolute(file).map_err(|error| unusable(file, error))?;
        let text = path.to_str().ok_or_else(|| unusable(file, "its path is not UTF-8"))?.to_owned();
        // Before the lock, so that nothing is put beside a file that is not ours; and again under it.
        judge(file, &path)?;
        let hold = Hold::take(file)?;
        let is_new = judge(file, &path)?;
        // A journal is left by a first start that was killed; only a connection that may write can take it back.
        let has_journal = lies_beside(&path, "-journal");
        if !is_new && !has_journal {
            // Read-only, since the last connection to leave folds the log into the file, and a damaged one stays as it is.
            let mut connection = connect(&format!("file:{}?mode=ro", escaped(&text)))
                .map_err(|error| explain(file, &error))?;
            check(file, &path, &mut connection)?;
        }
        let mut connection = connect(&text).map_err(|error| explain(file, &error))?;
        check_version(&mut connection).map_err(|why| unusable(file, why))?;
        if has_journal {
            check(file, &path, &mut connection)?;
        }
        set_up_if_empty(&mut connection).map_err(|error| explain(file, &error))?;
        set(&mut connection, &WRITING).map_err(|error| explain(file, &error))?;
        migrations::run(&mut connection).map_err(|why| unusable(file, why))?;
        Ok(Self { path: text, _hold: hold })
    }

    /// The absolute path of the file.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// How a connection that may write is set.
const WRITING: [&str; 6] = [
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "journal_size_limit = 67108864",
    // 16 MiB: what is written again meanwhile goes into the file once (docs/design/storage.md).
    "wal_autocheckpoint = 4000",
    // At most 8 MiB, which the metrics of 100,000 services take: with 2, as SQLite has it, they were read again and again, and a
    // large commit was written in parts (docs/benchmarks.md).
    "cache_size = -8192",
];

/// A connection that may write. There is one at a time (the `Writer` actor's).
pub fn writer(path: &str) -> Result<SqliteConnection, ConnectionError> {
    connect_with(path, &WRITING)
}

/// A connection that can only read.
pub fn reader(path: &str) -> Result<SqliteConnection, ConnectionError> {
    connect_with(path, &["query_only = ON"])
}

/// A connection that is opened when it is first needed, and again after the store was unavailable: a transaction that
/// broke off leaves nothing behind that way.
pub struct Reopening {
    path: String,
    open: fn(&str) -> Result<SqliteConnection, ConnectionError>,
    connection: Option<SqliteConnection>,
}

impl Reopening {
    /// A connection to the file at `path`, to be opened by [`writer`] or [`reader`].
    pub fn new(path: String, open: fn(&str) -> Result<SqliteConnection, ConnectionError>) -> Self {
        Self { path, open, connection: None }
    }

    /// Does `work` on the connection.
    pub fn run<T>(
        &mut self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => (self.open)(&self.path)
                .map_err(|error| StorageError::Unavailable(error.to_string()))?,
        };
        let done = work(&mut connection);
        if !matches!(done, Err(StorageError::Unavailable(_))) {
            self.connection = Some(connection);
        }
        done
    }

    /// The connection, if it is open; it is the caller's then.
    pub fn take(&mut self) -> Option<SqliteConnection> {
        self.connection.take()
    }
}

fn connect_with(path: &str, pragmas: &[&str]) -> Result<SqliteConnection, ConnectionError> {
    let mut connection = connect(path)?;
    set(&mut connection, pragmas).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

pub(super) fn connect(path: &str) -> Result<SqliteConnection, ConnectionError> {
    let mut connection = SqliteConnection::establish(path)?;
    // First of all, since the PRAGMAs after it may meet a lock.
    let busy_timeout = format!("busy_timeout = {}", BUSY_TIMEOUT.as_millis());
    set(&mut connection, &[&busy_timeout]).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// Sets PRAGMAs, one a call.
fn set(connection: &mut SqliteConnection, pragmas: &[&str]) -> QueryResult<()> {
    pragmas.iter().try_for_each(|pragma| connection.batch_execute(&format!("PRAGMA {pragma}")))
}

pub(super) fn absolute(file: &Path) -> std::io::Result<PathBuf> {
    if let Ok(existing) = file.canonicalize() {
        return Ok(existing);
    }
    let name = file
        .file_name()
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidInput, "it names no file"))?;
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    Ok(folder.canonicalize()?.join(name))
}

/// Takes our own lock beside the file. SQLite's locks come and go with each transaction; this one tells a second
/// process by name at start.
fn take_lock(file: &Path, path: &Path) -> Result<File, OpenError> {
    let unusable = |error: std::io::Error| unusable(file, error);
    let mut lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(beside(path, ".lock"))
        .map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Best effort: the refusal holds without the name.
            let _ = lock.read_to_string(&mut holder);
            return Err(OpenError::InUse {
                file: file.to_owned(),
                holder: holder.trim().to_owned(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(unusable(error)),
    }
    lock.set_len(0).map_err(unusable)?;
    lock.rewind().map_err(unusable)?;
    writeln!(lock, "pid {}", std::process::id()).map_err(unusable)?;
    Ok(lock)
}

/// Whether the file is new; an error when it is not one of ours.
pub(super) fn judge(file: &Path, path: &Path) -> Result<bool, OpenError> {
    let unusable = |error: std::io::Error| unusable(file, error);
    let length = match path.metadata() {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(unusable(error)),
    };
    let mut head = Vec::new();
    if length > 0 {
        let opened = File::open(path).map_err(unusable)?;
        opened.take(header::HEADER_LENGTH as u64).read_to_end(&mut head).map_err(unusable)?;
    }
    match header::judge(&head, length) {
        Kind::Empty => Ok(true),
        Kind::Ours => Ok(false),
        Kind::Foreign(what) => Err(OpenError::Foreign { file: file.to_owned(), what: what.into() }),
        // A checkpoint that was cut off leaves the new length in the first page and the pages themselves in the log.
        Kind::Truncated(_) if has_log(path) => Ok(false),
        Kind::Truncated(what) => Err(OpenError::Damaged { file: file.to_owned(), what }),
    }
}

/// Whether a log that SQLite would read lies beside the database.
fn has_log(path: &Path) -> bool {
    let mut head = Vec::new();
    let opened = File::open(beside(path, "-wal"));
    let read = opened.and_then(|log| log.take(header::LOG_HEAD_LENGTH).read_to_end(&mut head));
    read.is_ok() && header::is_log(&head)
}

/// Whether a file of that ending, with anything in it, lies beside the database.
pub(super) fn lies_beside(path: &Path, ending: &str) -> bool {
    beside(path, ending).metadata().is_ok_and(|metadata| metadata.len() > 0)
}

/// The file beside the one at `path` that has its name and `ending`.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(ending);
    beside.into()
}

pub(super) fn unusable(file: &Path, why: impl Display) -> OpenError {
    OpenError::Unusable { file: file.to_owned(), why: why.to_string() }
}

/// A path as a URI of SQLite wants it.
pub fn escaped(path: &str) -> String {
    path.replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

/// Marks a file without tables as ours. Asked of SQLite and not of the header: a first start that was killed may have
/// left a mark that its journal takes back.
fn set_up_if_empty(connection: &mut SqliteConnection) -> QueryResult<()> {
    let tables: Line =
        diesel::sql_query("SELECT CAST(count(*) AS TEXT) AS line FROM sqlite_schema")
            .get_result(connection)?;
    if tables.line != "0" {
        return Ok(());
    }
    // Only possible before the first table; lets retention give space back later.
    let mark = format!("application_id = {}", header::APPLICATION_ID);
    set(connection, &["auto_vacuum = INCREMENTAL", &mark])
}

/// A row with one text.
#[derive(QueryableByName)]
pub(super) struct Line {
    #[diesel(sql_type = Text)]
    pub(super) line: String,
}

fn check_version(connection: &mut SqliteConnection) -> Result<(), String> {
    let found: Line = diesel::sql_query("SELECT sqlite_version() AS line")
        .get_result(connection)
        .map_err(|error| error.to_string())?;
    let mut parts = found.line.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    if (next(), next(), next()) < OLDEST_SQLITE {
        return Err(format!("SQLite {} can lose commits; 3.51.3 or newer is needed", found.line));
    }
    Ok(())
}

/// Looks for damage, as thoroughly as the size allows.
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
            return Err(OpenError::Damaged { file: file.to_owned(), what: found.line });
        }
    }
    Ok(())
}

/// SQLite's own words for damage (`SQLITE_CORRUPT`, `SQLITE_NOTADB`) against all that may pass.
pub(super) fn explain(file: &Path, error: &dyn std::error::Error) -> OpenError {
    let (file, said) = (file.to_owned(), error.to_string());
    if said.contains("malformed") || said.contains("not a database") {
        OpenError::Damaged { file, what: said }
    } else {
        OpenError::Unusable { file, why: said }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_store_on_the_same_file_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let first = Store::open(&file).unwrap();
        let error = Store::open(&file).unwrap_err();
        let holder = format!("pid {}", std::process::id());
        assert_eq!(error, OpenError::InUse { file: file.clone(), holder });
        drop(first);
        Store::open(&file).unwrap();
    }

    #[test]
    fn a_damaged_or_foreign_file_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        drop(Store::open(&file).unwrap());
        let good = std::fs::read(&file).unwrap();

        let mut torn = good.clone();
        torn[4096 * 2..4096 * 4].fill(0xff);
        let truncated = good[..good.len() - 1].to_vec();
        for bad in [torn, truncated, b"a text, no database".to_vec(), vec![0; 8192]] {
            std::fs::write(&file, &bad).unwrap();
            let error = Store::open(&file).unwrap_err();
            assert!(
                matches!(error, OpenError::Damaged { .. } | OpenError::Foreign { .. }),
                "{error}"
            );
            assert_eq!(std::fs::read(&file).unwrap(), bad, "{error}");
        }
    }

    #[test]
    fn a_checkpoint_that_was_cut_off_is_no_damage() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let store = Store::open(&file).unwrap();
        let mut connection = writer(store.path()).unwrap();
        connection.batch_execute("PRAGMA wal_autocheckpoint = 0").unwrap();
        connection
            .batch_execute("CREATE TABLE filler (x); INSERT INTO filler VALUES (zeroblob(200000))")
            .unwrap();
        // The state of both files as a crash leaves them, with the first page already copied by the checkpoint.
        let (mut main, log) =
            (std::fs::read(&file).unwrap(), std::fs::read(folder.path().join("a.db-wal")).unwrap());
        connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let grown = std::fs::read(&file).unwrap();
        assert!(grown.len() > main.len());
        main[..4096].copy_from_slice(&grown[..4096]);
        drop((connection, store));

        let crashed = folder.path().join("b.db");
        std::fs::write(&crashed, main).unwrap();
        std::fs::write(folder.path().join("b.db-wal"), log).unwrap();
        let store = Store::open(&crashed).unwrap();
        let mut connection = reader(store.path()).unwrap();
        let length = "SELECT CAST(length(x) AS TEXT) AS line FROM filler";
        let found: Line = diesel::sql_query(length).get_result(&mut connection).unwrap();
        assert_eq!(found.line, "200000");
    }

    #[test]
    fn a_folder_that_is_missing_is_named() {
        let error = Store::open(Path::new("/nowhere/at/all.db")).unwrap_err().to_string();
        assert!(error.contains("/nowhere/at/all.db cannot be used"), "{error}");
    }

    #[test]
    fn a_reader_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.db")).unwrap();
        let mut reader = reader(store.path()).unwrap();
        assert!(reader.batch_execute("DELETE FROM services").is_err());
    }
}
