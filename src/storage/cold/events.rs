//! Events of services.

use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::rows::{EventRow, NewEventRow};
use super::schema::{service_events, service_metrics, services};
use super::{Backend, StoreConnection};
use crate::domain::{Page, ServiceEvent, ServiceId, State, Window};
use crate::storage::error::StorageError;
use crate::storage::records::ListEvents;

type Condition = Box<dyn BoxableExpression<Joined, Backend, SqlType = Bool>>;
type Joined = diesel::helper_types::InnerJoinQuerySource<service_events::table, services::table>;

pub fn list(
    connection: &mut StoreConnection,
    list: &ListEvents,
) -> Result<Page<ServiceEvent>, StorageError> {
    connection.transaction(|connection| {
        if let Some(id) = list.service_id {
            super::services::require(connection, id)?;
        }
        let all = || service_events::table.inner_join(services::table);
        let total: i64 = all().filter(condition(list)).count().get_result(connection)?;
        let rows: Vec<(i64, String, EventRow)> = all()
            .filter(condition(list))
            .order((service_events::date_started_ms.desc(), service_events::id.desc()))
            .limit(list.page.limit.into())
            .offset(list.page.offset())
            .select((services::id, services::name, EventRow::as_select()))
            .load(connection)?;
        let items = rows.into_iter().map(service_event).collect::<Result<_, StorageError>>()?;
        Ok(Page { items, total: total.cast_unsigned() })
    })
}

pub fn newest(
    connection: &mut StoreConnection,
    limit: u32,
) -> Result<Vec<ServiceEvent>, StorageError> {
    let rows: Vec<(i64, String, EventRow)> = service_events::table
        .inner_join(services::table)
        .filter(services::deleted_at.is_null())
        .order((service_events::date_started_ms.desc(), service_events::id.desc()))
        .limit(limit.into())
        .select((services::id, services::name, EventRow::as_select()))
        .load(connection)?;
    rows.into_iter().map(service_event).collect()
}

fn service_event(
    (id, service_name, event): (i64, String, EventRow),
) -> Result<ServiceEvent, StorageError> {
    let service_id = ServiceId::new(id)
        .ok_or_else(|| StorageError::Unreadable(format!("services, id {id}: id")))?;
    Ok(ServiceEvent { service_id, service_name, event: event.event()? })
}

fn condition(list: &ListEvents) -> Condition {
    let Window { from_ms, to_ms } = list.window;
    let ends_later = service_events::date_ended_ms
        .is_null()
        .or(service_events::date_ended_ms.assume_not_null().gt(from_ms));
    let mut all: Condition = Box::new(
        services::deleted_at
            .is_null()
            .and(service_events::date_started_ms.lt(to_ms))
            .and(ends_later),
    );
    if let Some(id) = list.service_id {
        all = Box::new(all.and(service_events::service_id.eq(id.get())));
    }
    if let Some((named, has_ungrouped)) = list.groups.split() {
        let is_named = services::group_name
            .is_not_null()
            .and(services::group_name.assume_not_null().eq_any(named));
        all = match has_ungrouped {
            true => Box::new(all.and(is_named.or(services::group_name.is_null()))),
            false => Box::new(all.and(is_named)),
        };
    }
    if let Some(state) = list.state {
        all = Box::new(all.and(service_events::event.eq(state.event())));
    }
    if let Some(reason) = list.reason {
        let failure = service_events::failure.assume_not_null();
        let matches = service_events::failure.is_not_null().and(failure.eq(reason.as_str()));
        all = Box::new(all.and(matches));
    }
    all
}

/// Ends the open event of the service, if it has one, at `at_ms` or at its own start, whichever is
/// later. Returns that moment. Part of the caller's transaction.
pub fn end(
    connection: &mut StoreConnection,
    id: ServiceId,
    at_ms: i64,
) -> Result<Option<i64>, StorageError> {
    let open = service_events::table
        .filter(service_events::service_id.eq(id.get()))
        .filter(service_events::date_ended_ms.is_null())
        .select((service_events::id, service_events::date_started_ms))
        .first::<(i64, i64)>(connection)
        .optional()?;
    let Some((event_id, started_ms)) = open else { return Ok(None) };
    let ended_ms = at_ms.max(started_ms);
    diesel::update(service_events::table.find(event_id))
        .set((
            service_events::date_ended_ms.eq(ended_ms),
            service_events::updated_at.eq(ended_ms / 1_000),
        ))
        .execute(connection)?;
    Ok(Some(ended_ms))
}

/// Ends the open event of the service, if it has one, and begins one of `state` there, which
/// becomes the newest. Part of the caller's transaction.
pub fn replace(
    connection: &mut StoreConnection,
    id: ServiceId,
    state: State,
    at_ms: i64,
) -> Result<(), StorageError> {
    let Some(started_ms) = end(connection, id, at_ms)? else { return Ok(()) };
    let event_id: i64 = diesel::insert_into(service_events::table)
        .values(NewEventRow {
            service_id: id.get(),
            event: state.event(),
            failure: None,
            failure_detail: None,
            date_started_ms: started_ms,
            date_ended_ms: None,
            created_at: at_ms / 1_000,
            updated_at: at_ms / 1_000,
        })
        .returning(service_events::id)
        .get_result(connection)?;
    diesel::update(service_metrics::table.filter(service_metrics::service_id.eq(id.get())))
        .set(service_metrics::latest_event_id.eq(event_id))
        .execute(connection)?;
    Ok(())
}
