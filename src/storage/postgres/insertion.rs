//! Adding many services in few statements.

use diesel::prelude::*;
use diesel::result::Error as DieselError;

use super::cold::definitions::name_taken;
use super::cold::rows::DefinitionRow;
use super::connection::StoreConnection;
use super::schema::services;
use crate::domain::{Definition, Group, Origin, ServiceId};
use crate::storage::error::StorageError;
use crate::storage::port::Result;

/// Services of one statement. A statement may have 65,535 parameters, and a service has eleven.
const ROWS: usize = 1_000;

/// The ids, in the order of the definitions. Part of the caller's transaction.
pub fn insert_all(
    connection: &mut StoreConnection,
    definitions: &[Definition],
    origin: Origin,
    now_ms: i64,
) -> Result<Vec<ServiceId>> {
    let now = now_ms / 1_000;
    let mut all = Vec::with_capacity(definitions.len());
    for part in definitions.chunks(ROWS) {
        let rows = part.iter().map(|definition| {
            (DefinitionRow::new(definition, origin, now), services::created_at.eq(now))
        });
        let ids: Vec<i64> = diesel::insert_into(services::table)
            .values(rows.collect::<Vec<_>>())
            .returning(services::id)
            .get_results(connection)
            .map_err(|error| taken_of(error, part))?;
        for id in ids {
            all.push(ServiceId::new(id).ok_or(StorageError::NotFound)?);
        }
    }
    Ok(all)
}

/// The error names the service, which the details of the violation contain.
fn taken_of(error: DieselError, part: &[Definition]) -> StorageError {
    let DieselError::DatabaseError(_, violation) = &error else { return error.into() };
    let details = violation.details().unwrap_or_default();
    let is_named = |definition: &&Definition| {
        let group = definition.group.as_ref().map(Group::as_str).unwrap_or_default();
        details.contains(&format!("=({}, {group})", definition.name.as_str()))
    };
    match part.iter().find(is_named) {
        Some(definition) => name_taken(error, definition),
        None => error.into(),
    }
}
