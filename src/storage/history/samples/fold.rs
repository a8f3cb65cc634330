//! Windows of hours and days, answered from roll-ups.
//!
//! Whole hours inside a window come from roll-ups (days, where a whole day is inside) and from the
//! ticks that are not sealed yet, its two ends from ticks. So the values are those of the ticks,
//! however old the window is; only quantiles of durations are estimates.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use crate::domain::time::timestamp::to_rfc3339;
use crate::domain::{ServiceId, Stats, StoredTick, Window};
use crate::promql::{EvalError, Fold, Labels, Meter, Notice, Point, Series, count_points};
use crate::storage::error::StorageError;
use crate::storage::history::codec::TickParts;
use crate::storage::history::rollups::stats;
use crate::storage::history::rows::{Bucket, DAY_S, HOUR_S, Marks};
use crate::storage::history::ticks::sealed_within;
use crate::storage::port::{EachSum, StoreRead};

use super::family::{Family, FoldedFunction};
use super::fold_windows::{HOUR_MS, Parts, merged, parts};

const DAY_MS: i64 = DAY_S as i64 * 1_000;

/// Windows of at least this length are folded where ticks are there, too.
const LONG_MS: i64 = 6 * HOUR_MS;

/// Services whose sums one transaction reads. Many, since on SQLite the fresh ticks of all services
/// may be read for them.
pub const BATCH: usize = 2_048;

/// Most services whose roll-ups are in memory at once, and as many sums of them as a rule.
const SERVICES_AT_ONCE: usize = 256;
const SUMS_AT_ONCE: usize = 65_536;

/// Hours of roll-ups that a service may have beside its days where they are not made yet.
const LAGGING_HOURS: usize = 48;

/// Samples in memory that take as much as a tick, and as a sum without its sketch.
const SAMPLES_A_TICK: usize = size_of::<StoredTick>() / size_of::<Point>();
const SAMPLES_A_SUM: usize = size_of::<(i64, Stats)>() / size_of::<Point>();

/// Samples in memory that take as much as a divided window.
const SAMPLES_A_WINDOW: usize = size_of::<(Parts, [Window; 2])>() / size_of::<Point>();

/// The windows of a fold, divided.
pub struct Plan {
    pub windows: Vec<Parts>,
    /// From the first whole hour to the last one.
    hours: Option<Window>,
    /// The hours that are part of no whole day of a window.
    outside_of_days: Vec<Window>,
    /// Windows that do not touch, with the ends that each contains.
    ends: Vec<(Window, Vec<Window>)>,
}

impl Plan {
    fn new(windows: Vec<Parts>) -> Self {
        let whole = windows.iter().filter_map(|parts| parts.hours);
        let from_ms = whole.clone().map(|hours| hours.from_ms).min();
        let to_ms = whole.clone().map(|hours| hours.to_ms).max();
        let hours = from_ms.zip(to_ms).map(|(from_ms, to_ms)| Window { from_ms, to_ms });
        let outside_of_days = merged(whole.flat_map(outside_of_days).collect());
        let mut all: Vec<Window> =
            windows.iter().flat_map(|parts| parts.ends.into_iter().flatten()).collect();
        all.sort_by_key(|end| end.from_ms);
        all.dedup();
        // Those that overlap, and those that follow each other within a day.
        let mut ends: Vec<(Window, Vec<Window>)> = Vec::new();
        for end in all {
            match ends.last_mut() {
                Some((window, inside))
                    if end.from_ms < window.to_ms
                        || (end.from_ms == window.to_ms
                            && end.to_ms - window.from_ms <= DAY_MS) =>
                {
                    window.to_ms = window.to_ms.max(end.to_ms);
                    inside.push(end);
                }
                _ => ends.push((end, vec![end])),
            }
        }
        Self { windows, hours, outside_of_days, ends }
    }

    /// Services whose roll-ups are read at once.
    fn services_at_once(&self) -> usize {
        let length = |window: &Window| window.to_ms - window.from_ms;
        let days = self.hours.as_ref().map_or(0, length) / DAY_MS;
        let hours = self.outside_of_days.iter().map(length).sum::<i64>() / HOUR_MS;
        let sums = usize::try_from(days + hours).unwrap_or(usize::MAX);
        (SUMS_AT_ONCE / sums.saturating_add(LAGGING_HOURS)).clamp(1, SERVICES_AT_ONCE)
    }

