//! Which series of two sides have the same matching labels.

use std::collections::HashMap;

use crate::promql::labels::{Labels, METRIC_NAME};
use crate::promql::series::Series;
use crate::promql::tree::Matching;

/// The number of the matching labels of each series; the same labels have the same number.
pub struct Signatures {
    pub left: Vec<usize>,
    pub right: Vec<usize>,
    pub count: usize,
}

impl Signatures {
    pub fn new(matching: &Matching, left: &[Series], right: &[Series]) -> Self {
        let mut names = matching.labels.clone();
        if !matching.is_on {
            names.push(METRIC_NAME.to_owned());
        }
        let mut numbers: HashMap<Labels, usize> = HashMap::new();
        let mut number = |series: &Series| {
            let labels = if matching.is_on {
                series.labels.only(&names)
            } else {
                series.labels.without(&names)
            };
            let next = numbers.len();
            *numbers.entry(labels).or_insert(next)
        };
        let left = left.iter().map(&mut number).collect();
        let right = right.iter().map(&mut number).collect();
        Self { left, right, count: numbers.len() }
    }
}
