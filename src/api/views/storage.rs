//! Size and row counts of the store.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::views::envelope::One;
use crate::storage::records::Usage;

/// `data` of a response with the size of the store.
#[derive(Debug, Serialize, ToSchema)]
pub struct StorageData {
    pub storage: One<Storage>,
}

/// Size and row counts of the store.
#[derive(Debug, Serialize, ToSchema)]
pub struct Storage {
    /// Sizes in bytes.
    bytes: StorageBytes,
    /// Row counts by table.
    rows: BTreeMap<&'static str, u64>,
    /// Mean size of a sealed tick, in bytes; null without sealed ticks.
    #[schema(required = true, example = 8.4)]
    bytes_per_sealed_tick: Option<f64>,
    /// Approximate time of the oldest sealed tick, in unix seconds; null without sealed ticks.
    #[schema(required = true)]
    ticks_since: Option<i64>,
    /// Time of the last seal, in unix seconds; null before the first.
    #[schema(required = true)]
    sealed_at: Option<i64>,
}

/// Sizes in bytes.
#[derive(Debug, Serialize, ToSchema)]
pub struct StorageBytes {
    /// The database file; on PostgreSQL the tables of the store with their indexes.
    file: u64,
    /// The write-ahead log of the database file; null on PostgreSQL.
    #[schema(required = true)]
    log: Option<u64>,
    /// Free pages within the file; null on PostgreSQL.
    #[schema(required = true)]
    free: Option<u64>,
    /// Chunks of sealed ticks within the file or the tables.
    sealed_ticks: u64,
}

impl Storage {
    pub fn new(usage: &Usage) -> Self {
        let per_tick = usage.sealed_bytes as f64 / usage.sealed_ticks as f64;
        Self {
            bytes: StorageBytes {
                file: usage.file_bytes,
                log: usage.log_bytes,
                free: usage.free_bytes,
                sealed_ticks: usage.sealed_bytes,
            },
            rows: usage.rows().into_iter().collect(),
            bytes_per_sealed_tick: (usage.sealed_ticks > 0).then_some(per_tick),
            ticks_since: usage.ticks_since_ms.map(|ms| ms.div_euclid(1_000)),
            sealed_at: (usage.sealed_at_ms > 0).then(|| usage.sealed_at_ms.div_euclid(1_000)),
        }
    }
}
