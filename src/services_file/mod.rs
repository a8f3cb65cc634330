//! The declarative list of services: YAML files in the form of Gatus (contract, "Services file").
//!
//! [`read`] turns a file, or a folder of files, into entries before anything is started or changed.
//! [`plan`] compares the entries with the store, and [`apply`] executes the plan in one
//! transaction.

mod entry;
mod files;
mod parse;
mod plan;
mod problems;
mod read;
mod yaml;

pub use entry::Entry;
pub use files::{Snapshot, snapshot};
pub use plan::plan;
pub use read::{read, read_text};

use crate::domain::{Definition, ServiceId};
use crate::storage::records::{AppliedPlan, LoadedService};
use crate::storage::{StorageError, StoreWrite};

/// What applying the entries did.
#[derive(Debug, Clone, PartialEq)]
pub struct FileApplied {
    /// How many services were added, changed and removed.
    pub counts: (usize, usize, usize),
    /// Each of them as it is defined now; `None` when it was removed.
    pub services: Vec<(ServiceId, Option<Definition>)>,
}

/// Why entries were not applied; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    /// They contradict the services made through the API; one sentence a problem.
    Refused(Vec<String>),
    /// The store did not take them.
    Store(StorageError),
}

impl From<StorageError> for FileError {
    fn from(error: StorageError) -> Self {
        Self::Store(error)
    }
}

/// Brings the services of the file in line with `entries`, as one transaction.
pub fn apply(
    store: &mut dyn StoreWrite,
    entries: &[Entry],
    now_ms: i64,
) -> Result<FileApplied, FileError> {
    let mut make_plan = |known: &[LoadedService]| plan(entries, known);
    let applied = store.define_all(&mut make_plan, now_ms).map_err(|error| match error {
        StorageError::Invalid(problems) => FileError::Refused(problems),
        error => FileError::Store(error),
    })?;
    let AppliedPlan { plan, added } = applied;
    let counts = (plan.add.len(), plan.change.len(), plan.remove.len());
    let added = added.into_iter().zip(plan.add).map(|(id, definition)| (id, Some(definition)));
    let changed = plan.change.into_iter().map(|(id, definition)| (id, Some(definition)));
    let removed = plan.remove.into_iter().map(|id| (id, None));
    Ok(FileApplied { counts, services: removed.chain(changed).chain(added).collect() })
}
