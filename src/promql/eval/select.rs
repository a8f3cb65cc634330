//! Instant vectors, ranges and subqueries.

use crate::promql::error::{EvalError, execution};
use crate::promql::limits::{MAX_SERIES, MAX_SUBQUERY_STEPS};
use crate::promql::series::{Point, Series, Steps, is_stale};
use crate::promql::source::{SelectedSeries, Selection};
use crate::promql::tree::{Expr, Kind, Selector, Shift, Subquery};

use super::evaluator::Evaluator;

/// Interval of a subquery that has none.
const DEFAULT_STEP_MS: i64 = 60_000;

/// The samples that windows are cut from.
pub struct RangeInput {
    /// Without stale markers.
    pub series: Vec<Series>,
    pub range_ms: i64,
    pub shift: Shift,
}

impl Evaluator<'_> {
    /// The newest sample of each series at each step.
    pub fn select_instant(&self, selector: &Selector) -> Result<Vec<Series>, EvalError> {
        self.newest(selector, |point| point.value)
    }

    /// When the newest sample of each series was taken, in Unix seconds.
    pub fn select_times(&self, selector: &Selector) -> Result<Vec<Series>, EvalError> {
        self.newest(selector, |point| point.at_ms as f64 / 1000.0)
    }

    fn newest(
        &self,
        selector: &Selector,
        value: impl Fn(Point) -> f64,
    ) -> Result<Vec<Series>, EvalError> {
        if self.steps.count() == 0 {
            return Ok(Vec::new());
        }
        let first = self.shifted(selector.shift, self.steps.start_ms);
        let last = self.shifted(selector.shift, self.steps.last_ms());
        let selected = self.read(&Selection {
            matchers: &selector.matchers,
            after_ms: first,
            to_ms: last,
            lookback_ms: Some(self.context.lookback_ms),
            moments: Some(Steps { start_ms: first, end_ms: last, ..self.steps }),
        })?;
        let mut series = Vec::with_capacity(selected.len());
        for one in selected {
            self.context.meter.check()?;
            let points = self.newest_points(&one, selector.shift, &value);
            self.context.meter.hold(points.len())?;
            if !points.is_empty() {
                series.push(Series::new(one.labels, points));
            }
        }
        Ok(series)
    }

    fn newest_points(
        &self,
        series: &SelectedSeries,
        shift: Shift,
        value: impl Fn(Point) -> f64,
    ) -> Vec<Point> {
        let mut points = Vec::new();
        let mut next = 0;
        for at_ms in self.steps.iter() {
            let moment = self.shifted(shift, at_ms);
            while series.points.get(next).is_some_and(|point| point.at_ms <= moment) {
                next += 1;
            }
            let newest = next.checked_sub(1).map(|index| series.points[index]);
            let holds = |point: &Point| {
                point.at_ms > moment.saturating_sub(series.lookback_ms) && !is_stale(point.value)
            };
            if let Some(point) = newest.filter(holds) {
                points.push(Point { at_ms, value: value(point) });
            }
        }
        points
    }

    /// The samples of a range or of a subquery.
    pub fn range_input(&self, expr: &Expr) -> Result<RangeInput, EvalError> {
        match &expr.inner().kind {
            Kind::Range { selector, range_ms } => {
                let (range_ms, shift) = (*range_ms, selector.shift);
                if self.steps.count() == 0 {
                    return Ok(RangeInput { series: Vec::new(), range_ms, shift });
                }
                let first = self.shifted(shift, self.steps.start_ms);
                let selected = self.read(&Selection {
                    matchers: &selector.matchers,
                    after_ms: first.saturating_sub(range_ms),
                    to_ms: self.shifted(shift, self.steps.last_ms()),
                    lookback_ms: None,
                    moments: None,
                })?;
                let series = selected.into_iter().map(|mut one| {
                    one.points.retain(|point| !is_stale(point.value));
                    Series::new(one.labels, one.points)
                });
                Ok(RangeInput { series: series.collect(), range_ms, shift })
            }
            Kind::Subquery(subquery) => {
                let series = self.subquery(subquery)?;
                Ok(RangeInput { series, range_ms: subquery.range_ms, shift: subquery.shift })
            }
            _ => execution("expected a range vector"),
        }
    }

    /// Evaluates the inner expression at multiples of the interval since 1970.
    fn subquery(&self, subquery: &Subquery) -> Result<Vec<Series>, EvalError> {
        let step_ms = subquery.step_ms.unwrap_or(DEFAULT_STEP_MS);
        let first =
            self.shifted(subquery.shift, self.steps.start_ms).saturating_sub(subquery.range_ms);
        let end_ms = self.shifted(subquery.shift, self.steps.last_ms());
        let start_ms = first.div_euclid(step_ms).saturating_mul(step_ms).saturating_add(step_ms);
        if end_ms.saturating_sub(start_ms) / step_ms >= MAX_SUBQUERY_STEPS {
            return execution(format!(
                "a subquery has more than {MAX_SUBQUERY_STEPS} steps, use a shorter range or a \
                 longer resolution"
            ));
        }
        if self.steps.count() == 0 {
            return Ok(Vec::new());
        }
        let steps = Steps { start_ms, end_ms, step_ms };
        Evaluator { context: self.context, steps }.vector(&subquery.expr)
    }

    fn read(&self, selection: &Selection<'_>) -> Result<Vec<SelectedSeries>, EvalError> {
        let selected = self.context.source.select(selection, self.context.meter)?;
        self.note(selected.notices);
        if selected.series.len() > MAX_SERIES {
            return execution(format!(
                "a selector selects {} series, at most {MAX_SERIES} are allowed",
                selected.series.len()
            ));
        }
        Ok(selected.series)
    }
}
