//! What the store takes.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::One;
use crate::storage::history::usage::Usage;

/// `data` of what the store takes.
#[derive(Debug, Serialize, ToSchema)]
pub struct StorageData {
    /// How much there is.
    pub storage: One<Storage>,
}

/// How much there is in the store, and what room it takes.
#[derive(Debug, Serialize, ToSchema)]
pub struct Storage {
    /// Bytes.
    bytes: StorageBytes,
    /// Rows.
    rows: BTreeMap<&'static str, u64>,
    /// What a sealed tick takes on average, in bytes; null while none is sealed.
    #[schema(required = true, example = 8.4)]
    bytes_per_sealed_tick: Option<f64>,
    /// From about when on ticks are kept, in unix seconds; null while none is sealed.
    #[schema(required = true)]
    ticks_since: Option<i64>,
    /// Unix seconds of the last sealing; null before the first.
    #[schema(required = true)]
    sealed_at: Option<i64>,
}

/// Sizes in bytes.
#[derive(Debug, Serialize, ToSchema)]
pub struct StorageBytes {
    /// The database file.
    file: u64,
    /// The write-ahead log beside it.
    log: u64,
    /// Of the file, what is free for what comes next.
    free: u64,
    /// Of the file, what sealed ticks take.
    sealed_ticks: u64,
}

impl Storage {
    /// What `usage` says.
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
