//! The source of queries over a store.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::domain::history::facts::FactsSince;
use crate::domain::metric_names::OF_LAST_RESULT;
use crate::domain::time::timestamp::to_rfc3339;
use crate::domain::{ServiceId, StoredTick, Window};
use crate::promql::{
    EvalError, Fold, Folded, Labels, METRIC_NAME, Matcher, Meter, Notice, Point, Selected,
    SelectedSeries, Selection, Source, count_points,
};
use crate::storage::error::StorageError;
use crate::storage::history::codec::TickParts;
use crate::storage::history::rows::Marks;
use crate::storage::history::ticks::each_within;
use crate::storage::port::{StoreRead, snapshot};

use super::board::Board;
use super::catalog::{Catalog, CatalogService};
use super::family::Family;
use super::fold;
use super::thin::{newest_at, thin_if_many};
use super::ticks::{MINUTE_MS, add_facts, add_ticks, minute, points_of_events, with_ends};

/// Services whose ticks one transaction reads, so that a long query never keeps a log from being
/// folded.
const BATCH: usize = 256;

/// Reads a store. One query has one.
pub struct StoreSource<'a> {
    rows: RefCell<&'a mut dyn StoreRead>,
    catalog: &'a Catalog,
    board: &'a Board<'a>,
    now_ms: i64,
}

/// The families of a service that a selector selects.
type Wanted<'a> = (&'a CatalogService, Vec<(Family, Labels)>);

impl<'a> StoreSource<'a> {
    pub fn new(
        rows: &'a mut dyn StoreRead,
        catalog: &'a Catalog,
        board: &'a Board<'a>,
        now_ms: i64,
    ) -> Self {
        Self { rows: RefCell::new(rows), catalog, board, now_ms }
    }

