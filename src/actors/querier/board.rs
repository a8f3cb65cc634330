//! The last results as samples, for what the store does not keep.

use crate::actors::last_results::LastResults;
use crate::domain::ServiceId;
use crate::metrics::query_gauges;
use crate::storage::history::samples::BoardSample;

/// The values of the last result of a service.
pub fn samples(last_results: &LastResults, id: ServiceId) -> Vec<BoardSample> {
    let Some(result) = last_results.result(id) else { return Vec::new() };
    let at_ms = result.at_ms();
    let samples = query_gauges(&result);
    samples.map(|(name, label, value)| BoardSample { name, label, at_ms, value }).collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::Kind;
    use crate::domain::metric_names::OF_LAST_RESULT;
    use crate::metrics::query_gauge_help;
    use crate::storage::history::samples::family::Family;

    #[test]
    fn every_value_of_a_last_result_is_a_fact_or_known_of_it_alone() {
        let facts: Vec<&str> = Family::of(Kind::Http)
            .filter(|family| matches!(family, Family::Fact(_)))
            .map(Family::name)
            .collect();
        for (name, _) in query_gauge_help() {
            assert_ne!(facts.contains(&name), OF_LAST_RESULT.contains(&name), "{name}");
        }
    }
}
