//! [`MaintenanceRead`] and [`MaintenanceWrite`] on PostgreSQL.

use std::collections::HashMap;

use super::cold::maintenance::{changes, definitions, due, spans};
use super::living;
use super::store::PostgresStore;
use crate::domain::audit::AuditSource;
use crate::domain::maintenance::MaintenanceId;
use crate::domain::{Planned, ServiceId, Window};
use crate::storage::maintenance::port::{MaintenanceRead, MaintenanceWrite};
use crate::storage::maintenance::{
    ListDueSpans, MaintenanceApplied, MaintenanceChange, MaintenanceRecord, SpanPortion,
};
use crate::storage::port::Result;

impl MaintenanceRead for PostgresStore {
    fn maintenances(&mut self) -> Result<Vec<MaintenanceRecord>> {
        self.run(definitions::list)
    }

    fn maintenance(&mut self, id: MaintenanceId) -> Result<MaintenanceRecord> {
        self.run(|connection| definitions::get(connection, id))
    }

    fn planned(
        &mut self,
        ids: &[ServiceId],
        window: Window,
    ) -> Result<HashMap<ServiceId, Planned>> {
        self.run(|connection| spans::planned(connection, ids, window))
    }

    fn due_spans(&mut self, list: ListDueSpans) -> Result<SpanPortion> {
        self.run(|connection| due::portion(connection, list))
    }
}

impl MaintenanceWrite for PostgresStore {
    fn change_maintenance(
        &mut self,
        change: MaintenanceChange,
        source: &AuditSource,
        now_ms: i64,
    ) -> Result<MaintenanceApplied> {
        if matches!(change, MaintenanceChange::WriteSpans(_)) {
            return self.write(None, |store| {
                changes::change(&mut store.connection, change, source, now_ms)
            });
        }
        self.define_as_own(None, |store| {
            let applied = changes::change(&mut store.connection, change, source, now_ms)?;
            living::settings_changed(&mut store.connection)?;
            Ok(applied)
        })
    }

    fn expire_spans(&mut self, cutoff_ms: i64, limit: u32) -> Result<bool> {
        self.write(None, |store| spans::expire(&mut store.connection, cutoff_ms, limit))
    }
}
