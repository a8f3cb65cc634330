//! Linear regression and double exponential smoothing.

use crate::promql::range_window::RangeWindow;
use crate::promql::series::Point;

use super::sum::Sum;

pub fn deriv(window: &RangeWindow<'_>) -> Option<f64> {
    let [first, _, ..] = window.points else { return None };
    Some(regression(window.points, first.at_ms).0)
}

pub fn predict_linear(window: &RangeWindow<'_>) -> Option<f64> {
    if window.points.len() < 2 {
        return None;
    }
    let (slope, intercept) = regression(window.points, window.at_ms);
    Some(slope * window.parameters[0] + intercept)
}

/// Slope a second, and the value at `at_ms`, of the line with the least squares.
fn regression(points: &[Point], at_ms: i64) -> (f64, f64) {
    let first = points.first().map_or(f64::NAN, |point| point.value);
    let mut x_sum = Sum::default();
    let mut y_sum = Sum::default();
    let mut xy_sum = Sum::default();
    let mut xx_sum = Sum::default();
    let mut is_constant = true;
    for (index, point) in points.iter().enumerate() {
        is_constant &= index == 0 || point.value == first;
        let x = (point.at_ms - at_ms) as f64 / 1e3;
        x_sum = x_sum.plus(x);
        y_sum = y_sum.plus(point.value);
        xy_sum = xy_sum.plus(x * point.value);
        xx_sum = xx_sum.plus(x * x);
    }
    if is_constant {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let count = points.len() as f64;
    let [x, y, xy, xx] = [x_sum, y_sum, xy_sum, xx_sum].map(|sum| sum.sum + sum.compensation);
    let slope = (xy - x * y / count) / (xx - x * x / count);
    (slope, y / count - slope * x / count)
}

/// Both factors are between 0 and 1, exclusive.
pub fn double_exponential_smoothing(window: &RangeWindow<'_>) -> Option<f64> {
    let [smoothing, trend_factor] = window.parameters;
    let mut values = window.values();
    let (first, second) = (values.next()?, values.next()?);
    let mut before = 0.0;
    let mut smoothed = first;
    let mut trend = second - first;
    for (index, value) in window.values().skip(1).enumerate() {
        if index > 0 {
            trend = trend_factor * (smoothed - before) + (1.0 - trend_factor) * trend;
        }
        let next = smoothing * value + (1.0 - smoothing) * (smoothed + trend);
        before = smoothed;
        smoothed = next;
    }
    Some(smoothed)
}
