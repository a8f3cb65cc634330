//! How much there is, and how much room it takes.

use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::SqliteConnection;

use super::fresh;
use crate::storage::StorageError;
use crate::storage::reader::Query;

/// Sizes are bytes, counts are rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Size of the database file.
    pub file_bytes: u64,
    /// Size of the write-ahead log beside it.
    pub log_bytes: u64,
    /// Room in the file that is free for what comes next.
    pub free_bytes: u64,
    /// Services, deleted ones included.
    pub services: u64,
    /// Events.
    pub events: u64,
    /// Ticks that are not sealed yet.
    pub fresh_ticks: u64,
    /// Ticks that are sealed.
    pub sealed_ticks: u64,
    /// Chunks of sealed ticks.
    pub chunks: u64,
    /// What the sealed ticks take, packed.
    pub sealed_bytes: u64,
    /// Roll-ups, of hours and days.
    pub rollups: u64,
    /// From about when on ticks are kept: the start of the chunk that ends first, in unix milliseconds.
    pub ticks_since_ms: Option<i64>,
    /// When ticks were last sealed, in unix milliseconds; 0 for never.
    pub sealed_at_ms: i64,
}

impl Usage {
    /// Rows by what they are.
    pub fn rows(&self) -> [(&'static str, u64); 6] {
        [
            ("services", self.services),
            ("events", self.events),
            ("fresh_ticks", self.fresh_ticks),
            ("sealed_ticks", self.sealed_ticks),
            ("chunks", self.chunks),
            ("rollups", self.rollups),
        ]
    }
}

/// How much there is now.
#[derive(Debug, Clone, Copy)]
pub struct GetUsage;

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

/// Reads no table from end to end but the events.
const COUNT: &str = "\
    SELECT page_size, page_count, freelist_count, sealed_tick_count, chunk_count, sealed_byte_count, rollup_count, sealed_at_ms, \
        (SELECT count(*) FROM services) AS services, \
        (SELECT count(*) FROM service_events) AS events, \
        (SELECT from_ms FROM service_tick_chunks WHERE to_ms = (SELECT min(to_ms) FROM service_tick_chunks) \
            ORDER BY from_ms LIMIT 1) AS ticks_since_ms, \
        (SELECT file FROM pragma_database_list WHERE name = 'main') AS file \
    FROM history, pragma_page_size, pragma_page_count, pragma_freelist_count";

impl Query for GetUsage {
    type Answer = Usage;

    fn run(self, connection: &mut SqliteConnection) -> Result<Self::Answer, StorageError> {
        let (counts, fresh) = connection.transaction(|connection| {
            let counts: Counts = diesel::sql_query(COUNT).get_result(connection)?;
            Ok::<_, StorageError>((counts, fresh::extent(connection)?))
        })?;
        let log = format!("{}-wal", counts.file);
        let log_bytes = Path::new(&log).metadata().map_or(0, |metadata| metadata.len());
        let number = i64::cast_unsigned;
        Ok(Usage {
            file_bytes: number(counts.page_size * counts.page_count),
            log_bytes,
            free_bytes: number(counts.page_size * counts.freelist_count),
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
}
