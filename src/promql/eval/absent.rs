//! The labels of `absent` and `absent_over_time`.

use std::collections::BTreeMap;

use crate::promql::labels::{Comparison, Labels, METRIC_NAME};
use crate::promql::tree::{Expr, Kind};

/// The labels that a selector demands to be equal to one value; a label with several matchers is
/// left out.
pub fn absent_labels(argument: &Expr) -> Labels {
    let matchers = match &argument.inner().kind {
        Kind::Selector(selector) | Kind::Range { selector, .. } => &selector.matchers,
        _ => return Labels::default(),
    };
    let mut labels: BTreeMap<&str, &str> = BTreeMap::new();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name != METRIC_NAME) {
        let is_equal = matches!(matcher.comparison, Comparison::Equal);
        if is_equal && !seen.contains(&matcher.name.as_str()) {
            labels.insert(&matcher.name, &matcher.value);
            seen.push(&matcher.name);
        } else {
            labels.remove(matcher.name.as_str());
        }
    }
    Labels::new(labels)
}
