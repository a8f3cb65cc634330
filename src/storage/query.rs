//! Queries that one primitive answers.

use crate::domain::history::facts::ProbeFacts;
use crate::domain::{Page, ServiceEvent, Window};
use crate::storage::error::StorageError;
use crate::storage::port::{Query, StoreRead};
use crate::storage::records::{
    GetFacts, GetService, GetServices, GetUsage, ListEvents, ListNewestEvents, ListServices,
    ServiceRecord, Usage,
};

impl Query for GetService {
    type Answer = ServiceRecord;

    fn run(self, rows: &mut dyn StoreRead) -> Result<ServiceRecord, StorageError> {
        rows.service(self.0)
    }
}

impl Query for GetServices {
    type Answer = Vec<ServiceRecord>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Vec<ServiceRecord>, StorageError> {
        rows.services_by_id(&self.0)
    }
}

impl Query for ListServices {
    type Answer = Page<ServiceRecord>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Page<ServiceRecord>, StorageError> {
        rows.services(&self)
    }
}

impl Query for ListEvents {
    type Answer = Page<ServiceEvent>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Page<ServiceEvent>, StorageError> {
        rows.events(&self)
    }
}

impl Query for ListNewestEvents {
    type Answer = Vec<ServiceEvent>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Vec<ServiceEvent>, StorageError> {
        rows.newest_events(self.0)
    }
}

impl Query for GetFacts {
    type Answer = Option<ProbeFacts>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Option<ProbeFacts>, StorageError> {
        let newest = Window { from_ms: i64::MAX, to_ms: i64::MAX };
        let mut facts = rows.facts(&[self.0], newest)?.remove(&self.0).unwrap_or_default();
        Ok(facts.pop().map(|since| since.facts))
    }
}

impl Query for GetUsage {
    type Answer = Usage;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Usage, StorageError> {
        rows.usage()
    }
}
