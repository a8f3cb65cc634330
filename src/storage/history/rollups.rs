//! Roll-ups: the sums of the sealed ticks of an hour or a day, and the states of that time.

use std::collections::BTreeSet;

use crate::domain::{ServiceId, Stats, Totals, Window};
use crate::storage::error::StorageError;
use crate::storage::history::rows::{Bucket, DAY_S, HOUR_S, PackedStats, Rollup};
use crate::storage::history::uptime::{spans, totals_of};
use crate::storage::port::{RollupRead, RollupWrite};

/// The sums of a roll-up of the service `id`.
pub fn stats(id: ServiceId, rollup: &Rollup) -> Result<Stats, StorageError> {
    rollup.stats.unpack().ok_or_else(|| {
        let Bucket { step_s, start_s } = rollup.bucket;
        let row = format!("service_rollups ({id}, {step_s}, {start_s}): sketch");
        StorageError::Unreadable(row)
    })
}

/// Adds the `fresh` hours, which are in order, to the roll-ups of a service, makes those of the
/// days that are over, and computes the times of all affected ones again. `begun_ms` is the start
/// of the first event that no sealing has processed. Returns the number of new roll-ups. Part of
/// the caller's transaction.
pub fn merge(
    rows: &mut dyn RollupWrite,
    id: ServiceId,
    fresh: &[Rollup],
    begun_ms: Option<i64>,
    now_ms: i64,
) -> Result<i64, StorageError> {
    let made_to_s = days_end_s(rows, id)?;
    let hours = rows.rollup_starts(id, HOUR_S, made_to_s)?;
    let Affected { days, window } = Affected::new(made_to_s, &hours, fresh, begun_ms, now_ms);
    let Some(window) = window else { return Ok(0) };
    let events = spans(rows, id, window)?;
    let totals = |bucket: Bucket| totals_of(&events, bucket.window(now_ms));
    let mut added = 0;
    for hour in fresh {
        let bucket = hour.bucket;
        let rollup = Rollup { totals: totals(bucket), ..hour.clone() };
        // Most are new, so none is read before.
        let is_new = rows.insert_rollup(id, &rollup)?;
        if !is_new {
            let mut sum = stats(id, &stored(rows, id, bucket)?)?;
            sum.merge(&stats(id, hour)?);
            rows.replace_rollup(id, &Rollup { stats: PackedStats::pack(&sum), ..rollup })?;
        }
        added += i64::from(is_new);
    }
    for &day in &days {
        let mut sum = Stats::default();
        for hour in rows.rollups(id, HOUR_S, day.window(i64::MAX))? {
            sum.merge(&stats(id, &hour)?);
        }
        let stats = PackedStats::pack(&sum);
        let rollup = Rollup { bucket: day, stats, totals: totals(day) };
        let is_new = rows.insert_rollup(id, &rollup)?;
        if !is_new {
            rows.replace_rollup(id, &rollup)?;
        }
        added += i64::from(is_new);
    }
    if let Some(begun_ms) = begun_ms {
        let is_done = |bucket: &Bucket| {
            days.contains(bucket)
                || fresh.binary_search_by_key(bucket, |rollup| rollup.bucket).is_ok()
        };
        refresh_totals(rows, id, begun_ms, is_done, totals)?;
    }
    Ok(added)
}

fn stored(
    rows: &mut dyn RollupRead,
    id: ServiceId,
    bucket: Bucket,
) -> Result<Rollup, StorageError> {
    let from_ms = bucket.start_s * 1_000;
    let window = Window { from_ms, to_ms: from_ms + 1 };
    rows.rollups(id, bucket.step_s, window)?.pop().ok_or(StorageError::NotFound)
}

/// What a merge affects.
#[derive(Debug)]
pub struct Affected {
    /// The days whose roll-up is made now: those that are over and have hours that it does not
    /// contain yet. A day that is not over has none, since each sealing would write it again. After
    /// a clock was set back, a day that has one may not be over.
    pub days: BTreeSet<Bucket>,
    /// The time whose events are read. `None` when nothing is affected.
    pub window: Option<Window>,
}

impl Affected {
    /// `made_to_s` is the end of the newest day, and `stored` are the starts of the hours from
    /// there on.
    pub fn new(
        made_to_s: i64,
        stored: &[i64],
        fresh: &[Rollup],
        begun_ms: Option<i64>,
        now_ms: i64,
    ) -> Self {
        let stored = stored.iter().map(|&start_s| Bucket { step_s: HOUR_S, start_s });
        let days = fresh.iter().map(|rollup| rollup.bucket).chain(stored).map(Bucket::day);
        let days: BTreeSet<Bucket> =
            days.filter(|day| day.end_s() * 1_000 <= now_ms || day.start_s < made_to_s).collect();
        let begun = begun_ms.map(|at_ms| Bucket::hour(at_ms).day());
        let fresh = fresh.iter().map(|rollup| rollup.bucket);
        let first_s = days.iter().copied().chain(fresh).chain(begun).map(|all| all.start_s).min();
        let window = first_s.map(|first_s| {
            let from_ms = first_s * 1_000;
            Window { from_ms, to_ms: now_ms.max(from_ms + 1) }
        });
        Self { days, window }
    }
}

/// End of the newest day that has a roll-up, in unix seconds: later hours are part of no day's.
pub fn days_end_s(rows: &mut dyn RollupRead, id: ServiceId) -> Result<i64, StorageError> {
    let newest = rows.newest_rollup(id, DAY_S)?;
    Ok(newest.map_or(i64::MIN, |start_s| Bucket { step_s: DAY_S, start_s }.end_s()))
}

/// Computes the times of the roll-ups from `begun_ms` on again, except for those that are done.
fn refresh_totals(
    rows: &mut dyn RollupWrite,
    id: ServiceId,
    begun_ms: i64,
    is_done: impl Fn(&Bucket) -> bool,
    totals: impl Fn(Bucket) -> Totals,
) -> Result<(), StorageError> {
    let hour = Bucket::hour(begun_ms);
    for first in [hour, hour.day()] {
        let starts = rows.rollup_starts(id, first.step_s, first.start_s)?;
        let buckets = starts.into_iter().map(|start_s| Bucket { start_s, ..first });
        for bucket in buckets.filter(|bucket| !is_done(bucket)) {
            rows.set_totals(id, bucket, &totals(bucket))?;
        }
    }
    Ok(())
}

/// The days of a service in `window`, oldest first, and then the hours that are part of no day.
pub fn days_within(
    rows: &mut dyn RollupRead,
    id: ServiceId,
    window: Window,
) -> Result<Vec<Rollup>, StorageError> {
    let mut rollups = rows.rollups(id, DAY_S, window)?;
    let from_ms = days_end_s(rows, id)?.saturating_mul(1_000).max(window.from_ms);
    if from_ms < window.to_ms {
        rollups.extend(rows.rollups(id, HOUR_S, Window { from_ms, ..window })?);
    }
    Ok(rollups)
}
