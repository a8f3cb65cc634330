//! Primitives of the audit, part of the storage port. Its rows are written by the methods that
//! make the changes.

use crate::domain::audit::{AuditEntry, AuditRecord};
use crate::storage::audit::ListAudit;
use crate::storage::error::StorageError;

type Result<T> = std::result::Result<T, StorageError>;

/// Reads of the audit.
pub trait AuditRead {
    /// Newest first.
    fn audit(&mut self, list: &ListAudit) -> Result<Vec<AuditRecord>>;
}

/// Writes of the audit. Each method is one transaction.
pub trait AuditWrite: AuditRead {
    /// Writes changes that were made outside of the store's own methods.
    fn record_audit(&mut self, entries: &[AuditEntry]) -> Result<()>;
    /// Deletes at most `limit` rows from before `cutoff_ms`. Whether there may be more.
    fn expire_audit(&mut self, cutoff_ms: i64, limit: u32) -> Result<bool>;
}
