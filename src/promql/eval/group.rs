//! Groups of series, for aggregations.

use std::collections::HashMap;

use crate::promql::labels::{Labels, METRIC_NAME};
use crate::promql::series::Series;
use crate::promql::tree::Grouping;

/// The series with the same grouping labels.
pub struct Group {
    pub labels: Labels,
    pub drops_name: bool,
    /// Indexes of the series.
    pub members: Vec<usize>,
}

/// In the order of their first series.
pub fn groups(series: &[Series], grouping: &Grouping) -> Vec<Group> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    let mut left_out = Vec::new();
    if let Grouping::Without(names) = grouping {
        left_out = names.clone();
        left_out.push(METRIC_NAME.to_owned());
    }
    for (index, one) in series.iter().enumerate() {
        let labels = match grouping {
            Grouping::By(names) => one.labels.only(names),
            Grouping::Without(_) => one.labels.without(&left_out),
        };
        let place = *places.entry(labels.clone()).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Group { labels, drops_name: false, members: Vec::new() });
        }
        groups[place].members.push(index);
        groups[place].drops_name |= one.drops_name;
    }
    groups
}
