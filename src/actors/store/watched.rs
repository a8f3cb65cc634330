//! The writer's store: each use checks that its files are still those that were opened.

use std::io;

use crate::actors::store::reopening::Reopening;
use crate::domain::Outcome;
use crate::storage::port::StoreWrite;
use crate::storage::{Rescue, Rescued, StorageError, StoreFile};

/// After a change of the files, every use fails, until a rescue begins.
pub struct WatchedStore {
    file: StoreFile,
    store: Reopening<dyn StoreWrite>,
    rescue: Option<Rescue>,
}

impl WatchedStore {
    pub fn new(file: StoreFile) -> Self {
        let store = Reopening::new(file.clone(), StoreFile::writer);
        Self { file, store, rescue: None }
    }

    pub fn run<T>(
        &mut self,
        work: impl FnOnce(&mut (dyn StoreWrite + 'static)) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if let Some(rescue) = &self.rescue {
            return rescue.run(work);
        }
        self.file.check()?;
        self.store.run(work)
    }

    /// The change of the files, as a sentence.
    pub fn change(&self) -> Option<String> {
        self.file.change()
    }

    /// From now on, writes go to the files that were opened. Whether it has just begun; `false`
    /// without a change of the files, too.
    pub fn begin_rescue(&mut self, now_ms: i64) -> bool {
        let begins = self.rescue.is_none() && self.file.change().is_some();
        if begins {
            self.rescue = Some(Rescue::new(self.file.clone(), now_ms));
        }
        begins
    }

    /// Saves outcomes that were not committed, in a rescue. `None` outside of one.
    pub fn append_to_rescue(&mut self, outcomes: &[Outcome]) -> Option<io::Result<()>> {
        self.rescue.as_mut().map(|rescue| rescue.append(outcomes))
    }

    /// The last use: checkpoints the log, or ends the rescue.
    pub fn close(&mut self, now_ms: i64) -> Option<Rescued> {
        if self.rescue.is_none() && self.file.check().is_ok() {
            if self.store.is_open() {
                // Best effort: otherwise the next start checkpoints the log.
                let _ = self.store.run(StoreWrite::checkpoint);
                self.store.close();
            }
            return None;
        }
        self.begin_rescue(now_ms);
        self.rescue.as_ref().map(Rescue::finish)
    }
}
