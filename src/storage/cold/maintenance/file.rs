//! Maintenance of the services file.

use super::{Audit, StoreConnection, changes, definitions};
use crate::domain::alert::Matcher;
use crate::domain::audit::Action;
use crate::domain::maintenance::{Maintenance, MaintenanceDefinition, Scope};
use crate::domain::{Origin, ServiceId};
use crate::storage::maintenance::{FileMaintenance, MaintenanceRecord, PlannedService};
use crate::storage::port::Result;

/// Makes these the maintenances of the file. One whose schedule stays keeps its id. Whether
/// anything changed. Part of the caller's transaction.
pub fn apply(
    connection: &mut StoreConnection,
    wanted: &[FileMaintenance],
    added: &[ServiceId],
    audit: Audit<'_>,
) -> Result<bool> {
    let now_ms = audit.now_ms;
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
        let like = stored.iter().position(is_like).map(|nth| stored.swap_remove(nth));
        let id = match &like {
            Some(record) => {
                changes::replace(connection, record, definition, now_ms, now_ms)?;
                record.maintenance.id
            }
            None => changes::insert(connection, definition, Origin::File, now_ms, now_ms)?,
        };
        let before = like.as_ref().map(|record| &record.maintenance.definition);
        changes::record(connection, audit, Action::FileApply, id, before, Some(definition))?;
    }
    for record in &stored {
        let Maintenance { id, definition, .. } = &record.maintenance;
        changes::delete(connection, record, now_ms)?;
        changes::record(connection, audit, Action::FileApply, *id, Some(definition), None)?;
    }
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
