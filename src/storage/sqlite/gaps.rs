//! Gaps: periods that the monitor did not observe, because it did not run or stalled.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use super::commit::move_liveness;
use super::schema::liveness;
use crate::storage::port::Result;
use crate::storage::records::Gap;

/// A gap from the liveness mark to `now_ms`. Part of the caller's transaction.
pub fn close(connection: &mut SqliteConnection, now_ms: i64) -> Result<Option<Gap>> {
    let mark: Option<i64> = liveness::table.select(liveness::at_ms).first(connection).optional()?;
    // A clock that was set back does not tell how long the gap was.
    let Some(mark) = mark.filter(|mark| *mark < now_ms) else { return Ok(None) };
    begin_unobserved(connection, mark, i64::MAX, now_ms)
}

/// A gap from `from_ms` to `now_ms`, for events that began at most a second after `from_ms`. Part
/// of the caller's transaction.
pub fn stall(connection: &mut SqliteConnection, from_ms: i64, now_ms: i64) -> Result<Option<Gap>> {
    begin_unobserved(connection, from_ms, from_ms.saturating_add(1_000), now_ms)
}

/// Ends the open events that began up to `until_ms`, at `mark` or at their own start, whichever is
/// later, and begins unknown or paused ones there.
fn begin_unobserved(
    connection: &mut SqliteConnection,
    mark: i64,
    until_ms: i64,
    now_ms: i64,
) -> Result<Option<Gap>> {
    diesel::sql_query(END_AT_MARK)
        .bind::<BigInt, _>(mark)
        .bind::<BigInt, _>(now_ms / 1_000)
        .bind::<BigInt, _>(until_ms)
        .execute(connection)?;
    let services = diesel::sql_query(BEGIN_UNOBSERVED)
        .bind::<BigInt, _>(now_ms / 1_000)
        .execute(connection)?;
    diesel::sql_query(SET_LATEST).execute(connection)?;
    diesel::sql_query(DATE_STREAKS).bind::<BigInt, _>(now_ms).execute(connection)?;
    move_liveness(connection, now_ms)?;
    Ok((services > 0).then_some(Gap { from_ms: mark, services }))
}

/// Of an enabled service, an open event that is not unknown; of another, one that is not a pause.
const END_AT_MARK: &str = "\
    UPDATE service_events SET updated_at = ?2, date_ended_ms = max(date_started_ms, coalesce( \
        (SELECT unwatched_from_ms FROM service_metrics m \
            WHERE m.service_id = service_events.service_id), ?1)) \
    WHERE date_ended_ms IS NULL AND date_started_ms <= ?3 AND EXISTS ( \
        SELECT 1 FROM services s WHERE s.id = service_id AND s.deleted_at IS NULL \
        AND event <> CASE WHEN s.enabled THEN 'unknown' ELSE 'paused' END)";

/// The newest event of a living service is open, so one that is not was ended just now.
const BEGIN_UNOBSERVED: &str = "\
    INSERT INTO service_events (service_id, event, date_started_ms, created_at, updated_at) \
    SELECT s.id, CASE WHEN s.enabled THEN 'unknown' ELSE 'paused' END, e.date_ended_ms, ?1, ?1 \
    FROM services s JOIN service_metrics m ON m.service_id = s.id \
    JOIN service_events e ON e.id = m.latest_event_id \
    WHERE s.deleted_at IS NULL AND e.date_ended_ms IS NOT NULL ORDER BY s.id";

const SET_LATEST: &str = "\
    UPDATE service_metrics SET latest_event_id = e.id, unwatched_from_ms = NULL \
    FROM service_events e WHERE e.service_id = service_metrics.service_id \
        AND e.date_ended_ms IS NULL AND e.id <> latest_event_id";

/// A streak continues, but its event begins after the gap: dated before it, it would cover it.
const DATE_STREAKS: &str = "\
    UPDATE service_metrics SET streak_since_ms = ?1 WHERE streak_count IS NOT NULL";
