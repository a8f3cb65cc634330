//! The last results as samples, for what the store does not keep.

use crate::actors::last_results::LastResults;
use crate::metrics::query_gauges;
use crate::storage::history::samples::{Board, BoardSample};

pub fn board(last_results: &LastResults) -> Board {
    let results = last_results.all().into_iter().map(|service| {
        let at_ms = service.result.at_ms();
        let samples = query_gauges(&service.result).map(|(name, label, value)| BoardSample {
            name,
            label,
            at_ms,
            value,
        });
        (service.id, samples.collect())
    });
    results.collect()
}
