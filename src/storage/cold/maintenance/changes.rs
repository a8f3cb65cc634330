//! Changes of maintenance.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::schema::{maintenances, services};
use super::{Audit, StoreConnection, definitions, due, spans};
use crate::domain::audit::{Action, AuditSource, Object, ObjectKind};
use crate::domain::maintenance::{KeyProblem, MaintenanceDefinition, MaintenanceId, Scope, Timing};
use crate::domain::time::timestamp;
use crate::domain::{Origin, ServiceId};
use crate::storage::audit::fields;
use crate::storage::error::StorageError;
use crate::storage::maintenance::{
    ListDueSpans, MaintenanceApplied, MaintenanceChange, MaintenanceRecord,
};
use crate::storage::port::Result;

/// Most maintenances of the API.
const LIMIT: i64 = 1_000;
/// Most services that one of the API lists.
const SERVICES: usize = 1_000;

/// How far a `from` that means now may be in the past: clients have whole seconds and other clocks.
const TOLERANCE_MS: i64 = 10_000;

/// Part of the caller's transaction.
pub fn change(
    connection: &mut StoreConnection,
    change: MaintenanceChange,
    source: &AuditSource,
    now_ms: i64,
) -> Result<MaintenanceApplied> {
    let audit = Audit { source, now_ms };
    let id = match change {
        MaintenanceChange::Create { definition, retroactive } => {
            let count: i64 = maintenances::table
                .filter(maintenances::origin.eq(Origin::Api.as_str()))
                .count()
                .get_result(connection)?;
            if count >= LIMIT {
                return Err(StorageError::Conflict(format!(
                    "there are {LIMIT} maintenances, and no more are possible; delete old ones"
                )));
            }
            check_services(connection, &definition.scope, &BTreeSet::new())?;
            let effective_ms = effective_ms(&definition, None, retroactive, now_ms)?;
            let id = insert(connection, &definition, Origin::Api, effective_ms, now_ms)?;
            record(connection, audit, Action::MaintenanceCreate, id, None, Some(&definition))?;
            Some(id)
        }
        MaintenanceChange::Update { id, patch, retroactive } => {
            let record = writable(connection, id)?;
            let before = &record.maintenance.definition;
            let after = before.patched(&patch).map_err(invalid)?;
            let known = match &before.scope {
                Scope::Services(ids) => ids.clone(),
                Scope::Matching(_) => BTreeSet::new(),
            };
            check_services(connection, &after.scope, &known)?;
            let effective_ms = effective_ms(&after, Some(before), retroactive, now_ms)?;
            if after != *before {
                replace(connection, &record, &after, effective_ms, now_ms)?;
                let (action, after) = (Action::MaintenanceUpdate, Some(&after));
                self::record(connection, audit, action, id, Some(before), after)?;
            }
            if let Some(from_ms) = once_from_ms(before).filter(|_| retroactive && after != *before)
            {
                spans::forget(connection, id, from_ms)?;
            }
            Some(id)
        }
        MaintenanceChange::Delete(id) => {
            let record = writable(connection, id)?;
            delete(connection, &record, now_ms)?;
            let before = Some(&record.maintenance.definition);
            self::record(connection, audit, Action::MaintenanceDelete, id, before, None)?;
            None
        }
        MaintenanceChange::WriteSpans(portion) => {
            portion.parts.iter().try_for_each(|part| spans::write(connection, part))?;
            return Ok(MaintenanceApplied { record: None, windows: None });
        }
    };
    let record = id.map(|id| definitions::get(connection, id)).transpose()?;
    Ok(MaintenanceApplied { record, windows: Some(definitions::windows(connection)?) })
}

/// Writes the row of the audit. Part of the caller's transaction.
pub fn record(
    connection: &mut StoreConnection,
    audit: Audit<'_>,
    action: Action,
    id: MaintenanceId,
    before: Option<&MaintenanceDefinition>,
    after: Option<&MaintenanceDefinition>,
) -> Result<()> {
    let note = after.or(before).and_then(|definition| definition.note.as_deref());
    let name = note.map(str::to_owned);
    let object = Object { kind: ObjectKind::Maintenance, id: Some(id), name };
    let (before, after) = (before.map(fields::maintenance), after.map(fields::maintenance));
    audit.record(connection, action, object, before.as_ref(), after.as_ref())
}

/// The begin of a maintenance that takes place once.
fn once_from_ms(definition: &MaintenanceDefinition) -> Option<i64> {
    match definition.schedule().timing {
        Timing::Once { from_ms, .. } => Some(from_ms),
        Timing::Recurring(_) => None,
    }
}

