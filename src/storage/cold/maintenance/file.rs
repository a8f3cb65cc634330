//! Maintenance of the services file.

use super::{StoreConnection, changes, definitions};
use crate::domain::alert::Matcher;
use crate::domain::maintenance::{MaintenanceDefinition, Scope};
use crate::domain::{Origin, ServiceId};
use crate::storage::maintenance::{FileMaintenance, MaintenanceRecord, PlannedService};
use crate::storage::port::Result;

/// Makes these the maintenances of the file. One whose schedule stays keeps its id. Whether
/// anything changed. Part of the caller's transaction.
pub fn apply(
    connection: &mut StoreConnection,
    wanted: &[FileMaintenance],
    added: &[ServiceId],
    now_ms: i64,
) -> Result<bool> {
    let mut stored: Vec<MaintenanceRecord> = definitions::list(connection)?;
    stored.retain(|record| record.maintenance.origin == Origin::File);
    let mut wanted: Vec<MaintenanceDefinition> =
        wanted.iter().map(|one| definition(one, added)).collect();
    wanted.retain(|definition| {
        let same = stored.iter().position(|record| record.maintenance.definition == *definition);
        same.map(|nth| stored.swap_remove(nth)).is_none()
    });
    let is_changed = !wanted.is_empty() || !stored.is_empty();
    for definition in &wanted {
        let is_like = |record: &MaintenanceRecord| {
            record.maintenance.definition.written == definition.written
        };
        match stored.iter().position(is_like).map(|nth| stored.swap_remove(nth)) {
            Some(record) => changes::replace(connection, &record, definition, now_ms, now_ms)?,
            None => {
                changes::insert(connection, definition, Origin::File, now_ms, now_ms)?;
            }
        }
    }
    stored.iter().try_for_each(|record| changes::delete(connection, record, now_ms))?;
    Ok(is_changed)
}

fn definition(file: &FileMaintenance, added: &[ServiceId]) -> MaintenanceDefinition {
    let id = |service: &PlannedService| match service {
        PlannedService::Stored(id) => Some(*id),
        PlannedService::Added(nth) => added.get(*nth).copied(),
    };
    let scope = match &file.services {
        None => Scope::Matching(Matcher::default()),
        Some(services) => Scope::Services(services.iter().filter_map(id).collect()),
    };
    MaintenanceDefinition { scope, ..file.definition.clone() }
}
