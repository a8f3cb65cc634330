//! The ticks to export, read from the database.

use std::io;

use crate::commands::stored::Stored;
use crate::domain::{ServiceId, StoredTick, Window};
use crate::storage::StorageError;
use crate::storage::history::scan::Scan;
use crate::storage::records::NamedService;

pub(super) struct TickSource {
    pub store: Stored,
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
        Self::Output(io_error(error))
    }
}

/// The error of the output itself, so that its kind stays: a closed pipe ends an export quietly.
pub(super) fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reader of the pipe has ended.
    struct ClosedPipe;

    impl io::Write for ClosedPipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_recognized_while_records_are_written() {
        let mut csv = csv::Writer::from_writer(ClosedPipe);
        // More than the buffer of the writer.
        let error = (0..10_000).find_map(|_| csv.write_record(["a"; 10]).err()).unwrap();
        assert_eq!(io_error(error).kind(), io::ErrorKind::BrokenPipe);
    }
}
