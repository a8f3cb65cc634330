//! Sealing: fresh ticks become chunks and part of the roll-ups.
//!
//! A sealing consists of short transactions, with other writes between them:
//!
//! 1. [`StoreWrite::begin_sealing`] sets the fresh ticks apart from those that follow.
//! 2. [`publish`] writes what [`Prepare`](super::slice::Prepare) has packed, service by service in
//!    the order of their ids. A tick is fresh until its service is written and sealed from then on,
//!    so it is in exactly one place at any moment.
//! 3. [`StoreWrite::finish_sealing`] removes the ticks that were set apart.
//!
//! The store records how far a sealing has come, so it continues there after a crash.

use std::time::{Duration, Instant};

use crate::storage::error::StorageError;
use crate::storage::history::rows::{Portion, Slice};
use crate::storage::port::StoreWrite;

/// Time after which a transaction writes no further service. A service takes a fraction of a
/// millisecond; the commit, and from time to time a checkpoint, take as long again.
const PORTION: Duration = Duration::from_millis(20);

/// Writes the first services of `slice`, for about 20 ms, and removes them from it.
///
/// Error `Conflict` when another slice was published since this one was prepared; nothing is
/// changed then.
pub fn publish(
    store: &mut dyn StoreWrite,
    slice: &mut Slice,
    now_ms: i64,
) -> Result<Portion, StorageError> {
    let began = Instant::now();
    publish_until(store, slice, now_ms, &mut || began.elapsed() >= PORTION)
}

/// As [`publish`], until `is_enough`, which is called after each service.
pub fn publish_until(
    store: &mut dyn StoreWrite,
    slice: &mut Slice,
    now_ms: i64,
    is_enough: &mut dyn FnMut() -> bool,
) -> Result<Portion, StorageError> {
    let portion = store.publish(slice, now_ms, is_enough)?;
    slice.after = slice.done_through(portion.services);
    slice.services.drain(..portion.services);
    Ok(portion)
}