    fn is_in_end(&self, at_ms: i64) -> bool {
        let after = self.ends.partition_point(|(window, _)| window.from_ms <= at_ms);
        after.checked_sub(1).is_some_and(|nth| self.ends[nth].0.contains(at_ms))
    }
}

/// `None` when ticks answer the windows better: when they are short, and ticks are there. Holds the
/// plan in `meter`.
pub fn plan(fold: &Fold<'_>, marks: &Marks, meter: &Meter<'_>) -> Result<Option<Plan>, EvalError> {
    if FoldedFunction::new(fold.function, 0.0).is_none() {
        return Ok(None);
    }
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
        return Ok(None);
    }
    meter.hold(fold.windows.len() * SAMPLES_A_WINDOW)?;
    let windows = fold.windows.iter().map(|window| {
        let to_ms = window.end_ms.saturating_add(1);
        let from_ms = to_ms.saturating_sub(fold.range_ms);
        parts(Window { from_ms, to_ms }, kept_from_ms)
    });
    Ok(Some(Plan::new(windows.collect())))
}

/// Whether the sums of ticks tell the function's value for the family.
pub fn is_foldable(fold: &Fold<'_>, family: Family) -> bool {
    let function = FoldedFunction::new(fold.function, 0.5);
    function.is_some_and(|function| family.folded(function, &Stats::default()).is_some())
}

/// The series of some services, sorted by nothing; `meter` holds their points. The inner error is
/// that of the meter.
pub fn services(
    rows: &mut dyn StoreRead,
    services: &[(ServiceId, &[(Family, Labels)])],
    fold: &Fold<'_>,
    plan: &Plan,
    meter: &Meter<'_>,
) -> Result<Result<Vec<Series>, EvalError>, StorageError> {
    let needs = Needs::of(fold, services.iter().flat_map(|(_, families)| *families));
    let mut held = Held { meter, before: meter.held(), points: 0, fresh: 0, sums: 0 };
    let mut series = Vec::new();
    let ids: Vec<ServiceId> = services.iter().map(|(id, _)| *id).collect();
    let mut all_fresh = read_fresh(rows, &ids, plan, needs)?;
    held.fresh = all_fresh.values().map(Fresh::samples).sum();
    for part in services.chunks(plan.services_at_once()) {
        let ids: Vec<ServiceId> = part.iter().map(|(id, _)| *id).collect();
        let mut all_sums: HashMap<ServiceId, Sums> =
            ids.iter().map(|id| (*id, Sums::default())).collect();
        if let Some(hours) = plan.hours {
            read_rollups(rows, &ids, &mut all_sums, hours, plan, needs)?;
        }
        held.sums = all_sums.values().map(Sums::samples).sum();
        for (id, families) in part {
            if let Err(error) = held.update() {
                return Ok(Err(error));
            }
            let mut sums = all_sums.remove(id).unwrap_or_default();
            let fresh = all_fresh.remove(id).unwrap_or_default();
            sums.add(&fresh.hours);
            let ends = match read_ends(rows, *id, plan, (&fresh.ticks, needs), meter)? {
                Ok(ends) => ends,
                Err(error) => return Ok(Err(error)),
            };
            let of_service = sums.series(&ends, families, fold, plan);
            held.points += count_points(&of_service);
            series.extend(of_service);
        }
    }
    (held.fresh, held.sums) = (0, 0);
    Ok(held.update().map(|()| series))
}

/// Samples that a fold holds.
struct Held<'a, 'm> {
    meter: &'a Meter<'m>,
    before: usize,
    points: usize,
    fresh: usize,
    sums: usize,
}

impl Held<'_, '_> {
    /// Tells the meter; an error when the query must stop.
    fn update(&self) -> Result<(), EvalError> {
        self.meter.release_to(self.before);
        self.meter.hold(self.points + self.fresh + self.sums)?;
        self.meter.check()
    }
}

/// What is read of ticks and roll-ups besides the counts of states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Needs {
    has_durations: bool,
    has_sketches: bool,
}

