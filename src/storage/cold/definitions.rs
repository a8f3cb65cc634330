//! Changes of services, with their effect on events.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::audit::{self, Audit};
use super::rows::{DefinitionRow, ServiceRow};
use super::schema::{service_metrics, services};
use super::{
    StoreConnection, alerting, events, insertion, living, maintenance, references,
    services as reads,
};
use crate::domain::alert::EndCause;
use crate::domain::audit::{Action, AuditEntry, AuditSource, Object, ObjectKind};
use crate::domain::{Definition, Origin, ServiceId, State};
use crate::storage::audit::fields;
use crate::storage::error::StorageError;
use crate::storage::records::{Applied, AppliedPlan, Change, FilePlan, LoadedService, MakePlan};

/// Whether the instance that makes a change owns the service, and so writes what the change means
/// for its events; otherwise its owner does.
pub type Owns<'a> = dyn Fn(ServiceId) -> bool + 'a;

/// Applies `change`. Part of the caller's transaction.
pub fn define(
    connection: &mut StoreConnection,
    change: Change,
    (source, now_ms): (&AuditSource, i64),
    owns: &Owns<'_>,
) -> Result<Applied, StorageError> {
    let audit = Audit { source, now_ms };
    let mut changes_probes = false;
    let id = match change {
        Change::Create(definition) => {
            references::check(connection, None, &definition)?;
            let id = insert(connection, &definition, Origin::Api, now_ms)?;
            living::changed(connection, &[id], 1, now_ms)?;
            let created = service_entry(audit, Action::ServiceCreate, id, None, Some(&definition));
            audit::write(connection, &[created])?;
            id
        }
        Change::Update(id, patch) => {
            let before = writable(connection, id)?.definition()?;
            let after = patch.apply(&before).map_err(|problems| {
                StorageError::Invalid(problems.iter().map(ToString::to_string).collect())
            })?;
            changes_probes = !after.probes_as(&before);
            if after != before {
                references::check(connection, Some(&before), &after)?;
                if update(connection, id, &after, (Origin::Api, owns(id)), now_ms)? {
                    alerting::gone::signal(connection, &[id], EndCause::Paused, now_ms)?;
                }
                living::changed(connection, &[id], 0, now_ms)?;
                let action = Action::ServiceUpdate;
                let updated = service_entry(audit, action, id, Some(&before), Some(&after));
                audit::write(connection, &[updated])?;
            }
            id
        }
        Change::Delete(id) => {
            let before = writable(connection, id)?.definition()?;
            delete(connection, id, owns(id), now_ms)?;
            if owns(id) {
                alerting::gone::signal(connection, &[id], EndCause::Removed, now_ms)?;
            }
            living::changed(connection, &[id], -1, now_ms)?;
            let deleted = service_entry(audit, Action::ServiceDelete, id, Some(&before), None);
            audit::write(connection, &[deleted])?;
            return Ok(Applied { id, record: None, changes_probes: true });
        }
    };
    let record = reads::get(connection, id)?;
    Ok(Applied { id, record: Some(record), changes_probes })
}

/// Computes a plan for the services file and applies it. Part of the caller's transaction.
pub fn define_all(
    connection: &mut StoreConnection,
    plan: &mut MakePlan<'_>,
    (source, now_ms): (&AuditSource, i64),
    owns: &Owns<'_>,
) -> Result<AppliedPlan, StorageError> {
    let audit = Audit { source, now_ms };
    let stored = reads::load(connection, None)?;
    let plan = plan(&stored).map_err(StorageError::Invalid)?;
    let FilePlan { add, change, remove, channels, policies, maintenance: planned } = &plan;
    for &id in remove {
        delete(connection, id, owns(id), now_ms)?;
    }
    let removed: Vec<ServiceId> = remove.iter().copied().filter(|id| owns(*id)).collect();
    alerting::gone::signal(connection, &removed, EndCause::Removed, now_ms)?;
    let mut paused = Vec::new();
    for (id, definition) in change {
        if update(connection, *id, definition, (Origin::File, owns(*id)), now_ms)? {
            paused.push(*id);
        }
    }
    alerting::gone::signal(connection, &paused, EndCause::Paused, now_ms)?;
    let alerting_changed = alerting::file::apply(connection, channels, policies, audit)?;
    let added = insertion::insert_all(connection, add, Origin::File, now_ms)?;
    let of_change = change.iter().map(|(id, _)| id);
    let changed: Vec<ServiceId> = remove.iter().chain(of_change).chain(&added).copied().collect();
    if !changed.is_empty() {
        let more = added.len() as i64 - remove.len() as i64;
        living::changed(connection, &changed, more, now_ms)?;
    }
    let defined: Vec<ServiceId> =
        change.iter().map(|(id, _)| *id).chain(added.iter().copied()).collect();
    let live = reads::live(connection, Some(&defined))?;
    record_plan(connection, &stored, &plan, &added, audit)?;
    let is_changed = maintenance::file::apply(connection, planned, &added, audit)?;
    let windows = is_changed.then(|| maintenance::definitions::windows(connection)).transpose()?;
    Ok(AppliedPlan { plan, added, live, alerting_changed, windows })
}

