//! Rows of definitions.

use diesel::prelude::*;
use serde_json::Value;

use super::schema::maintenances;
use super::values::{origin, unreadable};
use super::{Backend, StoreConnection};
use crate::domain::maintenance::{Maintenance, MaintenanceDefinition, MaintenanceId, Windows};
use crate::storage::maintenance::MaintenanceRecord;
use crate::storage::port::Result;

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = maintenances, check_for_backend(Backend))]
struct MaintenanceRow {
    id: i64,
    origin: String,
    definition: String,
    effective_ms: i64,
    mark_ms: i64,
    created_at: i64,
    updated_at: i64,
}

impl MaintenanceRow {
    fn record(self) -> Result<MaintenanceRecord> {
        let id = self.id;
        let map = match serde_json::from_str(&self.definition) {
            Ok(Value::Object(map)) => Ok(map),
            _ => Err(unreadable("maintenances", id, "definition", "no object in JSON")),
        };
        let definition = MaintenanceDefinition::read(&map?).map_err(|problems| {
            let first = problems.first().map(|one| format!("{}: {}", one.key, one.problem));
            unreadable("maintenances", id, "definition", first.unwrap_or_default())
        })?;
        Ok(MaintenanceRecord {
            maintenance: Maintenance { id, origin: origin(&self.origin), definition },
            effective_ms: self.effective_ms,
            mark_ms: self.mark_ms,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// The text of the column.
pub fn text(definition: &MaintenanceDefinition) -> String {
    Value::Object(definition.write()).to_string()
}

/// By id.
pub fn list(connection: &mut StoreConnection) -> Result<Vec<MaintenanceRecord>> {
    let rows: Vec<MaintenanceRow> = maintenances::table
        .order(maintenances::id)
        .select(MaintenanceRow::as_select())
        .load(connection)?;
    rows.into_iter().map(MaintenanceRow::record).collect()
}

pub fn get(connection: &mut StoreConnection, id: MaintenanceId) -> Result<MaintenanceRecord> {
    let row: MaintenanceRow =
        maintenances::table.find(id).select(MaintenanceRow::as_select()).first(connection)?;
    row.record()
}

pub fn windows(connection: &mut StoreConnection) -> Result<Windows> {
    Ok(list(connection)?.into_iter().map(|record| record.maintenance).collect())
}
