//! The shards and the duties of this instance, for all threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// The duties of this instance: how often each was taken or lost, an odd number while this instance
/// has it. Written by one thread; clones share the content.
#[derive(Debug, Clone)]
pub struct Duties(Arc<[AtomicU64; 2]>);

impl Duties {
    pub fn new(duties: &[Duty]) -> Self {
        let new = Self(Arc::default());
        new.set(duties);
        new
    }

    pub fn has(&self, duty: Duty) -> bool {
        self.term(duty).is_some()
    }

    /// The term of this instance; `None` while it does not have the duty. Between two terms, others
    /// may have had it.
    pub fn term(&self, duty: Duty) -> Option<u64> {
        let changes = self.0[duty as usize].load(Ordering::Acquire);
        (changes % 2 == 1).then_some(changes)
    }

    pub fn set(&self, duties: &[Duty]) {
        for duty in Duty::ALL {
            if self.has(duty) != duties.contains(&duty) {
                self.0[duty as usize].fetch_add(1, Ordering::Release);
            }
        }
    }
}

impl Default for Duties {
    /// All duties.
    fn default() -> Self {
        Self::new(&Duty::ALL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duty_that_comes_back_begins_a_new_term() {
        let duties = Duties::new(&[Duty::Alerts]);
        let first = duties.term(Duty::Alerts);
        duties.set(&[Duty::Alerts, Duty::ServicesFile]);
        assert!(
            first.is_some()
                && duties.term(Duty::Alerts) == first
                && Duties::default().has(Duty::Alerts)
        );
        duties.set(&[Duty::ServicesFile]);
        assert!(!duties.has(Duty::Alerts) && duties.has(Duty::ServicesFile));
        duties.set(&[Duty::Alerts]);
        assert!(duties.has(Duty::Alerts) && duties.term(Duty::Alerts) != first);
    }
}
