//! The writes of a sealing.

use super::store::PostgresStore;
use crate::storage::history::rows::{Portion, Slice};
use crate::storage::port::Result;

pub fn begin(store: &mut PostgresStore) -> Result<bool> {
    todo!()
}

pub fn publish(
    store: &mut PostgresStore,
    slice: &Slice,
    now_ms: i64,
    is_enough: &mut dyn FnMut() -> bool,
) -> Result<Portion> {
    todo!()
}

pub fn finish(store: &mut PostgresStore, now_ms: i64) -> Result<u64> {
    todo!()
}
