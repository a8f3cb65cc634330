//! [`MaintenanceRead`] and [`MaintenanceWrite`].

use std::collections::HashMap;

use diesel::sqlite::SqliteConnection;

use super::cold::maintenance::{changes, definitions, due, spans};
use crate::domain::audit::AuditSource;
use crate::domain::maintenance::MaintenanceId;
use crate::domain::{Planned, ServiceId, Window};
use crate::storage::maintenance::port::{MaintenanceRead, MaintenanceWrite};
use crate::storage::maintenance::{
    ListDueSpans, MaintenanceApplied, MaintenanceChange, MaintenanceRecord, SpanPortion,
};
use crate::storage::port::Result;

impl MaintenanceRead for SqliteConnection {
    fn maintenances(&mut self) -> Result<Vec<MaintenanceRecord>> {
        definitions::list(self)
    }

    fn maintenance(&mut self, id: MaintenanceId) -> Result<MaintenanceRecord> {
        definitions::get(self, id)
    }

    fn planned(
        &mut self,
        ids: &[ServiceId],
        window: Window,
    ) -> Result<HashMap<ServiceId, Planned>> {
        spans::planned(self, ids, window)
    }

    fn due_spans(&mut self, list: ListDueSpans) -> Result<SpanPortion> {
        due::portion(self, list)
    }
}

impl MaintenanceWrite for SqliteConnection {
    fn change_maintenance(
        &mut self,
        change: MaintenanceChange,
        source: &AuditSource,
        now_ms: i64,
    ) -> Result<MaintenanceApplied> {
        self.immediate_transaction(|connection| changes::change(connection, change, source, now_ms))
    }

    fn expire_spans(&mut self, cutoff_ms: i64, limit: u32) -> Result<bool> {
        self.immediate_transaction(|connection| spans::expire(connection, cutoff_ms, limit))
    }
}
