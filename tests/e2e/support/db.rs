//! The store of the program, read by another process.

mod rules;

use std::path::PathBuf;
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use tempfile::TempDir;

use super::Database;

/// A real database of go-service-healthcheck: the one that its repository ships.
pub fn go_database() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/data/go-service-healthcheck.db"))
}

/// The tables of PostgreSQL in the words of SQLite, where these differ; they stand before a query.
const POSTGRES_WORDS: &str = "\
    WITH service_ticks AS (SELECT service_id, seq, seq AS id, at_ms AS created_at_ms, \
        at_ms / 1000 AS created_at, state = 0 AS is_up, state = 2 AS is_unknown, http_status, \
        failure, us AS response_time_us, us / 1e3 AS response_time_ms FROM (SELECT *, \
            coalesce(dns_us, 0)::bigint + coalesce(connect_us, 0) + coalesce(tls_us, 0) \
            + coalesce(first_byte_us, 0) + coalesce(transfer_us, 0) + coalesce(unphased_us, 0) \
            AS us FROM public.service_ticks) t), \
    fresh_ticks AS (SELECT * FROM service_ticks), \
    service_metrics AS (SELECT *, tick_count - up_count AS down_count, CASE WHEN tick_count = 0 \
        THEN 0 ELSE response_time_sum_ns / 1e6 / tick_count END AS average_response_time_ms \
        FROM public.service_metrics), \
    history AS (SELECT sealed_at_ms, \
        (SELECT sum(expired_tick_count)::bigint FROM shards) AS expired_tick_count, \
        (SELECT max(sealing_service_id) FROM instances WHERE ended_at_ms IS NULL) \
        AS sealing_tick_id FROM store), \
    liveness AS (SELECT max(committed_at_ms) AS at_ms FROM instances) ";

/// The database of a program.
#[derive(Clone)]
pub enum Db {
    File {
        path: PathBuf,
        /// Keeps the directory of the file.
        _folder: Option<Arc<TempDir>>,
    },
    Postgres(Arc<Database>),
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

impl Db {
    /// A file that stays.
    pub fn new(path: PathBuf) -> Self {
        Self::File { path, _folder: None }
    }

    /// The database in `folder`, which is kept until this is dropped.
    pub fn in_folder(folder: &Arc<TempDir>) -> Self {
        Self::File { path: folder.path().join("db.db"), _folder: Some(Arc::clone(folder)) }
    }

    /// A new connection to an SQLite file.
    pub fn connect(&self) -> SqliteConnection {
        let Self::File { path, .. } = self else { panic!("PostgreSQL has no file") };
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
        connection
    }

    /// Runs statements.
    pub fn execute(&self, sql: &str) {
        match self {
            Self::File { .. } => self.connect().batch_execute(sql).unwrap(),
            Self::Postgres(database) => drop(database.query(sql)),
        }
    }

    /// The result of a query for one number, truncated; true is 1.
    pub fn number(&self, query: &str) -> i64 {
        let text = self.text(query);
        match text.as_str() {
            "t" => 1,
            "f" => 0,
            _ => text.parse().unwrap_or_else(|_| text.parse::<f64>().unwrap() as i64),
        }
    }

    /// The result of a query for one value, as text.
    pub fn text(&self, query: &str) -> String {
        self.texts(query).pop().unwrap_or_else(|| panic!("{query}: no row"))
    }

    /// The first column of a query, as text; without values that are null.
    pub fn texts(&self, query: &str) -> Vec<String> {
        match self {
            Self::File { .. } => {
                let query = format!(
                    "WITH asked(word) AS ({query}) \
                     SELECT CAST(word AS TEXT) AS word FROM asked WHERE word IS NOT NULL"
                );
                let found: Vec<Word> = diesel::sql_query(query).load(&mut self.connect()).unwrap();
                found.into_iter().map(|found| found.word).collect()
            }
            Self::Postgres(database) => {
                let rows = database.query(&format!("{POSTGRES_WORDS} {query}"));
                rows.into_iter().filter_map(|mut row| row.remove(0)).collect()
            }
        }
    }

    /// Makes the store unavailable for writes until the guard is dropped; on PostgreSQL, for reads
    /// too.
    pub fn lock(&self) -> Locked {
        match self {
            Self::File { .. } => {
                let mut connection = self.connect();
                connection.batch_execute("BEGIN IMMEDIATE").unwrap();
                Locked::File(connection)
            }
            Self::Postgres(database) => {
                database.close();
                Locked::Postgres(Arc::clone(database))
            }
        }
    }

    /// Invariants after any crash, for every service: counts equal the ticks, the mean equals their
    /// mean, at most one event is open, and the newest event agrees with the newest tick.
    pub fn assert_consistent(&self) {
        for (rule, query) in rules::RULES {
            assert_eq!(self.number(query), 0, "broken: {rule}");
        }
    }
}

/// See [`Db::lock`].
pub enum Locked {
    File(SqliteConnection),
    Postgres(Arc<Database>),
}

impl Drop for Locked {
    fn drop(&mut self) {
        match self {
            Self::File(connection) => connection.batch_execute("ROLLBACK").unwrap(),
            Self::Postgres(database) => database.open(),
        }
    }
}
