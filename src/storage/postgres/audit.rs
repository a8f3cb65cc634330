//! [`AuditRead`] and [`AuditWrite`] on PostgreSQL.

use super::cold::audit;
use super::store::PostgresStore;
use crate::domain::audit::{AuditEntry, AuditRecord};
use crate::storage::audit::ListAudit;
use crate::storage::audit::port::{AuditRead, AuditWrite};
use crate::storage::port::Result;

impl AuditRead for PostgresStore {
    fn audit(&mut self, list: &ListAudit) -> Result<Vec<AuditRecord>> {
        self.run(|connection| audit::list(connection, list))
    }
}

impl AuditWrite for PostgresStore {
    fn record_audit(&mut self, entries: &[AuditEntry]) -> Result<()> {
        self.write(None, |store| audit::write(&mut store.connection, entries))
    }

    fn expire_audit(&mut self, cutoff_ms: i64, limit: u32) -> Result<bool> {
        self.write(None, |store| audit::expire(&mut store.connection, cutoff_ms, limit))
    }
}
