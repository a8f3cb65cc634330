//! The shards and the duties of this instance, for all threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::domain::shards::shard_of;
use crate::domain::{ServiceId, ShardSet};
use crate::storage::coordination::Duty;

/// The shards that this instance owns. Written by the writer, read everywhere; clones share the
/// content.
#[derive(Debug, Clone)]
pub struct OwnedShards(Arc<[AtomicU64; 16]>);

impl OwnedShards {
    pub fn new(set: &ShardSet) -> Self {
        Self(Arc::new(set.words().map(AtomicU64::new)))
    }

    pub fn contains(&self, id: ServiceId) -> bool {
        let shard = shard_of(id.get());
        self.0[shard / 64].load(Ordering::Relaxed) & (1 << (shard % 64)) != 0
    }

    pub fn get(&self) -> ShardSet {
        ShardSet::from_words(std::array::from_fn(|nth| self.0[nth].load(Ordering::Relaxed)))
    }

    pub fn add(&self, set: &ShardSet) {
        for (word, more) in self.0.iter().zip(set.words()) {
            word.fetch_or(more, Ordering::Relaxed);
        }
    }

    pub fn remove(&self, set: &ShardSet) {
        for (word, less) in self.0.iter().zip(set.words()) {
            word.fetch_and(!less, Ordering::Relaxed);
        }
    }
}

impl Default for OwnedShards {
    /// All shards.
    fn default() -> Self {
        Self::new(&ShardSet::ALL)
    }
}

/// The duties of this instance. Clones share the content.
#[derive(Debug, Clone)]
pub struct Duties(Arc<[AtomicBool; 2]>);

impl Duties {
    pub fn new(duties: &[Duty]) -> Self {
        let new = Self(Arc::default());
        new.set(duties);
        new
    }

    pub fn has(&self, duty: Duty) -> bool {
        self.0[duty as usize].load(Ordering::Acquire)
    }

    pub fn set(&self, duties: &[Duty]) {
        for duty in Duty::ALL {
            self.0[duty as usize].store(duties.contains(&duty), Ordering::Release);
        }
    }
}

impl Default for Duties {
    /// All duties.
    fn default() -> Self {
        Self::new(&Duty::ALL)
    }
}
