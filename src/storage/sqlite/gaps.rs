//! Gaps: periods that the monitor did not observe, because it did not run or stalled.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use diesel::sqlite::SqliteConnection;

use super::clock_step;
use super::commit::move_liveness;
use super::schema::liveness;
use crate::domain::time::step_back::StepBack;
use crate::storage::port::Result;
use crate::storage::records::{Gap, Resumed, SetBack};

/// A liveness mark that is later than the start by at most this many milliseconds is no reason to
/// doubt how long the process did not run.
const AHEAD_MOST_MS: i64 = 1_000;

/// Ends what was open when the last run ended, at the start of the next one. Part of the caller's
/// transaction.
///
/// A service that missed at most one interval keeps its event: the process did not run for at most
/// its interval, and the last result is at most twice as old.
///
/// If the liveness mark is later than the start, the clock was set back since then: everything
/// moves by that much. Nothing tells for how long the process did not run, and no service keeps its
/// event. Other moments in the future are cut.
pub fn close(
    connection: &mut SqliteConnection,
    now_ms: i64,
    default_interval_ms: i64,
) -> Result<Resumed> {
    let newest: Newest = diesel::sql_query(NEWEST).get_result(connection)?;
    let ahead_ms = newest.at_ms.unwrap_or(now_ms).saturating_sub(now_ms);
    let mark: Option<i64> = liveness::table.select(liveness::at_ms).first(connection).optional()?;
    let mark_ahead_ms = mark.map_or(0, |mark| mark.saturating_sub(now_ms));
    let mut set_back = None;
    if ahead_ms > 0 {
        let mut services = 0;
        if mark_ahead_ms > 0 {
            let step = StepBack { by_ms: mark_ahead_ms, to_ms: now_ms, after_ms: now_ms };
            services = clock_step::apply(connection, &step)?;
        }
        services = services.max(clock_step::apply(connection, &StepBack::cut(now_ms))?);
        set_back = Some(SetBack { by_ms: ahead_ms, services });
    }
    let Some(mark) = mark.map(|mark| mark.min(now_ms)) else {
        return Ok(Resumed { set_back, ..Resumed::default() });
    };
    if set_back.is_none() && mark >= now_ms {
        return Ok(Resumed { stopped_at_ms: Some(mark), ..Resumed::default() });
    }
    let excused = (mark_ahead_ms <= AHEAD_MOST_MS).then_some(default_interval_ms);
    let gap = begin_unobserved(connection, mark, i64::MAX, now_ms, excused)?;
    Ok(Resumed { stopped_at_ms: Some(mark), gap, set_back })
}

#[derive(QueryableByName)]
struct Newest {
    #[diesel(sql_type = Nullable<BigInt>)]
    at_ms: Option<i64>,
}

/// Of the ticks only the newest rows: the others are older unless a clock was set back, and then
/// they were moved.
const NEWEST: &str = "\
    SELECT max(at_ms) AS at_ms FROM ( \
        SELECT at_ms FROM liveness \
        UNION ALL SELECT max(date_started_ms) FROM service_events \
        UNION ALL SELECT max(date_ended_ms) FROM service_events \
        UNION ALL SELECT created_at_ms FROM service_ticks \
            WHERE id = (SELECT max(id) FROM service_ticks) \
        UNION ALL SELECT created_at_ms FROM sealing_ticks \
            WHERE id = (SELECT max(id) FROM sealing_ticks))";

/// A gap from `from_ms` to `now_ms`, for events that began at most a second after `from_ms`. Part
/// of the caller's transaction.
pub fn stall(connection: &mut SqliteConnection, from_ms: i64, now_ms: i64) -> Result<Option<Gap>> {
    begin_unobserved(connection, from_ms, from_ms.saturating_add(1_000), now_ms, None)
}

/// Ends the open events that began up to `until_ms`, at `mark` or at their own start, whichever is
/// later, and begins unknown or paused ones there. With `excused`, the interval of services that
/// set none, services that missed at most one interval keep their event.
fn begin_unobserved(
    connection: &mut SqliteConnection,
    mark: i64,
    until_ms: i64,
    now_ms: i64,
    excused: Option<i64>,
) -> Result<Option<Gap>> {
    diesel::sql_query(END_AT_MARK)
        .bind::<BigInt, _>(mark)
        .bind::<BigInt, _>(now_ms)
        .bind::<Nullable<BigInt>, _>(excused)
        .bind::<BigInt, _>(until_ms)
        .execute(connection)?;
    let services = diesel::sql_query(BEGIN_UNOBSERVED)
        .bind::<BigInt, _>(now_ms / 1_000)
        .execute(connection)?;
    diesel::sql_query(DATE_STREAKS)
        .bind::<BigInt, _>(mark)
        .bind::<BigInt, _>(now_ms)
        .bind::<Nullable<BigInt>, _>(excused)
        .execute(connection)?;
    diesel::sql_query(SET_LATEST).execute(connection)?;
    move_liveness(connection, now_ms)?;
    Ok((services > 0).then_some(Gap { from_ms: mark, services }))
}

/// Whether the service `s` with the metric `m` missed more than one interval from `?1` to `?2`;
/// `?3` is the default interval, or null to excuse none. A job that reports by heartbeat is not
/// judged by its last report, since its wait begins anew; and one whose heartbeats are optional
/// misses nothing.
macro_rules! missed_more {
    () => {
        "(NOT s.enabled OR m.unwatched_from_ms IS NOT NULL OR NOT (s.url LIKE 'push:%' \
            AND json_valid(s.options) AND coalesce(s.options ->> '$.heartbeat.optional', FALSE)) \
        AND (?3 IS NULL OR ?2 - ?1 > coalesce(s.interval_seconds * 1000, ?3) \
        OR (s.url NOT LIKE 'push:%' AND ?2 - coalesce( \
            (SELECT created_at_ms FROM service_ticks WHERE id = m.latest_tick_id), \
            (SELECT created_at_ms FROM sealing_ticks WHERE id = m.latest_tick_id), \
            m.updated_at * 1000) > 2 * coalesce(s.interval_seconds * 1000, ?3))))"
    };
}

/// Of an enabled service, an open event that is not unknown; of another, one that is not a pause.
const END_AT_MARK: &str = concat!(
    "UPDATE service_events SET updated_at = ?2 / 1000, \
        date_ended_ms = max(date_started_ms, coalesce( \
            (SELECT unwatched_from_ms FROM service_metrics m \
                WHERE m.service_id = service_events.service_id), ?1)) \
    WHERE date_ended_ms IS NULL AND date_started_ms <= ?4 AND EXISTS ( \
        SELECT 1 FROM services s LEFT JOIN service_metrics m ON m.service_id = s.id \
        WHERE s.id = service_events.service_id AND s.deleted_at IS NULL \
        AND event <> CASE WHEN s.enabled THEN 'unknown' ELSE 'paused' END AND ",
    missed_more!(),
    ")"
);

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
const DATE_STREAKS: &str = concat!(
    "UPDATE service_metrics SET streak_since_ms = ?2 WHERE streak_count IS NOT NULL \
        AND EXISTS (SELECT 1 FROM services s JOIN service_metrics m ON m.service_id = s.id \
            WHERE s.id = service_metrics.service_id AND ",
    missed_more!(),
    ")"
);
