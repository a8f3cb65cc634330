//! Windows of hours and days, answered from roll-ups.
//!
//! Whole hours inside a window come from roll-ups (days, where a whole day is inside) and from the
//! ticks that are not sealed yet, its two ends from ticks. So the values are those of the ticks,
//! however old the window is; only quantiles of durations are estimates.

use std::collections::HashMap;

use crate::domain::time::timestamp::to_rfc3339;
use crate::domain::{ServiceId, Stats, Window};
use crate::promql::{Fold, Labels, Notice, Point, Series};
use crate::storage::error::StorageError;
use crate::storage::history::rollups::{days_within, stats};
use crate::storage::history::rows::{Bucket, DAY_S, HOUR_S, Marks};
use crate::storage::history::ticks::within;
use crate::storage::port::StoreRead;

use super::family::{Family, FoldedFunction};
use super::fold_windows::{HOUR_MS, Parts, merged, parts};

/// Windows of at least this length are folded where ticks are there, too.
const LONG_MS: i64 = 6 * HOUR_MS;

/// The windows of a fold, divided.
pub struct Plan {
    pub windows: Vec<Parts>,
}

/// `None` when ticks answer the windows better: when they are short, and ticks are there.
pub fn plan(fold: &Fold<'_>, marks: &Marks) -> Option<Plan> {
    FoldedFunction::new(fold.function, 0.0)?;
    let kept_from_ms = if marks.expired_ticks == 0 {
        i64::MIN
    } else {
        marks.ticks_expired_to_ms.saturating_add(1)
    };
    let is_old = fold
        .windows
        .iter()
        .any(|window| window.end_ms.saturating_sub(fold.range_ms).saturating_add(1) < kept_from_ms);
    if fold.range_ms < LONG_MS && !is_old {
        return None;
    }
    let windows = fold.windows.iter().map(|window| {
        let to_ms = window.end_ms.saturating_add(1);
        let from_ms = to_ms.saturating_sub(fold.range_ms);
        parts(Window { from_ms, to_ms }, kept_from_ms)
    });
    Some(Plan { windows: windows.collect() })
}

/// Whether the sums of ticks tell the function's value for the family.
pub fn is_foldable(fold: &Fold<'_>, family: Family) -> bool {
    let function = FoldedFunction::new(fold.function, 0.5);
    function.is_some_and(|function| family.folded(function, &Stats::default()).is_some())
}

/// The series of one service.
pub fn service(
    rows: &mut dyn StoreRead,
    id: ServiceId,
    families: &[(Family, Labels)],
    fold: &Fold<'_>,
    plan: &Plan,
) -> Result<Vec<Series>, StorageError> {
    let sums = Sums::read(rows, id, plan)?;
    let mut series: Vec<Series> =
        families.iter().map(|(_, labels)| Series::new(labels.clone(), Vec::new())).collect();
    for (index, (window, parts)) in fold.windows.iter().zip(&plan.windows).enumerate() {
        let sum = sums.of(parts);
        let parameter = fold.parameter.get(index).copied().unwrap_or(0.0);
        let Some(function) = FoldedFunction::new(fold.function, parameter) else { continue };
        for ((family, _), series) in families.iter().zip(&mut series) {
            if let Some(value) = family.folded(function, &sum).flatten() {
                series.points.push(Point { at_ms: window.at_ms, value });
            }
        }
    }
    series.retain(|one| !one.points.is_empty());
    Ok(series)
}

/// The ticks of a service, added up as far as the windows allow.
struct Sums {
    hours: HashMap<i64, Stats>,
    days: HashMap<i64, Stats>,
    /// Sums of the ends of windows.
    ends: HashMap<(i64, i64), Stats>,
}

impl Sums {
    fn read(rows: &mut dyn StoreRead, id: ServiceId, plan: &Plan) -> Result<Self, StorageError> {
        let mut sums = Self { hours: HashMap::new(), days: HashMap::new(), ends: HashMap::new() };
        let whole = plan.windows.iter().filter_map(|parts| parts.hours);
        let from_ms = whole.clone().map(|hours| hours.from_ms).min();
        let to_ms = whole.map(|hours| hours.to_ms).max();
        if let (Some(from_ms), Some(to_ms)) = (from_ms, to_ms) {
            sums.read_rollups(rows, id, Window { from_ms, to_ms }, plan)?;
        }
        let ends = plan.windows.iter().flat_map(|parts| parts.ends.iter().flatten());
        for window in merged(ends.clone().copied().collect()) {
            let mut ticks = within(rows, id, window)?;
            ticks.sort_by_key(|tick| tick.at_ms);
            for end in ends.clone().filter(|end| window.contains(end.from_ms)) {
                let place = |at_ms| ticks.partition_point(|tick| tick.at_ms < at_ms);
                let mut sum = Stats::default();
                ticks[place(end.from_ms)..place(end.to_ms)].iter().for_each(|tick| sum.add(tick));
                sums.ends.insert((end.from_ms, end.to_ms), sum);
            }
        }
        Ok(sums)
    }

