//! The writer's store: each use checks that this process may still write to it.

use std::io;

use crate::actors::store::reopening::Reopening;
use crate::domain::Outcome;
use crate::storage::port::StoreWrite;
use crate::storage::{Rescue, Rescued, StorageError, StoreAccess, StoreChange};

/// After a change of the store, every use fails, until a rescue begins.
pub struct WatchedStore {
    access: StoreAccess,
    store: Reopening<dyn StoreWrite>,
    rescue: Option<Rescue>,
}

impl WatchedStore {
    pub fn new(access: StoreAccess) -> Self {
        let store = Reopening::new(access.clone(), StoreAccess::writer);
        Self { access, store, rescue: None }
    }

    pub fn run<T>(
        &mut self,
        work: impl FnOnce(&mut (dyn StoreWrite + 'static)) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if let Some(rescue) = &self.rescue {
            return rescue.run(work);
        }
        self.access.check()?;
        self.store.run(work)
    }

    pub fn change(&self) -> Option<StoreChange> {
        self.access.change()
    }

    /// From now on, writes go to the store that was opened, if it can be reached. Whether it has
    /// just begun; `false` without a change of the store, too.
    pub fn begin_rescue(&mut self, now_ms: i64) -> bool {
        if self.rescue.is_some() {
            return false;
        }
        self.rescue = self.access.rescue(now_ms);
        self.rescue.is_some()
    }

    /// Saves outcomes that were not committed, in a rescue, or gives them up, and returns how many
    /// were given up. `None` outside of a rescue.
    pub fn append_to_rescue(&mut self, outcomes: &[Outcome]) -> Option<io::Result<usize>> {
        self.rescue.as_mut().map(|rescue| rescue.append(outcomes))
    }

    /// The last use: checkpoints the log and gives the store up, or ends the rescue.
    pub fn close(&mut self, now_ms: i64) -> Option<Rescued> {
        if self.rescue.is_none() && self.access.check().is_ok() {
            if self.store.is_open() {
                // Best effort: otherwise the next start checkpoints the log.
                let _ = self.store.run(StoreWrite::checkpoint);
                self.store.close();
            }
            self.access.leave();
            return None;
        }
        self.begin_rescue(now_ms);
        self.rescue.as_ref().map(Rescue::finish)
    }
}
