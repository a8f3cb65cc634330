//! The lengths of runs that are signalled, of all services, as their definitions and the policies
//! demand.

use std::collections::HashSet;
use std::sync::Arc;

use crate::domain::alert::{AlertMarks, Marks, Policy, Watched};
use crate::domain::{Definition, ServiceId};
use crate::storage::StorageError;
use crate::storage::port::StoreRead;
use crate::storage::records::LoadedService;

/// Computes marks; equal ones are shared.
#[derive(Debug, Clone, Default)]
pub struct MarksSource {
    policies: Vec<Policy>,
    shared: HashSet<Arc<Marks>>,
}

impl MarksSource {
    pub fn new(policies: Vec<Policy>) -> Self {
        Self { policies, shared: HashSet::new() }
    }

    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The marks of these services.
    pub fn of_all(&mut self, services: &[LoadedService]) -> AlertMarks {
        let marks = services
            .iter()
            .filter_map(|service| Some((service.id, self.of(Some(&service.definition))?)));
        marks.collect()
    }

    /// The marks of a service; `None` for one that is paused or removed.
    pub fn of(&mut self, definition: Option<&Definition>) -> Option<Arc<Marks>> {
        let definition = definition.filter(|definition| definition.enabled)?;
        let marks = Watched::new(definition).marks(&self.policies)?;
        if let Some(shared) = self.shared.get(&marks) {
            return Some(Arc::clone(shared));
        }
        let marks = Arc::new(marks);
        self.shared.insert(Arc::clone(&marks));
        Some(marks)
    }

    /// Updates `marks` after a change of one service.
    pub fn changed(
        &mut self,
        id: ServiceId,
        definition: Option<&Definition>,
        marks: &mut AlertMarks,
    ) {
        match self.of(definition) {
            Some(new) => marks.insert(id, new),
            None => marks.remove(id),
        }
    }

    /// The marks of all services after a change of the policies; `None` when these are the same.
    pub fn reloaded(
        &mut self,
        store: &mut dyn StoreRead,
    ) -> Result<Option<AlertMarks>, StorageError> {
        let policies = store.policies()?;
        if policies == self.policies {
            return Ok(None);
        }
        *self = Self::new(policies);
        let services = store.load_services()?;
        Ok(Some(self.of_all(&services)))
    }
}
