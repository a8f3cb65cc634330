//! Reads a database of go-service-healthcheck. SQLite holds any value in any column, so each value
//! is read as its expected type, or as nothing.

use std::path::Path;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Nullable, Text};
use diesel::sqlite::SqliteConnection;

use super::files::escaped;
use super::header::APPLICATION_ID;
use crate::storage::error::StorageError;

/// A row of `services`.
#[derive(QueryableByName)]
pub struct GoService {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub url: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub created_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub updated_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub deleted_at: Option<i64>,
}

/// A row of `service_events`.
#[derive(QueryableByName)]
pub struct GoEvent {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = BigInt)]
    pub service_id: i64,
    #[diesel(sql_type = Text)]
    pub event: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub started_ms: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub ended_ms: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub created_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub updated_at: Option<i64>,
}

/// A row of `service_ticks`.
#[derive(QueryableByName)]
pub struct GoTick {
    #[diesel(sql_type = BigInt)]
    pub service_id: i64,
    #[diesel(sql_type = Nullable<Bool>)]
    pub is_up: Option<bool>,
    #[diesel(sql_type = Nullable<Double>)]
    pub response_time_ms: Option<f64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub at_ms: Option<i64>,
}

/// A row of `service_metrics`.
#[derive(QueryableByName)]
pub struct GoMetric {
    #[diesel(sql_type = BigInt)]
    pub service_id: i64,
    #[diesel(sql_type = BigInt)]
    pub tick_count: i64,
    #[diesel(sql_type = BigInt)]
    pub up_count: i64,
    #[diesel(sql_type = BigInt)]
    pub down_count: i64,
    #[diesel(sql_type = Double)]
    pub average_response_time_ms: f64,
}

#[derive(QueryableByName)]
struct Mark {
    #[diesel(sql_type = BigInt)]
    mark: i64,
}

/// A database of go-service-healthcheck that is open for reading.
pub struct GoDatabase {
    connection: SqliteConnection,
}

impl GoDatabase {
    /// Error for a database of this program.
    pub fn open(file: &Path) -> Result<Self, String> {
        let name = file.display();
        if !file.is_file() {
            return Err(format!("{name}: no such file"));
        }
        let path = file.to_str().ok_or("its path is not UTF-8")?;
        let mut connection =
            SqliteConnection::establish(&format!("file:{}?mode=ro", escaped(path)))
                .map_err(|error| format!("{name}: {error}"))?;
        let mark: Mark =
            diesel::sql_query("SELECT application_id AS mark FROM pragma_application_id")
                .get_result(&mut connection)
                .map_err(|error| format!("{name}: {error}"))?;
        if mark.mark == i64::from(APPLICATION_ID) {
            return Err(format!(
                "{name}: a database of service-healthcheck, not of go-service-healthcheck"
            ));
        }
        Ok(Self { connection })
    }

    /// All services, by id.
    pub fn services(&mut self) -> Result<Vec<GoService>, String> {
        self.load(
            "SELECT id, coalesce(CAST(name AS TEXT), '') AS name, \
             coalesce(CAST(url AS TEXT), '') AS url, \
             unixepoch(created_at) AS created_at, unixepoch(updated_at) AS updated_at, \
             coalesce(unixepoch(deleted_at), iif(deleted_at IS NULL, NULL, 0)) AS deleted_at \
             FROM services ORDER BY id",
        )
    }

    /// All events, by id.
    pub fn events(&mut self) -> Result<Vec<GoEvent>, String> {
        self.load(
            "SELECT id, coalesce(CAST(service_id AS INTEGER), 0) AS service_id, \
             coalesce(CAST(event AS TEXT), '') AS event, \
             CAST(round(unixepoch(date_started, 'subsec') * 1000) AS INTEGER) AS started_ms, \
             CAST(round(unixepoch(date_ended, 'subsec') * 1000) AS INTEGER) AS ended_ms, \
             unixepoch(created_at) AS created_at, unixepoch(updated_at) AS updated_at \
             FROM service_events ORDER BY id",
        )
    }

    /// All metrics, by service.
    pub fn metrics(&mut self) -> Result<Vec<GoMetric>, String> {
        self.load(
            "SELECT service_id, coalesce(CAST(tick_count AS INTEGER), 0) AS tick_count, \
             coalesce(CAST(up_count AS INTEGER), 0) AS up_count, \
             coalesce(CAST(down_count AS INTEGER), 0) AS down_count, \
             coalesce(CAST(average_response_time_ms AS REAL), 0.0) AS average_response_time_ms \
             FROM service_metrics ORDER BY service_id",
        )
    }

    fn load<T>(&mut self, query: &str) -> Result<Vec<T>, String>
    where
        T: QueryableByName<diesel::sqlite::Sqlite> + 'static,
    {
        diesel::sql_query(query).load(&mut self.connection).map_err(|error| {
            format!("the database cannot be read as one of go-service-healthcheck: {error}")
        })
    }

    /// Calls `each` with every tick, oldest first by its own time.
    pub fn each_tick(
        &mut self,
        mut each: impl FnMut(GoTick) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        const TICKS: &str = "\
            SELECT coalesce(CAST(service_id AS INTEGER), 0) AS service_id, \
                CASE WHEN typeof(is_up) = 'integer' THEN is_up <> 0 END AS is_up, \
                CASE WHEN typeof(response_time_ms) IN ('integer', 'real') \
                    THEN CAST(response_time_ms AS REAL) END AS response_time_ms, \
                CAST(round(unixepoch(created_at, 'subsec') * 1000) AS INTEGER) AS at_ms \
            FROM service_ticks ORDER BY at_ms, rowid";
        let ticks = diesel::sql_query(TICKS)
            .load_iter::<GoTick, DefaultLoadingMode>(&mut self.connection)?;
        for tick in ticks {
            each(tick?)?;
        }
        Ok(())
    }
}
