//! `topk`, `bottomk`, `quantile` and `count_values`.

use std::collections::HashMap;

use crate::promql::labels::Labels;
use crate::promql::number::format_plain;
use crate::promql::series::{Point, Series, Steps};

use super::group::Group;
use super::sorting::compare_values;
use super::sum::quantile;

/// The values of a group at each step: of each step, index of the series and value.
fn by_step(steps: Steps, series: &[Series], group: &Group) -> Vec<Vec<(usize, f64)>> {
    let mut values = vec![Vec::new(); steps.count()];
    for index in &group.members {
        for point in &series[*index].points {
            values[steps.index(point.at_ms)].push((*index, point.value));
        }
    }
    values
}

/// The largest or smallest values of each group at each step. In an instant query, the largest or
/// smallest of a group is first.
pub fn select(
    steps: Steps,
    series: &[Series],
    groups: &[Group],
    counts: &[usize],
    is_top: bool,
) -> Vec<Series> {
    let mut order: Vec<usize> = Vec::new();
    let mut selected: Vec<Vec<Point>> = vec![Vec::new(); series.len()];
    for group in groups {
        let values = by_step(steps, series, group);
        for ((at_ms, mut values), count) in steps.iter().zip(values).zip(counts) {
            values.sort_by(|a, b| compare_values(a.1, b.1, is_top));
            for (index, value) in values.into_iter().take(*count) {
                if selected[index].is_empty() {
                    order.push(index);
                }
                selected[index].push(Point { at_ms, value });
            }
        }
    }
    let result = |index: usize| {
        let one = &series[index];
        let points = std::mem::take(&mut selected[index]);
        Series { labels: one.labels.clone(), drops_name: one.drops_name, points }
    };
    order.into_iter().map(result).collect()
}

pub fn quantiles(
    steps: Steps,
    series: &[Series],
    groups: &[Group],
    quantiles: &[f64],
) -> Vec<Series> {
    let result = |group: &Group| {
        let mut points = Vec::new();
        let values = by_step(steps, series, group);
        for ((at_ms, values), q) in steps.iter().zip(values).zip(quantiles) {
            let mut values: Vec<f64> = values.into_iter().map(|(_, value)| value).collect();
            if !values.is_empty() {
                points.push(Point { at_ms, value: quantile(*q, &mut values) });
            }
        }
        Series { labels: group.labels.clone(), drops_name: group.drops_name, points }
    };
    groups.iter().map(result).collect()
}

/// How many series have each value; `labels` makes the labels of a result from those of a series
/// and from the value.
pub fn count_values(series: &[Series], labels: impl Fn(&Labels, &str) -> Labels) -> Vec<Series> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut counts: Vec<(Labels, HashMap<i64, f64>)> = Vec::new();
    for one in series {
        for point in &one.points {
            let labels = labels(&one.labels, &format_plain(point.value));
            let place = *places.entry(labels.clone()).or_insert(counts.len());
            if place == counts.len() {
                counts.push((labels, HashMap::new()));
            }
            *counts[place].1.entry(point.at_ms).or_insert(0.0) += 1.0;
        }
    }
    let results = counts.into_iter().map(|(labels, counts)| {
        let mut points: Vec<Point> =
            counts.into_iter().map(|(at_ms, value)| Point { at_ms, value }).collect();
        points.sort_unstable_by_key(|point| point.at_ms);
        Series::new(labels, points)
    });
    results.collect()
}
