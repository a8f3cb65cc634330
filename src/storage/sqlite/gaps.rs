//! Gaps: periods that the monitor did not observe, because it did not run or stalled.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use diesel::sqlite::SqliteConnection;

use super::clock_step;
use super::commit::{MARK_MOST_MS, move_liveness};
use crate::domain::time::step_back::StepBack;
use crate::storage::gaps::{GapWrite, Moments, Unobserved};
use crate::storage::port::Result;

impl GapWrite for SqliteConnection {
    fn moments(&mut self) -> Result<Moments> {
        let newest: Newest = diesel::sql_query(NEWEST).get_result(self)?;
        let mark: Newest =
            diesel::sql_query(MARK).bind::<BigInt, _>(MARK_MOST_MS).get_result(self)?;
        Ok(Moments { mark_ms: mark.at_ms, newest_ms: newest.at_ms })
    }

    fn move_back(&mut self, step: &StepBack) -> Result<usize> {
        clock_step::apply(self, step)
    }

    fn begin_unobserved(&mut self, gap: &Unobserved) -> Result<usize> {
        let Unobserved { from_ms, now_ms, until_ms, excused_ms } = *gap;
        diesel::sql_query(END_AT_MARK)
            .bind::<BigInt, _>(from_ms)
            .bind::<BigInt, _>(now_ms)
            .bind::<Nullable<BigInt>, _>(excused_ms)
            .bind::<BigInt, _>(until_ms)
            .execute(self)?;
        let services =
            diesel::sql_query(BEGIN_UNOBSERVED).bind::<BigInt, _>(now_ms / 1_000).execute(self)?;
        diesel::sql_query(DATE_STREAKS)
            .bind::<BigInt, _>(from_ms)
            .bind::<BigInt, _>(now_ms)
            .bind::<Nullable<BigInt>, _>(excused_ms)
            .execute(self)?;
        diesel::sql_query(SET_LATEST).execute(self)?;
        move_liveness(self, now_ms)?;
        Ok(services)
    }
}

#[derive(QueryableByName)]
struct Newest {
    #[diesel(sql_type = Nullable<BigInt>)]
    at_ms: Option<i64>,
}

/// So many of the newest rows are searched for the latest start. It is among them, unless as many
/// results of probes that began before it were committed after it.
macro_rules! newest_rows {
    () => {
        65536
    };
}
pub(super) use newest_rows;

/// The start of the latest of the newest rows of a table of ticks. Rows are in the order of
/// commits, which is not that of starts: a probe may end long after others that began after it. The
/// other rows are of earlier probes unless a clock was set back, and then they were moved.
macro_rules! latest_start {
    ($table:literal) => {
        concat!(
            "SELECT max(created_at_ms) FROM (SELECT created_at_ms FROM ",
            $table,
            " ORDER BY id DESC LIMIT ",
            $crate::storage::sqlite::gaps::newest_rows!(),
            ")",
        )
    };
}
pub(super) use latest_start;

/// The latest starts of both tables of fresh ticks, under a condition.
macro_rules! newest_ticks {
    ($condition:literal) => {
        concat!(
            " UNION ALL ",
            latest_start!("service_ticks"),
            $condition,
            " UNION ALL ",
            latest_start!("sealing_ticks"),
            $condition,
        )
    };
}

/// The liveness mark, or the start of a newer tick, which a commit leaves in its place. A tick that
/// is more than `?1`, [`MARK_MOST_MS`], later than the mark is of a clock that was wrong.
const MARK: &str = concat!(
    "SELECT max(at_ms) AS at_ms FROM (SELECT at_ms FROM liveness",
    newest_ticks!(" WHERE created_at_ms <= (SELECT at_ms FROM liveness) + ?1"),
    ")"
);

const NEWEST: &str = concat!(
    "SELECT max(at_ms) AS at_ms FROM (SELECT at_ms FROM liveness",
    newest_ticks!(""),
    " UNION ALL SELECT max(date_started_ms) FROM service_events \
    UNION ALL SELECT max(date_ended_ms) FROM service_events)"
);

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
