//! Aggregations.

use crate::promql::error::{EvalError, execution};
use crate::promql::labels::is_label_name;
use crate::promql::series::{Point, Series};
use crate::promql::tree::{Aggregate, Aggregation, Expr, Grouping};

use super::call::text;
use super::evaluator::Evaluator;
use super::group::{Group, groups};
use super::rank;
use super::sum::{Mean, Sum};

type Outcome<T> = Result<T, EvalError>;

impl Evaluator<'_> {
    pub fn aggregate(&self, aggregate: &Aggregate) -> Outcome<Vec<Series>> {
        let parameter = aggregate.parameter.as_ref();
        match aggregate.aggregation {
            Aggregation::CountValues => {
                let Some(name) = parameter else { return execution("expected a label") };
                self.count_values(aggregate, text(name)?)
            }
            Aggregation::TopK | Aggregation::BottomK => {
                let counts = self.counts(parameter)?;
                let series = self.vector(&aggregate.expr)?;
                let groups = groups(&series, &aggregate.grouping);
                let is_top = aggregate.aggregation == Aggregation::TopK;
                Ok(rank::select(self.steps, &series, &groups, &counts, is_top))
            }
            Aggregation::Quantile => {
                let quantiles = match parameter {
                    Some(parameter) => self.scalar(parameter)?,
                    None => Vec::new(),
                };
                if let Some(parameter) = parameter {
                    quantiles.iter().for_each(|q| self.warn_of_quantile(*q, parameter.span));
                }
                let series = self.vector(&aggregate.expr)?;
                let groups = groups(&series, &aggregate.grouping);
                Ok(rank::quantiles(self.steps, &series, &groups, &quantiles))
            }
            aggregation => {
                let series = self.vector(&aggregate.expr)?;
                let groups = groups(&series, &aggregate.grouping);
                let results = groups.into_iter().map(|group| {
                    self.context.meter.check()?;
                    let points = self.accumulate(&group, &series, aggregation);
                    Ok(Series { labels: group.labels, drops_name: group.drops_name, points })
                });
                results.collect()
            }
        }
    }

    fn accumulate(&self, group: &Group, series: &[Series], kind: Aggregation) -> Vec<Point> {
        let mut accumulators: Vec<Option<Accumulator>> = vec![None; self.steps.count()];
        for point in group.members.iter().flat_map(|index| &series[*index].points) {
            let accumulator = &mut accumulators[self.steps.index(point.at_ms)];
            *accumulator = Some(match accumulator.take() {
                None => Accumulator::new(kind, point.value),
                Some(accumulator) => accumulator.plus(point.value),
            });
        }
        let results = self.steps.iter().zip(accumulators);
        let points = results.filter_map(|(at_ms, accumulator)| {
            accumulator.map(|accumulator| Point { at_ms, value: accumulator.result() })
        });
        points.collect()
    }

    /// The parameter of `topk` and `bottomk` at each step.
    fn counts(&self, parameter: Option<&Expr>) -> Outcome<Vec<usize>> {
        let Some(parameter) = parameter else { return execution("expected a number") };
        let values = self.scalar(parameter)?;
        if values.iter().any(|value| value.is_nan()) {
            return execution("Parameter value is NaN");
        }
        // Largest and smallest 64-bit integers.
        if let Some(value) = values.iter().find(|value| value.abs() >= 9_223_372_036_854_775_807.0)
        {
            let over = if *value > 0.0 { "overflows" } else { "underflows" };
            return execution(format!("Scalar value {value} {over} int64"));
        }
        Ok(values.into_iter().map(|value| value.max(0.0) as usize).collect())
    }

    fn count_values(&self, aggregate: &Aggregate, name: &str) -> Outcome<Vec<Series>> {
        if !is_label_name(name) {
            return execution(format!("invalid label name {name:?}"));
        }
        let series = self.vector(&aggregate.expr)?;
        Ok(rank::count_values(&series, |labels, value| {
            let labels = labels.with(name, value);
            match &aggregate.grouping {
                Grouping::By(names) => {
                    let mut names = names.clone();
                    names.push(name.to_owned());
                    labels.only(&names)
                }
                Grouping::Without(names) => labels.without(names).without_name(),
            }
        }))
    }
}

/// The values of a group at one step.
#[derive(Debug, Clone)]
enum Accumulator {
    Avg(Mean),
    Count(f64),
    Group,
    Max(f64),
    Min(f64),
    Sum(Sum),
    Variance { is_root: bool, count: f64, mean: f64, squares: f64 },
}

impl Accumulator {
    fn new(kind: Aggregation, first: f64) -> Self {
        match kind {
            Aggregation::Avg => Self::Avg(Mean::of(first)),
            Aggregation::Count => Self::Count(1.0),
            Aggregation::Max => Self::Max(first),
            Aggregation::Min => Self::Min(first),
            Aggregation::Sum => Self::Sum(Sum { sum: first, compensation: 0.0 }),
            Aggregation::Stddev | Aggregation::Stdvar => Self::Variance {
                is_root: kind == Aggregation::Stddev,
                count: 1.0,
                mean: first,
                squares: if first.is_finite() { 0.0 } else { f64::NAN },
            },
            _ => Self::Group,
        }
    }

    fn plus(self, value: f64) -> Self {
        match self {
            Self::Avg(mean) => Self::Avg(mean.plus(value)),
            Self::Count(count) => Self::Count(count + 1.0),
            Self::Group => Self::Group,
            Self::Max(max) => Self::Max(if max < value || max.is_nan() { value } else { max }),
            Self::Min(min) => Self::Min(if min > value || min.is_nan() { value } else { min }),
            Self::Sum(sum) => Self::Sum(sum.plus(value)),
            Self::Variance { is_root, count, mean, squares } => {
                let count = count + 1.0;
                let delta = value - mean;
                let mean = mean + delta / count;
                let squares = squares + delta * (value - mean);
                Self::Variance { is_root, count, mean, squares }
            }
        }
    }

    fn result(self) -> f64 {
        match self {
            Self::Avg(mean) => mean.mean(),
            Self::Count(count) => count,
            Self::Group => 1.0,
            Self::Max(value) | Self::Min(value) => value,
            Self::Sum(sum) => sum.total(),
            Self::Variance { is_root: true, count, squares, .. } => (squares / count).sqrt(),
            Self::Variance { count, squares, .. } => squares / count,
        }
    }
}
