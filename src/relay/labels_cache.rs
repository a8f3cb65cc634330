//! The labels of services, as far as they have been read from the store.

use std::collections::HashMap;

use crate::domain::{Definition, ServiceId};
use crate::relay::encoding::{ServiceLabels, service_labels};

/// Most cached services, of some 300 bytes each.
const CACHED_MAX: usize = 65_536;

#[derive(Debug)]
pub struct LabelsCache {
    known: HashMap<ServiceId, ServiceLabels>,
    /// Labels of all series.
    external: Vec<(String, String)>,
}

impl LabelsCache {
    pub fn new(external: Vec<(String, String)>) -> Self {
        Self { known: HashMap::new(), external }
    }

    /// Those of `ids` that must be read.
    pub fn missing(&self, ids: impl Iterator<Item = ServiceId>) -> Vec<ServiceId> {
        let mut missing: Vec<ServiceId> = ids.filter(|id| !self.known.contains_key(id)).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    pub fn insert(&mut self, definitions: HashMap<ServiceId, Definition>) {
        if self.known.len() + definitions.len() > CACHED_MAX {
            self.known = HashMap::new();
        }
        for (id, definition) in definitions {
            self.known.insert(id, service_labels(id, &definition, &self.external));
        }
    }

    /// The service has changed.
    pub fn forget(&mut self, id: ServiceId) {
        self.known.remove(&id);
    }

    pub fn known(&self) -> &HashMap<ServiceId, ServiceLabels> {
        &self.known
    }
}
