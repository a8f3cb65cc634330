//! The database as another program sees it.

use std::path::PathBuf;
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;
use tempfile::TempDir;

/// A database file, by its path.
pub struct Db {
    path: PathBuf,
    /// Keeps the folder of the file from being removed.
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
    /// The database in `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path, _folder: None }
    }

    /// The database in `folder`, which stays as long as this.
    pub fn within(folder: &Arc<TempDir>) -> Self {
        Self { path: folder.path().join("db.db"), _folder: Some(Arc::clone(folder)) }
    }

    /// A connection of our own.
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

    /// The first column of a query, as texts.
    pub fn words(&self, query: &str) -> Vec<String> {
        let query = format!("SELECT CAST(word AS TEXT) AS word FROM (SELECT ({query}) AS word)");
        let found: Vec<Word> = diesel::sql_query(query).load(&mut self.connect()).unwrap();
        found.into_iter().map(|found| found.word).collect()
    }

    /// What must hold after any crash, for every service (issue "The record"): counts equal the ticks, the mean equals
    /// their mean, at most one event lasts, and the newest event agrees with the newest tick.
    pub fn assert_consistent(&self) {
        for (rule, query) in [
            (
                "every ticked service has a metric",
                "SELECT count(*) FROM (SELECT DISTINCT service_id FROM service_ticks EXCEPT SELECT service_id FROM service_metrics)",
            ),
            (
                "counts equal the ticks",
                "SELECT count(*) FROM service_metrics m LEFT JOIN (SELECT service_id, sum(NOT is_unknown) AS n, sum(is_up) AS up, \
                 sum(is_unknown) AS unknown FROM service_ticks GROUP BY service_id) t USING (service_id) \
                 WHERE m.tick_count IS NOT t.n OR m.up_count IS NOT t.up OR m.down_count IS NOT t.n - t.up \
                 OR m.unknown_count IS NOT t.unknown",
            ),
            (
                "the mean equals the ticks' mean",
                "SELECT count(*) FROM service_metrics m JOIN (SELECT service_id, avg(response_time_ms) AS mean \
                 FROM service_ticks WHERE NOT is_unknown GROUP BY service_id) t USING (service_id) \
                 WHERE abs(m.average_response_time_ms - t.mean) > 1e-6 * max(1, t.mean)",
            ),
            (
                "at most one event lasts",
                "SELECT count(*) FROM (SELECT service_id FROM service_events WHERE date_ended_ms IS NULL \
                 GROUP BY service_id HAVING count(*) > 1)",
            ),
            (
                "the newest event agrees with the newest tick",
                "SELECT count(*) FROM (SELECT service_id, is_up, is_unknown, max(id) FROM service_ticks GROUP BY service_id) t \
                 LEFT JOIN (SELECT service_id, event, date_ended_ms, max(id) FROM service_events GROUP BY service_id) e \
                 USING (service_id) JOIN services s ON s.id = t.service_id JOIN service_metrics m USING (service_id) \
                 WHERE s.deleted_at IS NULL AND m.streak_count IS NULL AND (e.date_ended_ms IS NOT NULL \
                 OR e.event IS NOT iif(t.is_unknown, 'unknown', iif(t.is_up, 'uptime', 'downtime')))",
            ),
            (
                "an event begins where the one before it ended",
                "SELECT count(*) FROM (SELECT date_started_ms, lag(date_ended_ms) OVER (PARTITION BY service_id ORDER BY id) AS ended, \
                 lag(id) OVER (PARTITION BY service_id ORDER BY id) AS before FROM service_events) \
                 WHERE before IS NOT NULL AND date_started_ms IS NOT ended",
            ),
        ] {
            assert_eq!(self.number(query), 0, "broken: {rule}");
        }
    }
}
