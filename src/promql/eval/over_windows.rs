//! Calls a function over the window of each step.

use crate::promql::error::{EvalError, execution};
use crate::promql::functions::Function;
use crate::promql::labels::Labels;
use crate::promql::number::format_short;
use crate::promql::range_window::RangeWindow;
use crate::promql::series::{Point, Series};
use crate::promql::source::{Fold, Window};
use crate::promql::tree::{Expr, Kind, Type};

use super::absent::absent_labels;
use super::evaluator::Evaluator;
use super::select::RangeInput;

type WindowFunction = fn(&RangeWindow<'_>) -> Option<f64>;

/// Samples of windows after which a query may stop.
const CHECKED_SAMPLES: usize = 65_536;

/// Names of counters end in one of these.
const COUNTER_ENDINGS: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];

impl Evaluator<'_> {
    /// The value of a function over the samples of each window.
    pub fn over_time(
        &self,
        function: &Function,
        body: WindowFunction,
        arguments: &[Expr],
    ) -> Result<Vec<Series>, EvalError> {
        let Some(range) = arguments.iter().find(|one| one.value_type() == Type::Matrix) else {
            return execution("expected a range vector");
        };
        let scalars = arguments.iter().filter(|one| one.value_type() == Type::Scalar);
        let parameters =
            scalars.map(|one| self.scalar(one)).collect::<Result<Vec<Vec<f64>>, EvalError>>()?;
        check_factors(function.name, &parameters)?;
        let first = parameters.first().map_or(&[][..], |values| values.as_slice());
        let series = match self.fold(function.name, first, range)? {
            Some(series) => series,
            None => {
                let keeps_name = matches!(function.name, "last_over_time" | "first_over_time");
                let input = self.range_input(range)?;
                self.apply(&input, body, &parameters, keeps_name)?
            }
        };
        self.annotate(function.name, &series, arguments, &parameters);
        Ok(series)
    }

    /// 1 at each step at which no series has a sample.
    pub fn absent_over_time(&self, range: &Expr) -> Result<Vec<Series>, EvalError> {
        let present = match self.fold("present_over_time", &[], range)? {
            Some(series) => series,
            None => {
                let input = self.range_input(range)?;
                self.apply(&input, |_| Some(1.0), &[], false)?
            }
        };
        let labels = absent_labels(range);
        Ok(self.at_absent_steps(&present, labels))
    }

    /// A series of ones at the steps without any point.
    pub fn at_absent_steps(&self, present: &[Series], labels: Labels) -> Vec<Series> {
        let mut has_point = vec![false; self.steps.count()];
        for point in present.iter().flat_map(|series| &series.points) {
            has_point[self.steps.index(point.at_ms)] = true;
        }
        let absent = self.steps.iter().zip(has_point).filter(|(_, has_point)| !has_point);
        let points: Vec<Point> = absent.map(|(at_ms, _)| Point { at_ms, value: 1.0 }).collect();
        if points.is_empty() { Vec::new() } else { vec![Series::new(labels, points)] }
    }

    fn apply(
        &self,
        input: &RangeInput,
        body: WindowFunction,
        parameters: &[Vec<f64>],
        keeps_name: bool,
    ) -> Result<Vec<Series>, EvalError> {
        let mut series = Vec::with_capacity(input.series.len());
        for one in &input.series {
            let points = self.apply_to(one, input, body, parameters)?;
            self.context.meter.hold(points.len())?;
            if !points.is_empty() {
                let drops_name = one.drops_name || !keeps_name;
                series.push(Series { labels: one.labels.clone(), drops_name, points });
            }
        }
        Ok(series)
    }

    fn apply_to(
        &self,
        series: &Series,
        input: &RangeInput,
        body: WindowFunction,
        parameters: &[Vec<f64>],
    ) -> Result<Vec<Point>, EvalError> {
        self.context.meter.check()?;
        let mut results = Vec::new();
        let (mut from, mut to, mut since_check) = (0, 0, 0);
        for (index, at_ms) in self.steps.iter().enumerate() {
            let end_ms = self.shifted(input.shift, at_ms);
            let start_ms = end_ms.saturating_sub(input.range_ms);
            let is_until = |place: usize, limit: i64| {
                series.points.get(place).is_some_and(|point| point.at_ms <= limit)
            };
            while is_until(from, start_ms) {
                from += 1;
            }
            to = to.max(from);
            while is_until(to, end_ms) {
                to += 1;
            }
            let points = &series.points[from..to];
            if points.is_empty() {
                continue;
            }
            since_check += points.len();
            if since_check >= CHECKED_SAMPLES {
                self.context.meter.check()?;
                since_check = 0;
            }
            let parameter = |place: usize| {
                parameters.get(place).and_then(|values| values.get(index)).copied().unwrap_or(0.0)
            };
            let parameters = [parameter(0), parameter(1)];
            let window = RangeWindow { points, start_ms, end_ms, at_ms, parameters };
            if let Some(value) = body(&window) {
                results.push(Point { at_ms, value });
            }
        }
        Ok(results)
    }

    /// The answer of a source that knows the function's value without the samples.
    fn fold(
        &self,
        function: &str,
        parameter: &[f64],
        range: &Expr,
    ) -> Result<Option<Vec<Series>>, EvalError> {
        let Kind::Range { selector, range_ms } = &range.inner().kind else { return Ok(None) };
        let window = |at_ms| Window { at_ms, end_ms: self.shifted(selector.shift, at_ms) };
        let windows: Vec<Window> = self.steps.iter().map(window).collect();
        let matchers = &selector.matchers;
        let fold = Fold { function, parameter, matchers, range_ms: *range_ms, windows: &windows };
        let folded = self.context.source.fold(&fold, self.context.meter)?;
        Ok(folded.map(|folded| {
            self.note(folded.notices);
            let mut series = folded.series;
            for one in &mut series {
                one.drops_name = true;
            }
            series
        }))
    }

    fn annotate(&self, name: &str, series: &[Series], arguments: &[Expr], parameters: &[Vec<f64>]) {
        let Some(span) = arguments.first().map(|first| first.span) else { return };
        match name {
            "rate" | "increase" => {
                for one in series {
                    let name = one.labels.metric_name();
                    if !name.is_empty() && !COUNTER_ENDINGS.iter().any(|end| name.ends_with(end)) {
                        let message = format!(
                            "metric might not be a counter, name does not end in \
                             _total/_sum/_count/_bucket: {name:?}"
                        );
                        self.inform(&message, span);
                    }
                }
            }
            "quantile_over_time" => {
                let has_point = |index: &usize| {
                    let at_ms = self.steps.start_ms + *index as i64 * self.steps.step_ms;
                    series.iter().any(|one| {
                        one.points.binary_search_by_key(&at_ms, |point| point.at_ms).is_ok()
                    })
                };
                for (index, q) in parameters.iter().flatten().enumerate() {
                    if !(0.0..=1.0).contains(q) && has_point(&index) {
                        self.warn_of_quantile(*q, span);
                    }
                }
            }
            _ => {}
        }
    }

    /// Warns when `q` is no quantile.
    pub fn warn_of_quantile(&self, q: f64, span: crate::promql::position::Span) {
        if !(0.0..=1.0).contains(&q) {
            let message =
                format!("quantile value should be between 0 and 1, got {}", format_short(q));
            self.warn(&message, span);
        }
    }
}

fn check_factors(function: &str, parameters: &[Vec<f64>]) -> Result<(), EvalError> {
    if function != "double_exponential_smoothing" {
        return Ok(());
    }
    for (name, short, values) in ["smoothing", "trend"]
        .into_iter()
        .zip(["sf", "tf"])
        .zip(parameters)
        .map(|((name, short), values)| (name, short, values))
    {
        if let Some(value) = values.iter().find(|value| !(**value > 0.0 && **value < 1.0)) {
            return execution(format!(
                "invalid {name} factor. Expected: 0 < {short} < 1, got: {value}"
            ));
        }
    }
    Ok(())
}
