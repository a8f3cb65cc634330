//! The queries of Prometheus's compliance suite, which are not part of this project.

use std::fs;
use std::path::Path;

use serde_json::Value;
use service_healthcheck::promql::Steps;

use super::comparison::{Times, ask};
use super::demo::{LENGTH_MS, QUERY_MS, START_MS, series};
use crate::support::prometheus::Prometheus;

/// Queries of the file, and those of them that must fail.
const QUERIES: (usize, usize) = (539, 5);

#[test]
fn the_queries_of_the_compliance_suite_have_the_answers_of_prometheus() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/promql/compliance.jsonl");
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("0 queries: no data in {}: {error}", path.display()));
    let queries: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let memory = series(1);
    let prometheus = Prometheus::start(&memory.open_metrics());
    let end_ms = START_MS + LENGTH_MS - 600_000 + QUERY_MS;
    let steps = Steps { start_ms: end_ms - 3_600_000, end_ms, step_ms: 60_000 };
    let mut differences = Vec::new();
    let mut failed = 0;
    for line in &queries {
        let query = line["query"].as_str().unwrap();
        let must_fail = line["should_fail"].as_bool().unwrap();
        failed += usize::from(must_fail);
        for times in [Times::Range(steps), Times::Instant(end_ms)] {
            let answers = ask(&memory, &prometheus, query, times);
            let difference = match answers.difference() {
                None if must_fail != answers.ours.is_err() => Some("wrong outcome".to_owned()),
                difference => difference,
            };
            differences.extend(difference.map(|difference| format!("{query}: {difference}")));
        }
    }
    println!("{} queries, {} differences", queries.len(), differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!((queries.len(), failed), QUERIES);
}
