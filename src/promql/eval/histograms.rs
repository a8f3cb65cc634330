//! `histogram_quantile` and `histogram_fraction` over classic histograms.

use std::collections::HashMap;

use crate::promql::error::EvalError;
use crate::promql::labels::Labels;
use crate::promql::number::parse_number;
use crate::promql::series::{Point, Series};
use crate::promql::tree::Expr;

use super::buckets::{Bucket, fraction, quantile};
use super::evaluator::Evaluator;

/// The label of a bucket's upper bound.
const BOUND: &str = "le";

type Outcome<T> = Result<T, EvalError>;

/// The buckets of one histogram.
struct Histogram {
    labels: Labels,
    /// Upper bound and index of the series.
    members: Vec<(f64, usize)>,
}

impl Evaluator<'_> {
    pub fn histogram_quantile(&self, quantiles: &Expr, buckets: &Expr) -> Outcome<Vec<Series>> {
        let values = self.scalar(quantiles)?;
        values.iter().for_each(|q| self.warn_of_quantile(*q, quantiles.span));
        self.over_histograms(buckets, |histogram, step, buckets_at| {
            let result = quantile(values[step], buckets_at);
            if result.is_forced {
                let message = format!(
                    "input to histogram_quantile needed to be fixed for monotonicity for metric \
                     name {:?}",
                    histogram.labels.metric_name()
                );
                self.inform(&message, buckets.span);
            }
            result.value
        })
    }

    pub fn histogram_fraction(
        &self,
        lower: &Expr,
        upper: &Expr,
        buckets: &Expr,
    ) -> Outcome<Vec<Series>> {
        let lower = self.scalar(lower)?;
        let upper = self.scalar(upper)?;
        self.over_histograms(buckets, |_, step, buckets| {
            fraction(lower[step], upper[step], buckets)
        })
    }

    fn over_histograms(
        &self,
        expr: &Expr,
        value: impl Fn(&Histogram, usize, Vec<Bucket>) -> f64,
    ) -> Outcome<Vec<Series>> {
        let series = self.vector(expr)?;
        let mut results = Vec::new();
        for histogram in self.histograms(&series, expr) {
            self.context.meter.check()?;
            let mut buckets: Vec<Vec<Bucket>> = vec![Vec::new(); self.steps.count()];
            for (upper_bound, index) in &histogram.members {
                for point in &series[*index].points {
                    let bucket = Bucket { upper_bound: *upper_bound, count: point.value };
                    buckets[self.steps.index(point.at_ms)].push(bucket);
                }
            }
            let mut points = Vec::new();
            for (step, (at_ms, buckets)) in self.steps.iter().zip(buckets).enumerate() {
                if !buckets.is_empty() {
                    points.push(Point { at_ms, value: value(&histogram, step, buckets) });
                }
            }
            let labels = histogram.labels;
            results.push(Series { labels, drops_name: true, points });
        }
        Ok(results)
    }

    /// Groups series by their labels without the bound; one without a bound is left out.
    fn histograms(&self, series: &[Series], expr: &Expr) -> Vec<Histogram> {
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut histograms: Vec<Histogram> = Vec::new();
        for (index, one) in series.iter().enumerate() {
            let bound = one.labels.get(BOUND);
            let Some(upper_bound) = parse_number(bound) else {
                let message = format!(
                    "bucket label \"le\" is missing or has a malformed value of {bound:?} for \
                     metric name {:?}",
                    one.labels.metric_name()
                );
                self.warn(&message, expr.span);
                continue;
            };
            let labels = one.labels.with(BOUND, "");
            let place = *places.entry(labels.clone()).or_insert(histograms.len());
            if place == histograms.len() {
                histograms.push(Histogram { labels, members: Vec::new() });
            }
            histograms[place].members.push((upper_bound, index));
        }
        histograms
    }
}
