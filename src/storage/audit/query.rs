//! Queries of the audit.

use crate::domain::audit::AuditRecord;
use crate::storage::audit::ListAudit;
use crate::storage::port::{Query, Result, StoreRead};

impl Query for ListAudit {
    type Answer = Vec<AuditRecord>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Vec<AuditRecord>> {
        rows.audit(&self)
    }
}