impl Needs {
    fn of<'f>(fold: &Fold<'_>, families: impl Iterator<Item = &'f (Family, Labels)>) -> Self {
        let (mut has_durations, mut has_sketches) = (false, false);
        for (family, _) in families {
            has_durations |= family.has_durations();
            has_sketches |= *family == Family::Duration && fold.function == "quantile_over_time";
        }
        Self { has_durations, has_sketches }
    }

    fn parts(self) -> TickParts {
        TickParts { has_durations: self.has_durations, ..TickParts::default() }
    }

    fn add(self, sum: &mut Stats, tick: &StoredTick) {
        if self.has_durations {
            sum.add(tick);
        } else {
            sum.count(tick.state);
        }
    }
}

/// The ticks of a service that are in no roll-up yet.
#[derive(Default)]
struct Fresh {
    hours: HashMap<i64, Stats>,
    /// Within the ends of windows.
    ticks: Vec<StoredTick>,
}

impl Fresh {
    fn samples(&self) -> usize {
        samples_of(&self.hours) + self.ticks.len() * SAMPLES_A_TICK
    }
}

fn read_fresh(
    rows: &mut dyn StoreRead,
    ids: &[ServiceId],
    plan: &Plan,
    needs: Needs,
) -> Result<HashMap<ServiceId, Fresh>, StorageError> {
    let mut all: HashMap<ServiceId, Fresh> = ids.iter().map(|id| (*id, Fresh::default())).collect();
    rows.fresh_ticks_of(ids, needs.has_durations, &mut |(id, tick)| {
        let Some(fresh) = all.get_mut(&id) else { return ControlFlow::Continue(()) };
        if plan.hours.is_some_and(|hours| hours.contains(tick.at_ms)) {
            let hour_ms = Bucket::hour(tick.at_ms).start_s * 1_000;
            needs.add(fresh.hours.entry(hour_ms).or_default(), &tick);
        }
        if plan.is_in_end(tick.at_ms) {
            fresh.ticks.push(tick);
        }
        ControlFlow::Continue(())
    })?;
    Ok(all)
}

/// The sums of the ends of windows. The inner error is that of the meter.
fn read_ends(
    rows: &mut dyn StoreRead,
    id: ServiceId,
    plan: &Plan,
    (fresh, needs): (&[StoredTick], Needs),
    meter: &Meter<'_>,
) -> Result<Result<HashMap<Window, Stats>, EvalError>, StorageError> {
    let mut sums = HashMap::new();
    let held = meter.held();
    for (window, inside) in &plan.ends {
        let mut ticks = sealed_within(rows, id, *window, needs.parts())?;
        ticks.extend(fresh.iter().filter(|tick| window.contains(tick.at_ms)));
        ticks.sort_by_key(|tick| tick.at_ms);
        let samples = ticks.len() * SAMPLES_A_TICK + sums.len() * SAMPLES_A_SUM;
        if let Err(error) = meter.hold(samples).and_then(|()| meter.check()) {
            return Ok(Err(error));
        }
        meter.release_to(held);
        let place = |at_ms| ticks.partition_point(|tick| tick.at_ms < at_ms);
        for end in inside {
            let mut sum = Stats::default();
            let ticks = &ticks[place(end.from_ms)..place(end.to_ms)];
            ticks.iter().for_each(|tick| needs.add(&mut sum, tick));
            sums.insert(*end, sum);
        }
    }
    Ok(Ok(sums))
}

/// Samples that take as much memory.
fn samples_of(sums: &HashMap<i64, Stats>) -> usize {
    sums.values().map(|sum| SAMPLES_A_SUM + sum.sketch.buckets()).sum()
}

/// The roll-ups of a service.
#[derive(Default)]
struct Sums {
    hours: HashMap<i64, Stats>,
    days: HashMap<i64, Stats>,
}

impl Sums {
    fn samples(&self) -> usize {
        samples_of(&self.hours) + samples_of(&self.days)
    }

    /// Adds hours that are in no roll-up.
    fn add(&mut self, fresh: &HashMap<i64, Stats>) {
        for (hour_ms, sum) in fresh {
            self.hours.entry(*hour_ms).or_default().merge(sum);
            let day_ms = hour_ms.div_euclid(DAY_MS) * DAY_MS;
            if let Some(day) = self.days.get_mut(&day_ms) {
                day.merge(sum);
            }
        }
    }

