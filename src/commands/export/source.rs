//! The ticks to export, read from the database.

use std::io;

use crate::domain::{ServiceId, StoredTick, Window};
use crate::storage::StorageError;
use crate::storage::history::scan::Scan;
use crate::storage::records::NamedService;
use crate::storage::sqlite::offline::OfflineStore;

pub(super) struct TickSource {
    pub store: OfflineStore,
    pub window: Window,
}

impl TickSource {
    /// Passes every tick of `service` to `write`, oldest first.
    pub fn for_each(
        &mut self,
        service: &NamedService,
        mut write: impl FnMut(&StoredTick) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        let mut scan = Scan::new(service, self.window);
        let failed = |error| ExportError::Storage(service.id, error);
        while let Some(ticks) = scan.step(self.store.rows()).map_err(failed)? {
            for tick in &ticks {
                write(tick)?;
            }
        }
        Ok(())
    }
}

/// What an export reports when it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Exported {
    /// Ticks that are not later than the tick before, which a time series cannot hold.
    pub skipped: u64,
}

#[derive(Debug)]
pub(super) enum ExportError {
    /// The ticks of this service cannot be read.
    Storage(ServiceId, StorageError),
    /// The text cannot be written.
    Output(io::Error),
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<csv::Error> for ExportError {
    fn from(error: csv::Error) -> Self {
        Self::Output(error.into())
    }
}
