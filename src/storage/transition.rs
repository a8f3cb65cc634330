//! From one event of a service to the next; part of the caller's transaction.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::error::StorageError;
use super::models::NewEvent;
use super::schema::{service_events, service_metrics};
use crate::domain::{Failure, ServiceId, State};

/// Begins an event at `at_ms`; the one before it must have ended there. Gives its id.
pub fn begin(
    connection: &mut SqliteConnection,
    id: ServiceId,
    state: State,
    failure: Option<&Failure>,
    at_ms: i64,
    now_ms: i64,
) -> Result<i64, StorageError> {
    let id = diesel::insert_into(service_events::table)
        .values(NewEvent {
            service_id: id.get(),
            event: state.event(),
            failure: failure.map(|failure| failure.reason.as_str()),
            failure_detail: failure.map(|failure| failure.detail.as_str()),
            date_started_ms: at_ms,
            date_ended_ms: None,
            created_at: now_ms / 1_000,
            updated_at: now_ms / 1_000,
        })
        .returning(service_events::id)
        .get_result(connection)?;
    Ok(id)
}

/// Ends the event of `id` that lasts, if there is one, at `at_ms` or at its own start, whichever is later; gives that moment.
pub fn close(
    connection: &mut SqliteConnection,
    id: ServiceId,
    at_ms: i64,
) -> Result<Option<i64>, StorageError> {
    let open = service_events::table
        .filter(service_events::service_id.eq(id.get()))
        .filter(service_events::date_ended_ms.is_null())
        .select((service_events::id, service_events::date_started_ms))
        .first::<(i64, i64)>(connection)
        .optional()?;
    let Some((event_id, started_at_ms)) = open else { return Ok(None) };
    let ended_at_ms = at_ms.max(started_at_ms);
    diesel::update(service_events::table.find(event_id))
        .set((
            service_events::date_ended_ms.eq(ended_at_ms),
            service_events::updated_at.eq(ended_at_ms / 1_000),
        ))
        .execute(connection)?;
    Ok(Some(ended_at_ms))
}

/// Keeps which event of `id` is the newest, with its metric.
pub fn note_newest(
    connection: &mut SqliteConnection,
    id: ServiceId,
    event_id: i64,
) -> Result<(), StorageError> {
    diesel::update(service_metrics::table.find(id.get()))
        .set(service_metrics::latest_event_id.eq(event_id))
        .execute(connection)?;
    Ok(())
}
