//! Which state of the store an answer is of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Moves on with each write of the recorder, before anybody is told that the write was made; clones are the same. So an answer
/// that was asked for at a revision holds while that is the current one.
#[derive(Debug, Clone, Default)]
pub struct Revision(Arc<AtomicU64>);

impl Revision {
    /// The current one.
    pub fn current(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Something was written.
    pub fn move_on(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}
