//! Reads the tables of go-service-healthcheck. SQLite allows any value in any column, so each value
//! is read as the type that it should have, or as NULL.

use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Nullable, Text};
use diesel::sqlite::SqliteConnection;

use crate::storage::connection::escaped;
use crate::storage::header::APPLICATION_ID;

/// A row of `services`.
#[derive(QueryableByName)]
pub(super) struct GoService {
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
pub(super) struct GoEvent {
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
pub(super) struct GoTick {
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
pub(super) struct GoMetric {
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
struct ApplicationId {
    #[diesel(sql_type = BigInt)]
    application_id: i64,
}

/// Every tick, oldest first.
pub(super) const TICKS: &str = "SELECT coalesce(CAST(service_id AS INTEGER), 0) AS service_id, \
     CASE WHEN typeof(is_up) = 'integer' THEN is_up <> 0 END AS is_up, \
     CASE WHEN typeof(response_time_ms) IN ('integer', 'real') \
     THEN CAST(response_time_ms AS REAL) END AS response_time_ms, \
     CAST(round(unixepoch(created_at, 'subsec') * 1000) AS INTEGER) AS at_ms \
     FROM service_ticks ORDER BY at_ms, rowid";

/// Opens the database read-only; an error when this program wrote it.
pub(super) fn open(file: &Path) -> Result<SqliteConnection, String> {
    let name = file.display();
    if !file.is_file() {
        return Err(format!("{name}: no such file"));
    }
    let path = file.to_str().ok_or("its path is not UTF-8")?;
    let mut source = SqliteConnection::establish(&format!("file:{}?mode=ro", escaped(path)))
        .map_err(|error| format!("{name}: {error}"))?;
    let found: ApplicationId =
        diesel::sql_query("SELECT application_id FROM pragma_application_id")
            .get_result(&mut source)
            .map_err(|error| format!("{name}: {error}"))?;
    if found.application_id == i64::from(APPLICATION_ID) {
        return Err(format!(
            "{name}: a database of service-healthcheck, not of go-service-healthcheck"
        ));
    }
    Ok(source)
}

/// Every service, by id.
pub(super) fn services(source: &mut SqliteConnection) -> QueryResult<Vec<GoService>> {
    diesel::sql_query(
        "SELECT id, coalesce(CAST(name AS TEXT), '') AS name, \
         coalesce(CAST(url AS TEXT), '') AS url, \
         unixepoch(created_at) AS created_at, unixepoch(updated_at) AS updated_at, \
         coalesce(unixepoch(deleted_at), iif(deleted_at IS NULL, NULL, 0)) AS deleted_at \
         FROM services ORDER BY id",
    )
    .load(source)
}

/// Every event, by id.
pub(super) fn events(source: &mut SqliteConnection) -> QueryResult<Vec<GoEvent>> {
    diesel::sql_query(
        "SELECT id, coalesce(CAST(service_id AS INTEGER), 0) AS service_id, \
         coalesce(CAST(event AS TEXT), '') AS event, \
         CAST(round(unixepoch(date_started, 'subsec') * 1000) AS INTEGER) AS started_ms, \
         CAST(round(unixepoch(date_ended, 'subsec') * 1000) AS INTEGER) AS ended_ms, \
         unixepoch(created_at) AS created_at, unixepoch(updated_at) AS updated_at \
         FROM service_events ORDER BY id",
    )
    .load(source)
}

/// Every metric, by service.
pub(super) fn metrics(source: &mut SqliteConnection) -> QueryResult<Vec<GoMetric>> {
    diesel::sql_query(
        "SELECT service_id, coalesce(CAST(tick_count AS INTEGER), 0) AS tick_count, \
         coalesce(CAST(up_count AS INTEGER), 0) AS up_count, \
         coalesce(CAST(down_count AS INTEGER), 0) AS down_count, \
         coalesce(CAST(average_response_time_ms AS REAL), 0.0) AS average_response_time_ms \
         FROM service_metrics ORDER BY service_id",
    )
    .load(source)
}
