//! Number of rows and bytes.

use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::SqliteConnection;

use super::fresh;
use crate::storage::error::StorageError;
use crate::storage::records::Usage;

#[derive(QueryableByName)]
struct Counts {
    #[diesel(sql_type = BigInt)]
    page_size: i64,
    #[diesel(sql_type = BigInt)]
    page_count: i64,
    #[diesel(sql_type = BigInt)]
    freelist_count: i64,
    #[diesel(sql_type = BigInt)]
    services: i64,
    #[diesel(sql_type = BigInt)]
    events: i64,
    #[diesel(sql_type = BigInt)]
    sealed_tick_count: i64,
    #[diesel(sql_type = BigInt)]
    chunk_count: i64,
    #[diesel(sql_type = BigInt)]
    sealed_byte_count: i64,
    #[diesel(sql_type = BigInt)]
    rollup_count: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    ticks_since_ms: Option<i64>,
    #[diesel(sql_type = BigInt)]
    sealed_at_ms: i64,
    #[diesel(sql_type = Text)]
    file: String,
}

/// Scans no whole table except for the services and the events.
const COUNT: &str = "\
    SELECT page_size, page_count, freelist_count, sealed_tick_count, chunk_count, \
        sealed_byte_count, rollup_count, sealed_at_ms, \
        (SELECT count(*) FROM services) AS services, \
        (SELECT count(*) FROM service_events) AS events, \
        (SELECT from_ms FROM service_tick_chunks \
            WHERE to_ms = (SELECT min(to_ms) FROM service_tick_chunks) \
            ORDER BY from_ms LIMIT 1) AS ticks_since_ms, \
        (SELECT file FROM pragma_database_list WHERE name = 'main') AS file \
    FROM history, pragma_page_size, pragma_page_count, pragma_freelist_count";

pub fn usage(connection: &mut SqliteConnection) -> Result<Usage, StorageError> {
    let (counts, fresh) = connection.transaction(|connection| {
        let counts: Counts = diesel::sql_query(COUNT).get_result(connection)?;
        Ok::<_, StorageError>((counts, fresh::extent(connection)?))
    })?;
    let log = format!("{}-wal", counts.file);
    let log_bytes = Path::new(&log).metadata().map_or(0, |metadata| metadata.len());
    let number = i64::cast_unsigned;
    Ok(Usage {
        file_bytes: number(counts.page_size * counts.page_count),
        log_bytes: Some(log_bytes),
        free_bytes: Some(number(counts.page_size * counts.freelist_count)),
        services: number(counts.services),
        events: number(counts.events),
        fresh_ticks: fresh.ticks,
        sealed_ticks: number(counts.sealed_tick_count),
        chunks: number(counts.chunk_count),
        sealed_bytes: number(counts.sealed_byte_count),
        rollups: number(counts.rollup_count),
        ticks_since_ms: counts.ticks_since_ms,
        sealed_at_ms: counts.sealed_at_ms,
    })
}
