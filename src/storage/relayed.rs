//! The cursors of remote write that are not stored yet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::{IdMap, ServiceId, ShardSet};

/// Up to which tick each service is relayed, as far as the store does not have it. Written by the
/// relay, and stored by the writer with the next commit of the service; clones share the content.
/// Bound: one entry a service.
#[derive(Debug, Clone, Default)]
pub struct RelayedSeqs(Arc<Mutex<IdMap<Unsaved>>>);

#[derive(Debug, Clone, Copy)]
struct Unsaved {
    /// First tick that is relayed again after a crash.
    first: u64,
    newest: u64,
}

impl RelayedSeqs {
    /// Tick number `seq` of the service is relayed, and all before it. Returns the number of its
    /// ticks that are relayed again after a crash.
    pub fn relayed(&self, id: ServiceId, seq: u64) -> u64 {
        let mut all = self.lock();
        if let Some(unsaved) = all.get_mut(id) {
            unsaved.newest = unsaved.newest.max(seq);
            return unsaved.newest + 1 - unsaved.first;
        }
        all.insert(id, Unsaved { first: seq, newest: seq });
        1
    }

    /// `None` when the store has it.
    pub fn unsaved(&self, id: ServiceId) -> Option<u64> {
        self.lock().get(id).map(|unsaved| unsaved.newest)
    }

    pub fn all_unsaved(&self) -> Vec<(ServiceId, u64)> {
        self.lock().iter().map(|(id, unsaved)| (id, unsaved.newest)).collect()
    }

    pub fn is_saved(&self) -> bool {
        self.lock().is_empty()
    }

    /// The store has `seq`.
    pub fn saved(&self, id: ServiceId, seq: u64) {
        let mut all = self.lock();
        let Some(unsaved) = all.get_mut(id) else { return };
        if unsaved.newest <= seq {
            all.remove(id);
        } else {
            unsaved.first = seq + 1;
        }
    }

    /// Another instance stores the cursors of these shards.
    pub fn forget_shards(&self, shards: &ShardSet) {
        self.lock().retain(|id, _| !shards.contains(id));
    }

    /// The content is consistent after every statement.
    fn lock(&self) -> MutexGuard<'_, IdMap<Unsaved>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_forgotten() {
        let seqs = RelayedSeqs::default();
        let id = ServiceId::new(1).unwrap();
        assert_eq!((seqs.relayed(id, 5), seqs.relayed(id, 8)), (1, 4));
        assert_eq!(seqs.unsaved(id), Some(8));
        seqs.saved(id, 6);
        assert_eq!((seqs.relayed(id, 9), seqs.all_unsaved()), (3, vec![(id, 9)]));
        seqs.saved(id, 9);
        assert!(seqs.is_saved() && seqs.unsaved(id).is_none());
    }
}
