//! Queries of maintenance.

use crate::storage::maintenance::{
    GetMaintenance, ListDueSpans, ListMaintenance, MaintenanceRecord, SpanPortion,
};
use crate::storage::port::{Query, Result, StoreRead, snapshot};

impl Query for ListMaintenance {
    type Answer = Vec<MaintenanceRecord>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Vec<MaintenanceRecord>> {
        rows.maintenances()
    }
}

impl Query for GetMaintenance {
    type Answer = MaintenanceRecord;

    fn run(self, rows: &mut dyn StoreRead) -> Result<MaintenanceRecord> {
        rows.maintenance(self.0)
    }
}

impl Query for ListDueSpans {
    type Answer = SpanPortion;

    fn run(self, rows: &mut dyn StoreRead) -> Result<SpanPortion> {
        snapshot(rows, |rows| rows.due_spans(self))
    }
}
