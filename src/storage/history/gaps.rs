//! Time in which nobody watched: a stop of this program, and a pause of a service.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use crate::domain::{LatestEvent, ServiceId, State};
use crate::storage::ledger::move_liveness;
use crate::storage::schema::{liveness, service_metrics};
use crate::storage::{StorageError, transition};

/// A time in which this program did not watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// When it last did, in unix milliseconds.
    pub from_ms: i64,
    /// Services whose event ended there.
    pub services: usize,
}

/// Ends what lasts where the store was last written to, for every living service: what came since is unknown for those that are
/// enabled, and a pause for the others. The next result of a service ends that again. Gives `None` when there is nothing since.
///
/// To be called once, at the start, before anything is probed.
pub fn close(connection: &mut SqliteConnection, now_ms: i64) -> Result<Option<Gap>, StorageError> {
    connection.immediate_transaction(|connection| {
        let mark: Option<i64> =
            liveness::table.select(liveness::at_ms).first(connection).optional()?;
        // A clock that was set back tells nothing of how long it was.
        let Some(mark) = mark.filter(|mark| *mark < now_ms) else { return Ok(None) };
        unwatch(connection, mark, i64::MAX, now_ms)
    })
}

/// The same for a time in which this process stood still: it was at work at `from_ms`, and not a second later. What began behind
/// that is known already.
pub fn stood_still(
    connection: &mut SqliteConnection,
    from_ms: i64,
    now_ms: i64,
) -> Result<Option<Gap>, StorageError> {
    let until_ms = from_ms.saturating_add(1_000);
    connection.immediate_transaction(|connection| unwatch(connection, from_ms, until_ms, now_ms))
}

/// Ends what began until `until_ms` and lasts, at `mark` or at its own start, whichever is later.
fn unwatch(
    connection: &mut SqliteConnection,
    mark: i64,
    until_ms: i64,
    now_ms: i64,
) -> Result<Option<Gap>, StorageError> {
    diesel::sql_query(END_AT_MARK)
        .bind::<BigInt, _>(mark)
        .bind::<BigInt, _>(now_ms / 1_000)
        .bind::<BigInt, _>(until_ms)
        .execute(connection)?;
    let services =
        diesel::sql_query(BEGIN_UNWATCHED).bind::<BigInt, _>(now_ms / 1_000).execute(connection)?;
    diesel::sql_query(TAKE_AS_LATEST).execute(connection)?;
    diesel::sql_query(DATE_STREAKS).bind::<BigInt, _>(now_ms).execute(connection)?;
    move_liveness(connection, now_ms)?;
    Ok((services > 0).then_some(Gap { from_ms: mark, services }))
}

/// What lasts and is not known: of a service that is not enabled, what is not a pause; of one that is, what is not unknown.
const END_AT_MARK: &str = "\
    UPDATE service_events SET updated_at = ?2, date_ended_ms = max(date_started_ms, coalesce( \
        (SELECT unwatched_from_ms FROM service_metrics m WHERE m.service_id = service_events.service_id), ?1)) \
    WHERE date_ended_ms IS NULL AND date_started_ms <= ?3 AND EXISTS (SELECT 1 FROM services s WHERE s.id = service_id \
        AND s.deleted_at IS NULL AND event <> CASE WHEN s.enabled THEN 'unknown' ELSE 'paused' END)";

/// The newest event of a living service lasts, so one that does not was ended just now.
const BEGIN_UNWATCHED: &str = "\
    INSERT INTO service_events (service_id, event, date_started_ms, created_at, updated_at) \
    SELECT s.id, CASE WHEN s.enabled THEN 'unknown' ELSE 'paused' END, e.date_ended_ms, ?1, ?1 \
    FROM services s JOIN service_metrics m ON m.service_id = s.id \
    JOIN service_events e ON e.id = m.latest_event_id \
    WHERE s.deleted_at IS NULL AND e.date_ended_ms IS NOT NULL ORDER BY s.id";

const TAKE_AS_LATEST: &str = "\
    UPDATE service_metrics SET latest_event_id = e.id, unwatched_from_ms = NULL \
    FROM service_events e WHERE e.service_id = service_metrics.service_id \
        AND e.date_ended_ms IS NULL AND e.id <> latest_event_id";

/// A streak goes on, but what comes of it begins now: dated to before the gap, it would cover it.
const DATE_STREAKS: &str = "\
    UPDATE service_metrics SET streak_since_ms = ?1 WHERE streak_count IS NOT NULL";

/// The service is watched again from `at_ms` on, and nothing is known of it until its next result; part of the caller's transaction.
pub fn resume(
    connection: &mut SqliteConnection,
    id: ServiceId,
    at_ms: i64,
) -> Result<(), StorageError> {
    follow(connection, id, at_ms, State::Unknown, at_ms)?;
    Ok(())
}

/// Of a history that was taken over, what lasted ended at `from_ms`, when it was last watched; what follows is unknown. Gives that
/// event. Part of the caller's transaction.
pub fn end_unwatched(
    connection: &mut SqliteConnection,
    id: ServiceId,
    from_ms: i64,
    now_ms: i64,
) -> Result<Option<(i64, LatestEvent)>, StorageError> {
    diesel::update(service_metrics::table.find(id.get()))
        .set(service_metrics::unwatched_from_ms.eq(None::<i64>))
        .execute(connection)?;
    follow(connection, id, from_ms, State::Unknown, now_ms)
}

/// The service is not watched from `at_ms` on, until its next result; part of the caller's transaction. One that never had a
/// result has no event either.
pub fn pause(
    connection: &mut SqliteConnection,
    id: ServiceId,
    at_ms: i64,
) -> Result<(), StorageError> {
    diesel::update(service_metrics::table.find(id.get()))
        .set((
            service_metrics::streak_is_up.eq(None::<bool>),
            service_metrics::streak_count.eq(None::<i64>),
            service_metrics::streak_since_ms.eq(None::<i64>),
        ))
        .execute(connection)?;
    follow(connection, id, at_ms, State::Paused, at_ms)?;
    Ok(())
}

/// Ends the event that lasts, if one does, and begins one of `state` there, which becomes the newest.
fn follow(
    connection: &mut SqliteConnection,
    id: ServiceId,
    at_ms: i64,
    state: State,
    now_ms: i64,
) -> Result<Option<(i64, LatestEvent)>, StorageError> {
    let Some(started_at_ms) = transition::close(connection, id, at_ms)? else { return Ok(None) };
    let event_id = transition::begin(connection, id, state, None, started_at_ms, now_ms)?;
    transition::note_newest(connection, id, event_id)?;
    Ok(Some((event_id, LatestEvent { state, started_at_ms, open: true })))
}
