//! The database, read by another process.

use std::path::PathBuf;
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;
use tempfile::TempDir;

/// A real database of go-service-healthcheck: the one that its repository ships.
pub fn go_database() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/data/go-service-healthcheck.db"))
}

/// A database file.
pub struct Db {
    path: PathBuf,
    /// Keeps the directory of the file.
    _folder: Option<Arc<TempDir>>,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

impl Db {
    pub fn new(path: PathBuf) -> Self {
        Self { path, _folder: None }
    }

    /// The database in `folder`, which is kept until this is dropped.
    pub fn in_folder(folder: &Arc<TempDir>) -> Self {
        Self { path: folder.path().join("db.db"), _folder: Some(Arc::clone(folder)) }
    }

    /// A new connection.
    pub fn connect(&self) -> SqliteConnection {
        let mut connection = SqliteConnection::establish(self.path.to_str().unwrap()).unwrap();
        connection.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
        connection
    }

    /// The result of a query for one number.
    pub fn number(&self, query: &str) -> i64 {
        let query = format!("SELECT CAST(({query}) AS INTEGER) AS number");
        diesel::sql_query(query).get_result::<Number>(&mut self.connect()).unwrap().number
    }

    /// The first column of a query, as text.
    pub fn texts(&self, query: &str) -> Vec<String> {
        let query = format!("SELECT CAST(word AS TEXT) AS word FROM (SELECT ({query}) AS word)");
        let found: Vec<Word> = diesel::sql_query(query).load(&mut self.connect()).unwrap();
        found.into_iter().map(|found| found.word).collect()
    }

    /// Invariants after any crash, for every service: counts equal the ticks, the mean equals their
    /// mean, at most one event is open, and the newest event agrees with the newest tick.
    pub fn assert_consistent(&self) {
        for (rule, query) in [
            (
                "every ticked service has a metric",
                "SELECT count(*) FROM (SELECT DISTINCT service_id FROM fresh_ticks EXCEPT SELECT \
                 service_id FROM service_metrics)",
            ),
            (
                "counts equal the ticks, fresh and sealed",
                "SELECT count(*) FROM service_metrics m LEFT JOIN (SELECT service_id, sum(n) AS n, \
                 sum(up) AS up, \
                 sum(unknown) AS unknown FROM (SELECT service_id, NOT is_unknown AS n, is_up AS \
                 up, is_unknown AS unknown \
                 FROM fresh_ticks UNION ALL SELECT service_id, up_count + down_count, up_count, \
                 tick_count - up_count - down_count FROM service_tick_chunks) GROUP BY service_id) \
                 t USING (service_id) \
                 WHERE m.tick_count IS NOT coalesce(t.n, 0) OR m.up_count IS NOT coalesce(t.up, 0) \
                 OR m.down_count IS NOT coalesce(t.n - t.up, 0) OR m.unknown_count IS NOT \
                 coalesce(t.unknown, 0)",
            ),
            (
                "the mean equals the ticks' mean",
                "SELECT count(*) FROM service_metrics m JOIN (SELECT service_id, \
                 avg(response_time_ms) AS mean, count(*) AS n \
                 FROM fresh_ticks WHERE NOT is_unknown GROUP BY service_id) t USING (service_id) \
                 WHERE m.tick_count = t.n AND abs(m.average_response_time_ms - t.mean) > 1e-6 * \
                 max(1, t.mean)",
            ),
            (
                "at most one event lasts",
                "SELECT count(*) FROM (SELECT service_id FROM service_events WHERE date_ended_ms \
                 IS NULL \
                 GROUP BY service_id HAVING count(*) > 1)",
            ),
            (
                "the newest event agrees with the newest tick",
                "SELECT count(*) FROM (SELECT service_id, is_up, is_unknown, max(id) FROM \
                 fresh_ticks GROUP BY service_id) t \
                 LEFT JOIN (SELECT service_id, event, date_ended_ms, max(id) FROM service_events \
                 GROUP BY service_id) e \
                 USING (service_id) JOIN services s ON s.id = t.service_id JOIN service_metrics m \
                 USING (service_id) \
                 WHERE s.deleted_at IS NULL AND m.streak_count IS NULL AND (e.date_ended_ms IS NOT \
                 NULL \
                 OR e.event NOT IN ('paused', 'unknown', iif(t.is_unknown, 'unknown', iif(t.is_up, \
                 'uptime', 'downtime'))))",
            ),
            (
                "an event begins where the one before it ended",
                "SELECT count(*) FROM (SELECT date_started_ms, lag(date_ended_ms) OVER (PARTITION \
                 BY service_id ORDER BY id) AS ended, \
                 lag(id) OVER (PARTITION BY service_id ORDER BY id) AS before FROM service_events) \
                 WHERE before IS NOT NULL AND date_started_ms IS NOT ended",
            ),
        ] {
            assert_eq!(self.number(query), 0, "broken: {rule}");
        }
    }
}
