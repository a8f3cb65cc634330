//! Calls of functions.

use crate::promql::error::{EvalError, execution};
use crate::promql::functions::{Body, Function, Special};
use crate::promql::labels::Labels;
use crate::promql::position::Span;
use crate::promql::series::{Point, Series};
use crate::promql::tree::{Expr, Kind};

use super::absent::absent_labels;
use super::calendar::Civil;
use super::elementwise::{clamp, round};
use super::evaluator::{Evaluator, Value};
use super::sorting::{sort_by_labels, sort_by_value};

type Outcome<T> = Result<T, EvalError>;

impl Evaluator<'_> {
    pub fn call(&self, function: &Function, arguments: &[Expr], span: Span) -> Outcome<Value> {
        let series = match function.body {
            Body::OverTime(body) => self.over_time(function, body, arguments)?,
            Body::Map(map) => self.map(argument(arguments, 0)?, |value, _| map(value))?,
            Body::Calendar(part) => match arguments.first() {
                Some(first) => self.map(first, |value, _| part(&Civil::of(value)))?,
                None => self.at_each_step(|at_ms| part(&Civil::of((at_ms / 1000) as f64))),
            },
            Body::Special(special) => return self.special(special, arguments, span),
        };
        Ok(Value::Vector(series))
    }

    fn special(&self, special: Special, arguments: &[Expr], span: Span) -> Outcome<Value> {
        let first = arguments.first();
        let at = |index| argument(arguments, index);
        let series = match special {
            Special::Pi => return Ok(self.constant(std::f64::consts::PI)),
            Special::Start => return Ok(self.constant(self.context.start_ms as f64 / 1000.0)),
            Special::End => return Ok(self.constant(self.context.end_ms as f64 / 1000.0)),
            Special::Time => {
                let seconds = self.steps.iter().map(|at_ms| at_ms as f64 / 1000.0);
                return Ok(Value::Scalar(seconds.collect()));
            }
            Special::Scalar => return self.only_value(at(0)?),
            Special::Vector => {
                let values = self.scalar(at(0)?)?;
                self.at_each_step(|at_ms| values[self.steps.index(at_ms)])
            }
            Special::Absent => {
                let present = self.vector(at(0)?)?;
                self.at_absent_steps(&present, absent_labels(at(0)?))
            }
            Special::AbsentOverTime => self.absent_over_time(at(0)?)?,
            Special::Timestamp => self.timestamp(at(0)?)?,
            Special::Clamp => self.clamp(at(0)?, Some(at(1)?), Some(at(2)?))?,
            Special::ClampMin => self.clamp(at(0)?, Some(at(1)?), None)?,
            Special::ClampMax => self.clamp(at(0)?, None, Some(at(1)?))?,
            Special::Round => {
                let nearest = match arguments.get(1) {
                    Some(nearest) => self.scalar(nearest)?,
                    None => vec![1.0; self.steps.count()],
                };
                self.map(at(0)?, |value, step| round(value, nearest[step]))?
            }
            // The values of all series are floats, so no series has a histogram.
            Special::NoHistograms => {
                self.vector(at(0)?)?;
                Vec::new()
            }
            Special::HistogramQuantile => self.histogram_quantile(at(0)?, at(1)?)?,
            Special::HistogramFraction => self.histogram_fraction(at(0)?, at(1)?, at(2)?)?,
            Special::LabelReplace => self.label_replace(arguments)?,
            Special::LabelJoin => self.label_join(arguments)?,
            Special::Sort | Special::SortDesc | Special::SortByLabel | Special::SortByLabelDesc => {
                let Some(first) = first else { return execution("expected an argument") };
                self.sort(special, first, &arguments[1..], span)?
            }
        };
        Ok(Value::Vector(series))
    }

    /// Each value by itself, with the index of its step.
    fn map(&self, expr: &Expr, map: impl Fn(f64, usize) -> f64) -> Outcome<Vec<Series>> {
        let mut series = self.vector(expr)?;
        for one in &mut series {
            one.drops_name = true;
            for point in &mut one.points {
                point.value = map(point.value, self.steps.index(point.at_ms));
            }
        }
        Ok(series)
    }

    /// One series without labels.
    fn at_each_step(&self, value: impl Fn(i64) -> f64) -> Vec<Series> {
        let points: Vec<Point> =
            self.steps.iter().map(|at_ms| Point { at_ms, value: value(at_ms) }).collect();
        if points.is_empty() { Vec::new() } else { vec![Series::new(Labels::default(), points)] }
    }

    /// The value where there is one series; else NaN.
    fn only_value(&self, expr: &Expr) -> Outcome<Value> {
        let series = self.vector(expr)?;
        let mut counts = vec![0_u32; self.steps.count()];
        let mut values = vec![f64::NAN; self.steps.count()];
        for point in series.iter().flat_map(|one| &one.points) {
            let index = self.steps.index(point.at_ms);
            counts[index] += 1;
            values[index] = if counts[index] == 1 { point.value } else { f64::NAN };
        }
        Ok(Value::Scalar(values))
    }

    /// The time of each sample; of a value that is computed, the time of its step.
    fn timestamp(&self, expr: &Expr) -> Outcome<Vec<Series>> {
        let mut series = match &expr.inner().kind {
            Kind::Selector(selector) => self.select_times(selector)?,
            _ => {
                let mut series = self.vector(expr)?;
                for point in series.iter_mut().flat_map(|one| &mut one.points) {
                    point.value = point.at_ms as f64 / 1000.0;
                }
                series
            }
        };
        for one in &mut series {
            one.drops_name = true;
        }
        Ok(series)
    }

    fn clamp(
        &self,
        expr: &Expr,
        least: Option<&Expr>,
        most: Option<&Expr>,
    ) -> Outcome<Vec<Series>> {
        let bound = |bound: Option<&Expr>, default: f64| match bound {
            Some(bound) => self.scalar(bound),
            None => Ok(vec![default; self.steps.count()]),
        };
        let least = bound(least, f64::NEG_INFINITY)?;
        let most = bound(most, f64::INFINITY)?;
        let mut series = self.map(expr, |value, step| clamp(value, least[step], most[step]))?;
        let is_empty = |point: &Point| {
            let step = self.steps.index(point.at_ms);
            most[step] < least[step]
        };
        for one in &mut series {
            one.points.retain(|point| !is_empty(point));
        }
        series.retain(|one| !one.points.is_empty());
        Ok(series)
    }

    fn sort(
        &self,
        special: Special,
        expr: &Expr,
        labels: &[Expr],
        span: Span,
    ) -> Outcome<Vec<Series>> {
        let mut series = self.vector(expr)?;
        if !self.steps.is_instant() {
            self.warn(
                "sort is ineffective for range queries since results are always ordered by labels",
                span,
            );
            return Ok(series);
        }
        match special {
            Special::Sort => sort_by_value(&mut series, false),
            Special::SortDesc => sort_by_value(&mut series, true),
            _ => {
                let names = labels.iter().map(text).collect::<Outcome<Vec<&str>>>()?;
                sort_by_labels(&mut series, &names, special == Special::SortByLabelDesc);
            }
        }
        Ok(series)
    }
}

pub fn argument(arguments: &[Expr], index: usize) -> Outcome<&Expr> {
    match arguments.get(index) {
        Some(argument) => Ok(argument),
        None => execution(format!("expected an argument {}", index + 1)),
    }
}

/// The value of a string.
pub fn text(expr: &Expr) -> Outcome<&str> {
    match &expr.inner().kind {
        Kind::Text(text) => Ok(text),
        _ => execution("expected a string"),
    }
}
