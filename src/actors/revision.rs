//! The version of the store's content, for cached responses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Incremented after each write and before its sender is acknowledged, so a response made at a
/// revision is valid while that revision is current. Clones share the number.
#[derive(Debug, Clone, Default)]
pub struct Revision(Arc<AtomicU64>);

impl Revision {
    pub fn current(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub fn increment(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}
