//! From one event of a service to the next; part of the caller's transaction.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use crate::domain::{Failure, ServiceId, State};
use crate::storage::error::StorageError;
use crate::storage::models::NewEvent;
use crate::storage::prepared::{Prepared, Text};
use crate::storage::schema::service_events;

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
    let numbers = [ended_at_ms, ended_at_ms / 1_000, event_id].map(Some);
    Prepared::new(End, numbers).execute(connection)?;
    Ok(Some(ended_at_ms))
}

/// Keeps which event of `id` is the newest, with its metric.
pub fn note_newest(
    connection: &mut SqliteConnection,
    id: ServiceId,
    event_id: i64,
) -> Result<(), StorageError> {
    Prepared::new(NoteNewest, [event_id, id.get()].map(Some)).execute(connection)?;
    Ok(())
}

struct End;

impl Text<3> for End {
    const PARTS: [&'static str; 3] =
        ["UPDATE service_events SET date_ended_ms = ", ", updated_at = ", " WHERE id = "];
}

struct NoteNewest;

impl Text<2> for NoteNewest {
    const PARTS: [&'static str; 2] =
        ["UPDATE service_metrics SET latest_event_id = ", " WHERE service_id = "];
}
