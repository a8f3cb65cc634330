//! Connections and their PRAGMAs.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;

use super::{functions, page_cache};

/// How long one statement waits for a lock of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// PRAGMAs of a connection that may write.
pub const WRITING: [&str; 5] = [
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "journal_size_limit = 67108864",
    // 16 MiB: pages that are written again meanwhile go into the file once (docs/design/storage.md,
    // "PRAGMAs").
    "wal_autocheckpoint = 4000",
];

/// The page cache of a connection that can only read. It needs the inner pages of tables and
/// indexes; SQLite's 2 MiB fill up with rows that are read once. SQLite sorts within as much memory
/// before it uses a file.
const READER_CACHE_KIB: u32 = 512;

/// A connection that may write. A store has one.
pub fn writer(path: &str) -> ConnectionResult<SqliteConnection> {
    let mut connection = connect_with(path, &WRITING)?;
    page_cache::fit(&mut connection).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// A connection that can only read.
pub fn reader(path: &str) -> ConnectionResult<SqliteConnection> {
    let page_cache = format!("cache_size = -{READER_CACHE_KIB}");
    connect_with(path, &["query_only = ON", &page_cache])
}

fn connect_with(path: &str, pragmas: &[&str]) -> ConnectionResult<SqliteConnection> {
    let mut connection = connect(path)?;
    set(&mut connection, pragmas).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// A connection without other PRAGMAs than `busy_timeout`.
pub fn connect(path: &str) -> ConnectionResult<SqliteConnection> {
    let mut connection = SqliteConnection::establish(path)?;
    // The first PRAGMA, since the others may meet a lock.
    let busy_timeout = format!("busy_timeout = {}", BUSY_TIMEOUT.as_millis());
    set(&mut connection, &[&busy_timeout])
        .and_then(|()| functions::define(&mut connection))
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// Sets PRAGMAs, one for each call.
pub fn set(connection: &mut SqliteConnection, pragmas: &[&str]) -> QueryResult<()> {
    pragmas.iter().try_for_each(|pragma| connection.batch_execute(&format!("PRAGMA {pragma}")))
}

/// A row with one text.
#[derive(QueryableByName)]
pub struct Line {
    #[diesel(sql_type = Text)]
    pub line: String,
}
