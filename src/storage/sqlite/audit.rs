//! [`AuditRead`] and [`AuditWrite`].

use diesel::sqlite::SqliteConnection;

use super::cold::audit;
use crate::domain::audit::{AuditEntry, AuditRecord};
use crate::storage::audit::ListAudit;
use crate::storage::audit::port::{AuditRead, AuditWrite};
use crate::storage::port::Result;

impl AuditRead for SqliteConnection {
    fn audit(&mut self, list: &ListAudit) -> Result<Vec<AuditRecord>> {
        audit::list(self, list)
    }
}

impl AuditWrite for SqliteConnection {
    fn record_audit(&mut self, entries: &[AuditEntry]) -> Result<()> {
        self.immediate_transaction(|connection| audit::write(connection, entries))
    }

    fn expire_audit(&mut self, cutoff_ms: i64, limit: u32) -> Result<bool> {
        self.immediate_transaction(|connection| audit::expire(connection, cutoff_ms, limit))
    }
}
