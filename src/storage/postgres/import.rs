//! The writes of an import.

use super::store::PostgresStore;
use crate::domain::{StoredTick, Tally};
use crate::storage::import::{ImportedEvent, ImportedService, NewService};
use crate::storage::port::{Result, StoreImport};

/// An import within a transaction.
pub struct Import<'s> {
    store: &'s mut PostgresStore,
}

impl<'s> Import<'s> {
    pub fn new(store: &'s mut PostgresStore) -> Result<Self> {
        todo!()
    }
}

impl StoreImport for Import<'_> {
    fn add_service(&mut self, service: &NewService<'_>) -> Result<ImportedService> {
        todo!()
    }

    fn add_tick(&mut self, service: &ImportedService, tick: &StoredTick) -> Result<()> {
        todo!()
    }

    fn add_events(
        &mut self,
        service: &ImportedService,
        events: &[ImportedEvent],
        tally: &Tally,
    ) -> Result<()> {
        todo!()
    }

    fn seal_all(&mut self, chunk_ticks: usize, now_ms: i64) -> Result<()> {
        todo!()
    }
}
