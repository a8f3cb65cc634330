//! The times that are due, with the services that they are about.

use std::collections::HashMap;

use diesel::prelude::*;

use super::schema::services;
use super::{StoreConnection, definitions, spans};
use crate::domain::ServiceId;
use crate::domain::maintenance::spans::due;
use crate::domain::maintenance::{Occurrence, Scope};
use crate::storage::maintenance::{
    ListDueSpans, MaintenanceRecord, NewSpan, SpanPart, SpanPortion,
};
use crate::storage::port::Result;

/// Times of one service, or of every service.
type Existing = HashMap<Option<ServiceId>, Vec<(i64, i64)>>;

/// The next portion of all maintenance.
pub fn portion(connection: &mut StoreConnection, list: ListDueSpans) -> Result<SpanPortion> {
    let mut portion = SpanPortion::default();
    let mut room = ListDueSpans::ROWS;
    for record in definitions::list(connection)? {
        let (part, is_all) = part(connection, &record, list, &mut room)?;
        portion.is_more |= !is_all;
        if !part.spans.is_empty() || part.mark_ms.is_some() {
            portion.parts.push(part);
        }
    }
    Ok(portion)
}

/// The times of one maintenance that are due, at most `room` of them, and whether these are all.
pub fn part(
    connection: &mut StoreConnection,
    record: &MaintenanceRecord,
    list: ListDueSpans,
    room: &mut usize,
) -> Result<(SpanPart, bool)> {
    let maintenance = &record.maintenance;
    let due = due(&maintenance.definition, record.effective_ms, record.mark_ms, list.now_ms);
    let mut part = SpanPart {
        maintenance_id: maintenance.id,
        effective_ms: record.effective_ms,
        spans: Vec::new(),
        mark_ms: None,
    };
    let first_ms = due.begun.iter().chain(&due.rest).map(|one| one.from_ms).min();
    let Some(first_ms) = first_ms else { return Ok((part, due.is_all)) };
    let scope = &maintenance.definition.scope;
    let existing = spans::ending_from(connection, maintenance.id, first_ms)?;
    let mut is_all = true;
    if !due.begun.is_empty() {
        let ids = in_scope(connection, scope, None)?;
        is_all &= add(&mut part, &due.begun, &ids, &existing, room);
        part.mark_ms = Some(due.mark_ms).filter(|_| is_all);
    }
    if let Some(rest) = due.rest {
        // Services that have been added or renamed since the last check.
        let ids = in_scope(connection, scope, list.checked_ms)?;
        is_all &= add(&mut part, &[rest], &ids, &existing, room);
    }
    Ok((part, is_all && due.is_all))
}

/// Adds the times that do not exist yet. Whether there was room for all.
fn add(
    part: &mut SpanPart,
    occurrences: &[Occurrence],
    ids: &[Option<ServiceId>],
    existing: &Existing,
    room: &mut usize,
) -> bool {
    for id in ids {
        let existing = existing.get(id).map(Vec::as_slice).unwrap_or_default();
        for occurrence in occurrences {
            let Occurrence { mut from_ms, to_ms } = *occurrence;
            // One that ends later or at its begin is continued.
            let before = existing
                .iter()
                .find(|(begin_ms, end_ms)| *begin_ms <= from_ms && *end_ms >= from_ms);
            if let Some((begin_ms, end_ms)) = before {
                if *end_ms >= to_ms {
                    continue;
                }
                from_ms = *begin_ms;
            }
            if *room == 0 {
                return false;
            }
            *room -= 1;
            part.spans.push(NewSpan { service_id: *id, from_ms, to_ms });
        }
    }
    true
}

/// The services of `scope` that were changed since `changed_ms`; `[None]` for every service.
fn in_scope(
    connection: &mut StoreConnection,
    scope: &Scope,
    changed_ms: Option<i64>,
) -> Result<Vec<Option<ServiceId>>> {
    if scope.is_everything() {
        return Ok(vec![None]);
    }
    type Row = (i64, String, Option<String>);
    // Whole seconds are stored, and a commit may become visible a little later.
    let changed_s = changed_ms.map_or(0, |changed_ms| changed_ms / 1_000 - 5);
    let rows: Vec<Row> = services::table
        .filter(services::deleted_at.is_null())
        .filter(services::updated_at.ge(changed_s))
        .order(services::id)
        .select((services::id, services::name, services::group_name))
        .load(connection)?;
    let ids = rows.into_iter().filter_map(|(id, name, group)| {
        let id = ServiceId::new(id)?;
        scope.contains(id, &name, group.as_deref()).then_some(Some(id))
    });
    Ok(ids.collect())
}
