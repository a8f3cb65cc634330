//! Moves what was stored before the wall clock was set back.
//!
//! Sealed ticks keep their time: their chunks are not written again. Their hours are in the future
//! then, where no query for the past reads them, and the times of all roll-ups are computed anew
//! with the next sealing.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use super::cold::alerting;
use super::schema::service_events;
use crate::domain::State;
use crate::domain::time::step_back::{Period, StepBack};
use crate::storage::clock_step::{MovedEvent, MovedEvents};
use crate::storage::port::Result;

#[derive(QueryableByName)]
struct ServiceRow {
    #[diesel(sql_type = BigInt)]
    service_id: i64,
}

/// Services with a moment after the step, and those with an outage that lasts.
const MAY_MOVE: &str = "\
    SELECT DISTINCT service_id FROM service_events \
    WHERE date_started_ms > ?1 OR date_ended_ms > ?1 \
        OR (date_ended_ms IS NULL AND event = 'downtime') ORDER BY service_id";

/// Moves events, fresh ticks, streaks, marks and rows of the audit. Returns the number of services
/// whose events changed. Part of the caller's transaction.
pub fn apply(connection: &mut SqliteConnection, step: &StepBack) -> Result<usize> {
    let services: Vec<ServiceRow> =
        diesel::sql_query(MAY_MOVE).bind::<BigInt, _>(step.after_ms).load(connection)?;
    let mut moved = 0;
    let mut first_moved_id = i64::MAX;
    for ServiceRow { service_id } in services {
        let events = moved_events(connection, service_id, step)?;
        moved += usize::from(!events.events().is_empty());
        for event in events.events() {
            write(connection, event, step)?;
        }
        first_moved_id = first_moved_id.min(events.first_outdated_id().unwrap_or(i64::MAX));
    }
    for text in MOVE {
        diesel::sql_query(text)
            .bind::<BigInt, _>(step.by_ms)
            .bind::<BigInt, _>(step.to_ms)
            .bind::<BigInt, _>(step.after_ms)
            .execute(connection)?;
    }
    diesel::sql_query(OUTDATE_ROLLUPS).bind::<BigInt, _>(first_moved_id).execute(connection)?;
    alerting::clock_step::apply(connection, step)?;
    Ok(moved)
}

fn moved_events(
    connection: &mut SqliteConnection,
    service_id: i64,
    step: &StepBack,
) -> Result<MovedEvents> {
    type Row = (i64, String, i64, Option<i64>);
    let mut moved = MovedEvents::new(*step);
    let rows = service_events::table
        .filter(service_events::service_id.eq(service_id))
        .order((service_events::date_started_ms.desc(), service_events::id.desc()))
        .select((
            service_events::id,
            service_events::event,
            service_events::date_started_ms,
            service_events::date_ended_ms,
        ))
        .load_iter::<Row, diesel::connection::DefaultLoadingMode>(connection)?;
    for row in rows {
        let (id, event, started_ms, ended_ms) = row?;
        let is_outage = event == State::Down.event();
        if moved.push(id, is_outage, Period { started_ms, ended_ms }).is_break() {
            break;
        }
    }
    Ok(moved)
}

fn write(connection: &mut SqliteConnection, event: &MovedEvent, step: &StepBack) -> Result<()> {
    diesel::update(service_events::table.find(event.id))
        .set((
            service_events::date_started_ms.eq(event.period.started_ms),
            service_events::date_ended_ms.eq(event.period.ended_ms),
            service_events::updated_at.eq(step.to_ms / 1_000),
        ))
        .execute(connection)?;
    Ok(())
}

/// As [`StepBack::moved`]; a streak of failures keeps its length, as an outage does.
const MOVE: [&str; 8] = [
    "UPDATE service_ticks SET created_at_ms = min(max(created_at_ms - ?1, 0), ?2) \
        WHERE created_at_ms > ?3",
    "UPDATE sealing_ticks SET created_at_ms = min(max(created_at_ms - ?1, 0), ?2) \
        WHERE created_at_ms > ?3",
    "UPDATE service_metrics SET streak_since_ms = min(max(streak_since_ms - ?1, 0), ?2) \
        WHERE streak_since_ms > ?3 OR (streak_since_ms IS NOT NULL AND NOT streak_is_up)",
    "UPDATE service_metrics SET unwatched_from_ms = min(max(unwatched_from_ms - ?1, 0), ?2) \
        WHERE unwatched_from_ms > ?3",
    "UPDATE service_metrics SET updated_at = min(max(updated_at - ?1 / 1000, 0), ?2 / 1000) \
        WHERE updated_at * 1000 > ?3",
    "UPDATE liveness SET at_ms = min(max(at_ms - ?1, 0), ?2) WHERE at_ms > ?3",
    "UPDATE history SET sealed_at_ms = min(max(sealed_at_ms - ?1, 0), ?2) WHERE sealed_at_ms > ?3",
    "UPDATE audit SET at_ms = min(max(at_ms - ?1, 0), ?2) WHERE at_ms > ?3",
];

/// The times of the roll-ups do not contain the moved events any more.
const OUTDATE_ROLLUPS: &str = "\
    UPDATE history SET sealed_event_id = min(sealed_event_id, ?1 - 1), \
        sealing_event_id = min(sealing_event_id, ?1 - 1)";