/// Writes a row of the audit for each service that the plan changes.
fn record_plan(
    connection: &mut StoreConnection,
    stored: &[LoadedService],
    plan: &FilePlan,
    added: &[ServiceId],
    audit: Audit<'_>,
) -> Result<(), StorageError> {
    let changed = plan.change.iter().map(|(id, definition)| (*id, Some(definition)));
    let removed = plan.remove.iter().map(|id| (*id, None));
    let mut after: HashMap<ServiceId, Option<&Definition>> = changed.chain(removed).collect();
    let before = stored.iter().filter_map(|service| {
        let after = after.remove(&service.id)?;
        Some((service.id, Some(&service.definition), after))
    });
    let new = plan.add.iter().zip(added).map(|(definition, id)| (*id, None, Some(definition)));
    let mut entries = before
        .chain(new)
        .map(|(id, before, after)| service_entry(audit, Action::FileApply, id, before, after));
    // The definitions of many services are not in memory a second time.
    loop {
        let part: Vec<AuditEntry> = entries.by_ref().take(audit::ROWS).collect();
        if part.is_empty() {
            return Ok(());
        }
        audit::write(connection, &part)?;
    }
}

/// Of a change that leaves a definition before or after it.
fn service_entry(
    audit: Audit<'_>,
    action: Action,
    id: ServiceId,
    before: Option<&Definition>,
    after: Option<&Definition>,
) -> AuditEntry {
    let name = after.or(before).map(|definition| definition.full_name().to_string());
    let object = Object { kind: ObjectKind::Service, id: Some(id.get()), name };
    let (before, after) = (before.map(fields::service), after.map(fields::service));
    audit.entry(action, object, before.as_ref(), after.as_ref())
}

/// The living service `id`, if the API may change it.
fn writable(connection: &mut StoreConnection, id: ServiceId) -> Result<ServiceRow, StorageError> {
    let row: ServiceRow = services::table
        .filter(services::id.eq(id.get()).and(services::deleted_at.is_null()))
        .select(ServiceRow::as_select())
        .first(connection)?;
    if row.origin() == Origin::File {
        return Err(StorageError::Conflict(format!(
            "id: service {id} ({}) belongs to the services file and is read-only here; change it \
             there",
            row.definition()?.full_name()
        )));
    }
    Ok(row)
}

/// Adds a service. The caller counts it.
pub fn insert(
    connection: &mut StoreConnection,
    definition: &Definition,
    origin: Origin,
    now_ms: i64,
) -> Result<ServiceId, StorageError> {
    let now = now_ms / 1_000;
    let row = DefinitionRow::new(definition, origin, now);
    let id: i64 = diesel::insert_into(services::table)
        .values((row, services::created_at.eq(now)))
        .returning(services::id)
        .get_result(connection)
        .map_err(|error| name_taken(error, definition))?;
    ServiceId::new(id).ok_or(StorageError::NotFound)
}

/// Whether the service was paused, and the caller owns it.
fn update(
    connection: &mut StoreConnection,
    id: ServiceId,
    definition: &Definition,
    (origin, is_own): (Origin, bool),
    now_ms: i64,
) -> Result<bool, StorageError> {
    let was_enabled: bool =
        services::table.find(id.get()).select(services::enabled).first(connection)?;
    diesel::update(services::table.find(id.get()))
        .set(DefinitionRow::new(definition, origin, now_ms / 1_000))
        .execute(connection)
        .map_err(|error| name_taken(error, definition))?;
    if !is_own {
        return Ok(false);
    }
    match (was_enabled, definition.enabled) {
        (true, false) => pause(connection, id, now_ms)?,
        (false, true) => resume(connection, id, now_ms)?,
        _ => {}
    }
    Ok(was_enabled && !definition.enabled)
}

/// A write that violates the unique index of names is a conflict that names the service.
pub fn name_taken(error: DieselError, definition: &Definition) -> StorageError {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, violation)
            if violation.message().contains("services_living_name") =>
        {
            let full_name = definition.full_name().to_string();
            let of_group = match &definition.group {
                Some(_) => "in its group",
                None => "among the services without a group",
            };
            StorageError::Conflict(format!("name: {full_name:?} is already taken {of_group}"))
        }
        other => other.into(),
    }
}

/// Begins a pause, which lasts until the first result after it. A service without results has no
/// event, and gets none.
pub fn pause(
    connection: &mut StoreConnection,
    id: ServiceId,
    now_ms: i64,
) -> Result<(), StorageError> {
    diesel::update(service_metrics::table.filter(service_metrics::service_id.eq(id.get())))
        .set((
            service_metrics::streak_is_up.eq(None::<bool>),
            service_metrics::streak_count.eq(None::<i64>),
            service_metrics::streak_since_ms.eq(None::<i64>),
            service_metrics::result_run.eq(0),
            service_metrics::slow_run.eq(0),
        ))
        .execute(connection)?;
    events::replace(connection, id, State::Paused, now_ms)
}

/// Ends a pause. The service is unknown until its next result.
pub fn resume(
    connection: &mut StoreConnection,
    id: ServiceId,
    now_ms: i64,
) -> Result<(), StorageError> {
    events::replace(connection, id, State::Unknown, now_ms)
}

fn delete(
    connection: &mut StoreConnection,
    id: ServiceId,
    is_own: bool,
    now_ms: i64,
) -> Result<(), StorageError> {
    let now = now_ms / 1_000;
    diesel::update(services::table.find(id.get()))
        .set((services::deleted_at.eq(now), services::updated_at.eq(now)))
        .execute(connection)?;
    if is_own {
        events::end(connection, id, now_ms)?;
    }
    Ok(())
}