    fn wanted(&self, matchers: &[Matcher]) -> Vec<Wanted<'a>> {
        let services = self.catalog.services.iter();
        let wanted = services.map(|service| (&**service, service.matching(matchers)));
        wanted.filter(|(_, families)| !families.is_empty()).collect()
    }

    /// The series of some services; the inner error is that of the meter.
    fn read(
        &self,
        rows: &mut dyn StoreRead,
        batch: &[Wanted<'_>],
        selection: &Selection<'_>,
        meter: &Meter<'_>,
    ) -> Result<Result<Vec<SelectedSeries>, EvalError>, StorageError> {
        let facts = self.facts(rows, batch, selection)?;
        let mut series = Vec::new();
        for (service, families) in batch {
            if let Err(error) = meter.check() {
                return Ok(Err(error));
            }
            let lookback_ms = selection.lookback_ms.map_or(0, |least| service.lookback_ms(least));
            let after_ms = selection.after_ms.saturating_sub(lookback_ms);
            let window = Window {
                from_ms: after_ms.saturating_add(1),
                to_ms: selection.to_ms.saturating_add(1),
            };
            let has_ticks = families.iter().any(|(family, _)| *family != Family::Up);
            let parts = TickParts {
                has_status: families.iter().any(|(family, _)| *family == Family::HttpStatus),
                has_reason: false,
                has_durations: families.iter().any(|(family, _)| family.has_durations()),
            };
            let facts = facts.get(&service.id).map_or(&[][..], Vec::as_slice);
            let held = meter.held();
            let mut points: Vec<Vec<Point>> = vec![Vec::new(); families.len()];
            let mut stopped = None;
            let mut add = |ticks: &[StoredTick]| {
                for ((family, _), points) in families.iter().zip(&mut points) {
                    match family {
                        Family::Up => {}
                        Family::Fact(fact) => add_facts(points, *fact, ticks, facts),
                        _ => add_ticks(points, *family, ticks),
                    }
                    thin_if_many(points, selection.moments);
                }
                meter.release_to(held);
                let count = points.iter().map(Vec::len).sum();
                stopped = meter.hold(count).and_then(|()| meter.check()).err();
                if stopped.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            if has_ticks {
                each_within(rows, service.id, window, parts, &mut add)?;
            }
            if let Some(error) = stopped {
                return Ok(Err(error));
            }
            meter.release_to(held);
            for ((family, labels), points) in families.iter().zip(points) {
                let points = match family {
                    Family::Up => self.events(rows, service.id, window, selection)?,
                    _ => points,
                };
                let mut points = newest_at(points, selection.moments);
                points.shrink_to_fit();
                if let Err(error) = meter.hold(points.len()) {
                    return Ok(Err(error));
                }
                if !points.is_empty() {
                    let labels = labels.clone();
                    series.push(SelectedSeries { labels, lookback_ms, points });
                }
            }
        }
        Ok(Ok(series))
    }

    /// The facts of the services whose families have some.
    fn facts(
        &self,
        rows: &mut dyn StoreRead,
        batch: &[Wanted<'_>],
        selection: &Selection<'_>,
    ) -> Result<HashMap<ServiceId, Vec<FactsSince>>, StorageError> {
        let has_facts = |families: &[(Family, Labels)]| {
            families.iter().any(|(family, _)| matches!(family, Family::Fact(_)))
        };
        let with_facts = batch.iter().filter(|(_, families)| has_facts(families));
        let ids: Vec<ServiceId> = with_facts.map(|(service, _)| service.id).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let least = selection.lookback_ms;
        let lookbacks = batch.iter().map(|(service, _)| least.map(|it| service.lookback_ms(it)));
        let lookback_ms = lookbacks.flatten().max().unwrap_or(0);
        let from_ms = selection.after_ms.saturating_sub(lookback_ms);
        rows.facts(&ids, Window { from_ms, to_ms: selection.to_ms.saturating_add(1) })
    }

    /// The samples of [`Family::Up`], up to now; for moments, only what they need.
    fn events(
        &self,
        rows: &mut dyn StoreRead,
        id: ServiceId,
        window: Window,
        selection: &Selection<'_>,
    ) -> Result<Vec<Point>, StorageError> {
        let to_ms = window.to_ms.min(self.now_ms.saturating_add(1));
        if to_ms <= window.from_ms {
            return Ok(Vec::new());
        }
        let window = Window { to_ms, ..window };
        let spans = rows.spans(&[id], window)?.remove(&id).unwrap_or_default();
        // Before the first event and after the last one there is no sample.
        let first = spans.first().map_or(to_ms, |span| span.from_ms).max(window.from_ms);
        let mut minutes: Vec<i64> = match selection.moments {
            Some(moments) => moments.iter().map(minute).collect(),
            None => {
                let from = minute(first.saturating_sub(1)) + MINUTE_MS;
                let count = (to_ms - 1 - from).div_euclid(MINUTE_MS) + 1;
                (0..count.max(0)).map(|index| from + index * MINUTE_MS).collect()
            }
        };
        minutes.retain(|at_ms| window.contains(*at_ms));
        minutes.dedup();
        let points = points_of_events(&spans, minutes.into_iter());
        Ok(with_ends(points, &spans, window.from_ms - 1, to_ms - 1))
    }

    /// The last results that a selector selects, but for what the facts have.
    fn of_board(&self, selection: &Selection<'_>) -> Vec<SelectedSeries> {
        let mut series = Vec::new();
        if !may_be_of_board(selection.matchers) {
            return series;
        }
        for service in &self.catalog.services {
            if !service.may_match(selection.matchers) {
                continue;
            }
            let lookback_ms = selection.lookback_ms.map_or(0, |least| service.lookback_ms(least));
            let after_ms = selection.after_ms.saturating_sub(lookback_ms);
            let samples = (self.board)(service.id).into_iter();
            for sample in samples.filter(|sample| OF_LAST_RESULT.contains(&sample.name)) {
                let key = service.series(sample.name, sample.label);
                let is_inside = sample.at_ms > after_ms && sample.at_ms <= selection.to_ms;
                if is_inside && key.matches(selection.matchers) {
                    let points = vec![Point { at_ms: sample.at_ms, value: sample.value }];
                    series.push(SelectedSeries { labels: key.labels(), lookback_ms, points });
                }
            }
        }
        series
    }
}

/// Whether a series that only the last result has may fulfil the matchers.
fn may_be_of_board(matchers: &[Matcher]) -> bool {
    let fits = |name: &str| {
        matchers.iter().all(|matcher| matcher.name != METRIC_NAME || matcher.matches(name))
    };
    OF_LAST_RESULT.into_iter().any(fits)
}

impl Source for StoreSource<'_> {
    fn select(&self, selection: &Selection<'_>, meter: &Meter<'_>) -> Result<Selected, EvalError> {
        let mut rows = self.rows.borrow_mut();
        let wanted = self.wanted(selection.matchers);
        let mut selected = Selected { series: self.of_board(selection), notices: Vec::new() };
        meter.hold(selected.series.len())?;
        for batch in wanted.chunks(BATCH) {
            let read = snapshot(&mut **rows, |rows| self.read(rows, batch, selection, meter));
            selected.series.extend(read.map_err(unavailable)??);
        }
        selected.series.sort_by(|a, b| a.labels.cmp(&b.labels));
        let has_ticks = wanted
            .iter()
            .flat_map(|(_, families)| families)
            .any(|(family, _)| *family != Family::Up);
        if has_ticks {
            let marks = rows.marks().map_err(unavailable)?;
            selected.notices.extend(too_old(selection, &marks));
        }
        Ok(selected)
    }

    fn fold(&self, fold: &Fold<'_>, meter: &Meter<'_>) -> Result<Option<Folded>, EvalError> {
        let mut rows = self.rows.borrow_mut();
        let marks = rows.marks().map_err(unavailable)?;
        let held = meter.held();
        let Some(plan) = fold::plan(fold, &marks, meter)? else { return Ok(None) };
        let wanted = self.wanted(fold.matchers);
        let families = || wanted.iter().flat_map(|(_, families)| families);
        let is_foldable = families().all(|(family, _)| fold::is_foldable(fold, *family));
        if !is_foldable || may_be_of_board(fold.matchers) {
            meter.release_to(held);
            return Ok(None);
        }
        let mut series = Vec::new();
        for batch in wanted.chunks(fold::BATCH) {
            meter.check()?;
            let services: Vec<(ServiceId, &[(Family, Labels)])> =
                batch.iter().map(|(service, families)| (service.id, &families[..])).collect();
            let read =
                snapshot(&mut **rows, |rows| fold::services(rows, &services, fold, &plan, meter));
            series.extend(read.map_err(unavailable)??);
        }
        meter.release_to(held);
        meter.hold(count_points(&series))?;
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        let has_duration = families().any(|(family, _)| *family == Family::Duration);
        Ok(Some(Folded { series, notices: fold::notices(fold, &plan, has_duration, &marks) }))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of map_err")]
fn unavailable(error: StorageError) -> EvalError {
    EvalError::Source(error.to_string())
}

/// A warning where ticks of the window are deleted.
fn too_old(selection: &Selection<'_>, marks: &Marks) -> Option<Notice> {
    let first_ms = selection.after_ms;
    if marks.expired_ticks == 0 || first_ms >= marks.ticks_expired_to_ms {
        return None;
    }
    Some(Notice::Warning(format!(
        "ticks are kept since {}; avg_over_time, count_over_time and quantile_over_time over a \
         selector reach back to {}",
        to_rfc3339(marks.ticks_expired_to_ms.saturating_add(1)),
        to_rfc3339(marks.rollups_expired_to_ms)
    )))
}
