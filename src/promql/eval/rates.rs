//! Rates of counters and differences of gauges.

use crate::promql::range_window::RangeWindow;

pub fn rate(window: &RangeWindow<'_>) -> Option<f64> {
    extrapolated(window, true).map(|increase| increase / window.range_seconds())
}

pub fn increase(window: &RangeWindow<'_>) -> Option<f64> {
    extrapolated(window, true)
}

pub fn delta(window: &RangeWindow<'_>) -> Option<f64> {
    extrapolated(window, false)
}

/// The change from the first sample to the last one, extrapolated to both ends of the window where
/// the series probably continues: where the next sample would be less than 1.1 average distances
/// away. Else the series is taken to go on for half of that distance. A counter is not extrapolated
/// below zero.
fn extrapolated(window: &RangeWindow<'_>, is_counter: bool) -> Option<f64> {
    let [first, .., last] = window.points else { return None };
    let mut change = last.value - first.value;
    if is_counter {
        let pairs = window.values().zip(window.values().skip(1));
        change +=
            pairs.filter(|(before, after)| after < before).map(|(before, _)| before).sum::<f64>();
    }
    let seconds = |from: i64, to: i64| (to - from) as f64 / 1000.0;
    let mut to_start = seconds(window.start_ms, first.at_ms);
    let mut to_end = seconds(last.at_ms, window.end_ms);
    let sampled = seconds(first.at_ms, last.at_ms);
    let average = sampled / (window.points.len() - 1) as f64;
    let threshold = average * 1.1;
    if to_start >= threshold {
        to_start = average / 2.0;
    }
    if is_counter && change > 0.0 && first.value >= 0.0 {
        to_start = to_start.min(sampled * (first.value / change));
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    let factor = if sampled == 0.0 { 1.0 } else { (sampled + to_start + to_end) / sampled };
    Some(change * factor)
}

pub fn irate(window: &RangeWindow<'_>) -> Option<f64> {
    instant(window, true)
}

pub fn idelta(window: &RangeWindow<'_>) -> Option<f64> {
    instant(window, false)
}

/// The change between the last two samples.
fn instant(window: &RangeWindow<'_>, is_rate: bool) -> Option<f64> {
    let [.., before, last] = window.points else { return None };
    let ms = last.at_ms - before.at_ms;
    if ms == 0 {
        return None;
    }
    let is_reset = is_rate && last.value < before.value;
    let change = if is_reset { last.value } else { last.value - before.value };
    Some(if is_rate { change / (ms as f64 / 1000.0) } else { change })
}