    fn read_rollups(
        &mut self,
        rows: &mut dyn StoreRead,
        id: ServiceId,
        window: Window,
        plan: &Plan,
    ) -> Result<(), StorageError> {
        for rollup in days_within(rows, id, window)? {
            let bucket = rollup.bucket;
            let sum = stats(id, &rollup)?;
            let sums = if bucket.step_s == DAY_S { &mut self.days } else { &mut self.hours };
            sums.insert(bucket.start_s * 1_000, sum);
        }
        // The hours of the days that no window contains as a whole.
        let parts = plan.windows.iter().filter_map(|parts| parts.hours);
        for window in merged(parts.flat_map(outside_of_days).collect()) {
            for rollup in rows.rollups(id, HOUR_S, window)? {
                let sum = stats(id, &rollup)?;
                self.hours.insert(rollup.bucket.start_s * 1_000, sum);
            }
        }
        // What is not sealed yet is in no roll-up.
        let mut fresh = Vec::new();
        rows.fresh_ticks(id, &mut |tick| {
            if window.contains(tick.at_ms) {
                fresh.push(tick);
            }
            std::ops::ControlFlow::Continue(())
        })?;
        for tick in fresh {
            let hour = Bucket::hour(tick.at_ms);
            let day = hour.day().start_s * 1_000;
            self.hours.entry(hour.start_s * 1_000).or_default().add(&tick);
            if let Some(day) = self.days.get_mut(&day) {
                day.add(&tick);
            }
        }
        Ok(())
    }

    /// The sum of all ticks of a window.
    fn of(&self, parts: &Parts) -> Stats {
        let mut sum = Stats::default();
        for end in parts.ends.iter().flatten() {
            if let Some(part) = self.ends.get(&(end.from_ms, end.to_ms)) {
                sum.merge(part);
            }
        }
        let Some(Window { from_ms, to_ms }) = parts.hours else { return sum };
        let day_ms = i64::from(DAY_S) * 1_000;
        let mut at_ms = from_ms;
        while at_ms < to_ms {
            let is_day = at_ms.rem_euclid(day_ms) == 0 && at_ms + day_ms <= to_ms;
            let day = if is_day { self.days.get(&at_ms) } else { None };
            let part = day.or_else(|| self.hours.get(&at_ms));
            if let Some(part) = part {
                sum.merge(part);
            }
            at_ms += if day.is_some() { day_ms } else { HOUR_MS };
        }
        sum
    }
}

/// The hours of a window before its first whole day and after its last one.
fn outside_of_days(hours: Window) -> Vec<Window> {
    let day_ms = i64::from(DAY_S) * 1_000;
    let Window { from_ms, to_ms } = hours;
    let first = from_ms.div_euclid(day_ms) * day_ms;
    let first = if first < from_ms { first + day_ms } else { first };
    let last = to_ms.div_euclid(day_ms) * day_ms;
    if first >= last {
        return vec![hours];
    }
    let ends = [Window { from_ms, to_ms: first }, Window { from_ms: last, to_ms }];
    ends.into_iter().filter(|window| window.from_ms < window.to_ms).collect()
}

/// What was widened, and which values are estimates.
pub fn notices(fold: &Fold<'_>, plan: &Plan, has_duration: bool, marks: &Marks) -> Vec<Notice> {
    let mut notices = Vec::new();
    if let Some(window) = plan.windows.iter().find_map(|parts| parts.widened) {
        notices.push(Notice::Warning(format!(
            "the window of {} was widened to whole hours, from {} to {}, since ticks are kept \
             since {}",
            fold.function,
            to_rfc3339(window.from_ms),
            to_rfc3339(window.to_ms),
            to_rfc3339(marks.ticks_expired_to_ms.saturating_add(1))
        )));
    }
    if has_duration && fold.function == "quantile_over_time" {
        notices.push(Notice::Info(
            "quantile_over_time of a window of 6 hours and more is an estimate from roll-ups, \
             within 1/128"
                .to_owned(),
        ));
    }
    notices
}