    fn series(
        &self,
        ends: &HashMap<Window, Stats>,
        families: &[(Family, Labels)],
        fold: &Fold<'_>,
        plan: &Plan,
    ) -> Vec<Series> {
        let mut series: Vec<Series> =
            families.iter().map(|(_, labels)| Series::new(labels.clone(), Vec::new())).collect();
        for (index, (window, parts)) in fold.windows.iter().zip(&plan.windows).enumerate() {
            let sum = self.of(parts, ends);
            let parameter = fold.parameter.get(index).copied().unwrap_or(0.0);
            let Some(function) = FoldedFunction::new(fold.function, parameter) else { continue };
            for ((family, _), series) in families.iter().zip(&mut series) {
                if let Some(value) = family.folded(function, &sum).flatten() {
                    series.points.push(Point { at_ms: window.at_ms, value });
                }
            }
        }
        series.retain(|one| !one.points.is_empty());
        series
    }

    /// The sum of all ticks of a window.
    fn of(&self, parts: &Parts, ends: &HashMap<Window, Stats>) -> Stats {
        let mut sum = Stats::default();
        parts.ends.iter().flatten().filter_map(|end| ends.get(end)).for_each(|it| sum.merge(it));
        let Some(Window { from_ms, to_ms }) = parts.hours else { return sum };
        let mut at_ms = from_ms;
        while at_ms < to_ms {
            let is_day = at_ms.rem_euclid(DAY_MS) == 0 && at_ms + DAY_MS <= to_ms;
            let day = if is_day { self.days.get(&at_ms) } else { None };
            let part = day.or_else(|| self.hours.get(&at_ms));
            if let Some(part) = part {
                sum.merge(part);
            }
            at_ms += if day.is_some() { DAY_MS } else { HOUR_MS };
        }
        sum
    }
}

/// Reads the days of `window`, the hours of days that have no roll-up, and those outside of days.
fn read_rollups(
    rows: &mut dyn StoreRead,
    ids: &[ServiceId],
    all: &mut HashMap<ServiceId, Sums>,
    window: Window,
    plan: &Plan,
    needs: Needs,
) -> Result<(), StorageError> {
    read_sums(rows, ids, DAY_S, window, needs, &mut |id, start_ms, sum| {
        if let Some(sums) = all.get_mut(&id) {
            sums.days.insert(start_ms, sum);
        }
    })?;
    let mut lagging: BTreeMap<i64, Vec<ServiceId>> = BTreeMap::new();
    for id in ids {
        let Some(sums) = all.get(id) else { continue };
        let made_to_ms = sums.days.keys().max().map_or(window.from_ms, |start| start + DAY_MS);
        lagging.entry(made_to_ms).or_default().push(*id);
    }
    let after_days =
        lagging.iter().map(|(from_ms, ids)| (Window { from_ms: *from_ms, ..window }, &ids[..]));
    let outside = plan.outside_of_days.iter().map(|window| (*window, ids));
    for (window, ids) in after_days.chain(outside) {
        if window.from_ms >= window.to_ms {
            continue;
        }
        read_sums(rows, ids, HOUR_S, window, needs, &mut |id, start_ms, sum| {
            if let Some(sums) = all.get_mut(&id) {
                sums.hours.insert(start_ms, sum);
            }
        })?;
    }
    Ok(())
}

/// Calls `each` with service, start in unix milliseconds and sum of each roll-up.
fn read_sums(
    rows: &mut dyn StoreRead,
    ids: &[ServiceId],
    step_s: i32,
    window: Window,
    needs: Needs,
    each: &mut EachSum<'_>,
) -> Result<(), StorageError> {
    if !needs.has_sketches {
        let each = &mut |id, start_s: i64, sum| each(id, start_s * 1_000, sum);
        return rows.rollup_sums(ids, step_s, window, needs.has_durations, each);
    }
    for id in ids {
        for rollup in rows.rollups(*id, step_s, window)? {
            each(*id, rollup.bucket.start_s * 1_000, stats(*id, &rollup)?);
        }
    }
    Ok(())
}

/// The hours of a window before its first whole day and after its last one.
fn outside_of_days(hours: Window) -> Vec<Window> {
    let Window { from_ms, to_ms } = hours;
    let first = from_ms.div_euclid(DAY_MS) * DAY_MS;
    let first = if first < from_ms { first + DAY_MS } else { first };
    let last = to_ms.div_euclid(DAY_MS) * DAY_MS;
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
