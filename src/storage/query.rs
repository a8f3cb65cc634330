//! Queries that one primitive answers.

use crate::domain::{Page, ServiceEvent};
use crate::storage::error::StorageError;
use crate::storage::port::{Query, StoreRead};
use crate::storage::records::{
    GetService, GetServices, GetUsage, ListEvents, ListNewestEvents, ListServices, ServiceRecord,
    Usage,
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

impl Query for GetUsage {
    type Answer = Usage;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Usage, StorageError> {
        rows.usage()
    }
}