/// Since when `after` holds. Error for a `from` in the past that is new, unless `retroactive`.
fn effective_ms(
    after: &MaintenanceDefinition,
    before: Option<&MaintenanceDefinition>,
    retroactive: bool,
    now_ms: i64,
) -> Result<i64> {
    match once_from_ms(after).filter(|from_ms| *from_ms < now_ms) {
        Some(from_ms) if retroactive => Ok(from_ms),
        Some(past_ms)
            if before.and_then(once_from_ms) != Some(past_ms)
                && past_ms + TOLERANCE_MS <= now_ms =>
        {
            let from = timestamp::to_rfc3339(past_ms);
            Err(StorageError::Invalid(vec![format!(
                "from: invalid value {from} (in the past), expected a time from now on, or \
                 retroactive: true"
            )]))
        }
        _ => Ok(now_ms),
    }
}

/// Error for ids without a living service, except for those that were known before.
fn check_services(
    connection: &mut StoreConnection,
    scope: &Scope,
    known: &BTreeSet<ServiceId>,
) -> Result<()> {
    let Scope::Services(ids) = scope else { return Ok(()) };
    if ids.len() > SERVICES {
        return Err(StorageError::Invalid(vec![format!(
            "service_ids: at most {SERVICES} services, this list has {}; use match instead",
            ids.len()
        )]));
    }
    let new: Vec<i64> = ids.difference(known).map(|id| id.get()).collect();
    let living: Vec<i64> = services::table
        .filter(services::id.eq_any(&new).and(services::deleted_at.is_null()))
        .select(services::id)
        .load(connection)?;
    let missing = new.iter().filter(|id| !living.contains(id));
    let problems: Vec<String> =
        missing.map(|id| format!("service_ids: there is no service {id}")).collect();
    if problems.is_empty() { Ok(()) } else { Err(StorageError::Invalid(problems)) }
}

fn invalid(problems: Vec<KeyProblem>) -> StorageError {
    let text = |one: KeyProblem| format!("{}: {}", one.key, one.problem);
    StorageError::Invalid(problems.into_iter().map(text).collect())
}

fn writable(connection: &mut StoreConnection, id: MaintenanceId) -> Result<MaintenanceRecord> {
    let record = definitions::get(connection, id)?;
    if record.maintenance.origin == Origin::File {
        return Err(StorageError::Conflict(format!(
            "id: maintenance {id} belongs to the services file and is read-only here; change it \
             there"
        )));
    }
    Ok(record)
}

pub fn insert(
    connection: &mut StoreConnection,
    definition: &MaintenanceDefinition,
    origin: Origin,
    effective_ms: i64,
    now_ms: i64,
) -> Result<MaintenanceId> {
    let now = now_ms / 1_000;
    Ok(diesel::insert_into(maintenances::table)
        .values((
            maintenances::origin.eq(origin.as_str()),
            maintenances::definition.eq(definitions::text(definition)),
            maintenances::effective_ms.eq(effective_ms),
            maintenances::mark_ms.eq(effective_ms - 1),
            maintenances::created_at.eq(now),
            maintenances::updated_at.eq(now),
        ))
        .returning(maintenances::id)
        .get_result(connection)?)
}

/// Writes what is due of the definition so far, and ends it.
pub fn replace(
    connection: &mut StoreConnection,
    record: &MaintenanceRecord,
    after: &MaintenanceDefinition,
    effective_ms: i64,
    now_ms: i64,
) -> Result<()> {
    settle(connection, record, now_ms)?;
    diesel::update(maintenances::table.find(record.maintenance.id))
        .set((
            maintenances::definition.eq(definitions::text(after)),
            maintenances::effective_ms.eq(effective_ms),
            maintenances::mark_ms.eq(effective_ms - 1),
            maintenances::updated_at.eq(now_ms / 1_000),
        ))
        .execute(connection)?;
    Ok(())
}

/// As [`replace`], without a definition afterwards.
pub fn delete(
    connection: &mut StoreConnection,
    record: &MaintenanceRecord,
    now_ms: i64,
) -> Result<()> {
    settle(connection, record, now_ms)?;
    diesel::delete(maintenances::table.find(record.maintenance.id)).execute(connection)?;
    Ok(())
}

fn settle(connection: &mut StoreConnection, record: &MaintenanceRecord, now_ms: i64) -> Result<()> {
    let mut record = record.clone();
    let list = ListDueSpans { now_ms, checked_ms: None };
    loop {
        let mut room = usize::MAX;
        let (part, is_all) = due::part(connection, &record, list, &mut room)?;
        spans::write(connection, &part)?;
        record.mark_ms = part.mark_ms.unwrap_or(record.mark_ms);
        if is_all {
            break;
        }
    }
    spans::cut(connection, record.maintenance.id, now_ms)
}
