//! Primitives of maintenance, part of the storage port.

use std::collections::HashMap;

use crate::domain::audit::AuditSource;
use crate::domain::maintenance::MaintenanceId;
use crate::domain::{Planned, ServiceId, Window};
use crate::storage::error::StorageError;
use crate::storage::maintenance::{
    ListDueSpans, MaintenanceApplied, MaintenanceChange, MaintenanceRecord, SpanPortion,
};

type Result<T> = std::result::Result<T, StorageError>;

/// Reads of maintenance.
pub trait MaintenanceRead {
    /// By id.
    fn maintenances(&mut self) -> Result<Vec<MaintenanceRecord>>;
    /// Error `NotFound` when there is none.
    fn maintenance(&mut self, id: MaintenanceId) -> Result<MaintenanceRecord>;
    /// The maintenance of each service within `window`; services without any are left out.
    fn planned(&mut self, ids: &[ServiceId], window: Window)
    -> Result<HashMap<ServiceId, Planned>>;
    /// The next times that are due.
    fn due_spans(&mut self, list: ListDueSpans) -> Result<SpanPortion>;
}

/// Writes of maintenance. Each method is one transaction.
pub trait MaintenanceWrite: MaintenanceRead {
    /// Errors: `NotFound` for what does not exist; `Conflict` for what the services file defines;
    /// `Invalid` for a definition that does not fit.
    fn change_maintenance(
        &mut self,
        change: MaintenanceChange,
        source: &AuditSource,
        now_ms: i64,
    ) -> Result<MaintenanceApplied>;
    /// Deletes at most `limit` times that ended before `cutoff_ms`. Whether there may be more.
    fn expire_spans(&mut self, cutoff_ms: i64, limit: u32) -> Result<bool>;
}
