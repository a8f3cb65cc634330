//! Series with the same labels.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::promql::error::{EvalError, execution};
use crate::promql::labels::Labels;
use crate::promql::series::Series;

/// Joins series with the same labels; an error when two of them have a point at the same time.
pub fn merge_same_labels(series: Vec<Series>) -> Result<Vec<Series>, EvalError> {
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(series.len());
    let mut merged: Vec<Series> = Vec::with_capacity(series.len());
    for one in series {
        match places.entry(one.labels.clone()) {
            Entry::Vacant(place) => {
                place.insert(merged.len());
                merged.push(one);
            }
            Entry::Occupied(place) => {
                let base = &mut merged[*place.get()].points;
                base.extend(one.points);
                base.sort_by_key(|point| point.at_ms);
                if base.windows(2).any(|pair| pair[0].at_ms == pair[1].at_ms) {
                    return execution("vector cannot contain metrics with the same labelset");
                }
            }
        }
    }
    Ok(merged)
}

/// Removes the metric names that functions dropped.
pub fn drop_names(mut series: Vec<Series>) -> Result<Vec<Series>, EvalError> {
    for one in series.iter_mut().filter(|one| one.drops_name) {
        one.labels = one.labels.without_name();
        one.drops_name = false;
    }
    merge_same_labels(series)
}
