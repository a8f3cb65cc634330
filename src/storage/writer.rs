//! The only INSERT, UPDATE and DELETE. Each function is one transaction, or part of the caller's.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::transition;
use crate::domain::{Definition, Origin, ServiceId};
use crate::spec::Patch;
use crate::storage::error::StorageError;
use crate::storage::history::gaps;
use crate::storage::models::{DefinitionRow, ServiceRow};
use crate::storage::reader::{GetService, Query, ServiceRecord};
use crate::storage::schema::services;

/// A change to the list of services, asked for through the API.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Add a service.
    Create(Box<Definition>),
    /// Change one.
    Update(ServiceId, Patch),
    /// Take one away; its history stays in the store.
    Delete(ServiceId),
}

/// What a change did.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The service it was about.
    pub id: ServiceId,
    /// The service as it is now; `None` once it is deleted.
    pub record: Option<ServiceRecord>,
}

/// Does `change` at `now_ms` (unix milliseconds).
///
/// Errors: `NotFound` for a service that does not live, `Conflict` for a name that is taken and for a service that
/// belongs to the services file.
pub fn apply(
    connection: &mut SqliteConnection,
    change: Change,
    now_ms: i64,
) -> Result<Applied, StorageError> {
    connection.immediate_transaction(|connection| {
        let id = match change {
            Change::Create(definition) => insert(connection, &definition, Origin::Api, now_ms)?,
            Change::Update(id, patch) => {
                let before = writable(connection, id)?.definition()?;
                let after = patch.apply(&before).map_err(|problems| {
                    StorageError::Invalid(problems.iter().map(ToString::to_string).collect())
                })?;
                if after != before {
                    update(connection, id, &after, Origin::Api, now_ms)?;
                }
                id
            }
            Change::Delete(id) => {
                writable(connection, id)?;
                delete(connection, id, now_ms)?;
                return Ok(Applied { id, record: None });
            }
        };
        let record = GetService(id).run(connection)?;
        Ok(Applied { id, record: Some(record) })
    })
}

/// What the services file asks of the store (see `services_file::plan`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FilePlan {
    /// Entries that are new.
    pub add: Vec<Definition>,
    /// Entries whose definition changed.
    pub change: Vec<(ServiceId, Definition)>,
    /// Services that a former file brought and this one lacks.
    pub remove: Vec<ServiceId>,
}

/// Does a whole plan, or nothing of it. Gives the ids of what it added, in order.
pub fn apply_plan(
    connection: &mut SqliteConnection,
    plan: &FilePlan,
    now_ms: i64,
) -> Result<Vec<ServiceId>, StorageError> {
    connection.immediate_transaction(|connection| {
        for &id in &plan.remove {
            delete(connection, id, now_ms)?;
        }
        for (id, definition) in &plan.change {
            update(connection, *id, definition, Origin::File, now_ms)?;
        }
        let add = plan.add.iter();
        add.map(|definition| insert(connection, definition, Origin::File, now_ms)).collect()
    })
}

/// The living service `id`, if the API may write it.
fn writable(connection: &mut SqliteConnection, id: ServiceId) -> Result<ServiceRow, StorageError> {
    let row: ServiceRow = services::table
        .filter(services::id.eq(id.get()).and(services::deleted_at.is_null()))
        .select(ServiceRow::as_select())
        .first(connection)?;
    if row.origin() == Origin::File {
        return Err(StorageError::Conflict(format!(
            "id: service {id} ({}) belongs to the services file and is read-only here; change it there",
            row.name
        )));
    }
    Ok(row)
}

fn insert(
    connection: &mut SqliteConnection,
    definition: &Definition,
    origin: Origin,
    now_ms: i64,
) -> Result<ServiceId, StorageError> {
    let now = now_ms / 1_000;
    let row = DefinitionRow::new(definition, origin, now);
    let id: i64 = diesel::insert_into(services::table)
        .values((row, services::created_at.eq(now)))
        .returning(services::id)
        .get_result(connection)?;
    ServiceId::new(id).ok_or(StorageError::NotFound)
}

fn update(
    connection: &mut SqliteConnection,
    id: ServiceId,
    definition: &Definition,
    origin: Origin,
    now_ms: i64,
) -> Result<(), StorageError> {
    let was_enabled: bool =
        services::table.find(id.get()).select(services::enabled).first(connection)?;
    diesel::update(services::table.find(id.get()))
        .set(DefinitionRow::new(definition, origin, now_ms / 1_000))
        .execute(connection)?;
    match (was_enabled, definition.enabled) {
        (true, false) => gaps::pause(connection, id, now_ms),
        (false, true) => gaps::resume(connection, id, now_ms),
        _ => Ok(()),
    }
}

fn delete(
    connection: &mut SqliteConnection,
    id: ServiceId,
    now_ms: i64,
) -> Result<(), StorageError> {
    let now = now_ms / 1_000;
    diesel::update(services::table.find(id.get()))
        .set((services::deleted_at.eq(now), services::updated_at.eq(now)))
        .execute(connection)?;
    transition::close(connection, id, now_ms)?;
    Ok(())
}
