//! Functions over the samples of a window.

use crate::promql::range_window::RangeWindow;

use super::sum::{Mean, Sum, quantile as quantile_of};

pub fn avg(window: &RangeWindow<'_>) -> Option<f64> {
    let mut values = window.values();
    let first = Mean::of(values.next()?);
    Some(values.fold(first, Mean::plus).mean())
}

pub fn sum(window: &RangeWindow<'_>) -> Option<f64> {
    Some(window.values().fold(Sum::default(), Sum::plus).total())
}

pub fn count(window: &RangeWindow<'_>) -> Option<f64> {
    Some(window.points.len() as f64)
}

pub fn present(_window: &RangeWindow<'_>) -> Option<f64> {
    Some(1.0)
}

pub fn first(window: &RangeWindow<'_>) -> Option<f64> {
    window.points.first().map(|point| point.value)
}

pub fn last(window: &RangeWindow<'_>) -> Option<f64> {
    window.points.last().map(|point| point.value)
}

/// NaN only when all values are.
pub fn max(window: &RangeWindow<'_>) -> Option<f64> {
    window.values().reduce(|max, value| if value > max || max.is_nan() { value } else { max })
}

pub fn min(window: &RangeWindow<'_>) -> Option<f64> {
    window.values().reduce(|min, value| if value < min || min.is_nan() { value } else { min })
}

pub fn stdvar(window: &RangeWindow<'_>) -> Option<f64> {
    let mut count = 0.0;
    let mut mean = Sum::default();
    let mut squares = Sum::default();
    for value in window.values() {
        count += 1.0;
        let delta = value - (mean.sum + mean.compensation);
        mean = mean.plus(delta / count);
        squares = squares.plus(delta * (value - (mean.sum + mean.compensation)));
    }
    Some((squares.sum + squares.compensation) / count)
}

pub fn stddev(window: &RangeWindow<'_>) -> Option<f64> {
    stdvar(window).map(f64::sqrt)
}

pub fn quantile(window: &RangeWindow<'_>) -> Option<f64> {
    let mut values: Vec<f64> = window.values().collect();
    Some(quantile_of(window.parameters[0], &mut values))
}

/// The median of the distances from the median.
pub fn mad(window: &RangeWindow<'_>) -> Option<f64> {
    let mut values: Vec<f64> = window.values().collect();
    if values.iter().any(|value| value.is_nan()) {
        return Some(f64::NAN);
    }
    let median = quantile_of(0.5, &mut values);
    for value in &mut values {
        *value = (*value - median).abs();
    }
    Some(quantile_of(0.5, &mut values))
}

pub fn changes(window: &RangeWindow<'_>) -> Option<f64> {
    let is_change = |(a, b): &(f64, f64)| a != b && !(a.is_nan() && b.is_nan());
    let pairs = window.values().zip(window.values().skip(1));
    Some(pairs.filter(is_change).count() as f64)
}

pub fn resets(window: &RangeWindow<'_>) -> Option<f64> {
    let pairs = window.values().zip(window.values().skip(1));
    Some(pairs.filter(|(a, b)| b < a).count() as f64)
}
