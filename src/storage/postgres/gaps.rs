//! Gaps: periods that the monitor did not observe, because it did not run or stalled.

use super::store::PostgresStore;
use crate::storage::port::Result;
use crate::storage::records::{Gap, Resumed};

pub fn close(store: &mut PostgresStore, now_ms: i64, default_interval_ms: i64) -> Result<Resumed> {
    todo!()
}

pub fn stall(store: &mut PostgresStore, from_ms: i64, now_ms: i64) -> Result<Option<Gap>> {
    todo!()
}
