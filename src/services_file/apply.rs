//! Applying a services file to the store.

use std::collections::HashMap;

use crate::domain::service::definition::Definition;
use crate::domain::service::service_id::ServiceId;
use crate::services_file::entry::Entry;
use crate::services_file::plan::plan;
use crate::storage::records::{AppliedPlan, FilePlan, LoadedService};
use crate::storage::{StorageError, StoreWrite};

/// The changes of an applied services file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileApplied {
    pub added: usize,
    pub changed: usize,
    pub removed: usize,
    /// Changed services that are probed or judged in another way.
    pub redefined: Vec<ServiceId>,
    /// Each changed service; `None` for a removed one.
    pub services: Vec<(ServiceId, Option<Definition>)>,
}

/// Why a services file was not applied. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Entries conflict with services of the API; one message for each problem.
    #[error("{}", .0.join("; "))]
    Refused(Vec<String>),
    #[error(transparent)]
    Store(#[from] StorageError),
}

/// Changes the services of the file to `entries`, in one transaction.
pub fn apply(
    store: &mut dyn StoreWrite,
    entries: &[Entry],
    now_ms: i64,
) -> Result<FileApplied, FileError> {
    let mut redefined = Vec::new();
    let mut make_plan = |stored: &[LoadedService]| {
        let plan = plan(entries, stored)?;
        redefined = changed_probes(&plan, stored);
        Ok(plan)
    };
    let applied = store.define_all(&mut make_plan, now_ms).map_err(|error| match error {
        StorageError::Invalid(problems) => FileError::Refused(problems),
        error => FileError::Store(error),
    })?;
    let AppliedPlan { plan, added: ids, alerting_changed: _ } = applied;
    let (added, changed, removed) = (plan.add.len(), plan.change.len(), plan.remove.len());
    let additions = ids.into_iter().zip(plan.add);
    let defined = plan.change.into_iter().chain(additions);
    let defined = defined.map(|(id, definition)| (id, Some(definition)));
    let services = plan.remove.into_iter().map(|id| (id, None)).chain(defined).collect();
    Ok(FileApplied { added, changed, removed, redefined, services })
}

/// The services that `plan` has probed or judged in another way.
fn changed_probes(plan: &FilePlan, stored: &[LoadedService]) -> Vec<ServiceId> {
    let before: HashMap<ServiceId, &Definition> =
        stored.iter().map(|service| (service.id, &service.definition)).collect();
    let is_redefined = |(id, after): &&(ServiceId, Definition)| {
        before.get(id).is_none_or(|before| !after.probes_as(before))
    };
    plan.change.iter().filter(is_redefined).map(|(id, _)| *id).collect()
}
