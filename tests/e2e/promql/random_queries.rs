//! Random queries, each at one moment and over a range.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use service_healthcheck::promql::Steps;

use super::comparison::{Times, ask};
use super::demo::{LENGTH_MS, QUERY_MS, START_MS, series};
use super::grammar::vector;
use crate::support::prometheus::Prometheus;

const QUERIES: usize = 1_000;
const SEED: u64 = 16;

#[test]
fn random_queries_have_the_answers_of_prometheus() {
    let memory = series(SEED);
    let prometheus = Prometheus::start(&memory.open_metrics());
    let mut random = SmallRng::seed_from_u64(SEED);
    let end_ms = START_MS + LENGTH_MS - 1_800_000 + QUERY_MS;
    let steps = Steps { start_ms: end_ms - 1_200_000, end_ms, step_ms: 61_000 };
    let mut differences = Vec::new();
    let mut answered = 0;
    for _ in 0..QUERIES {
        let query = vector(&mut random, 3);
        for times in [Times::Range(steps), Times::Instant(end_ms)] {
            let answers = ask(&memory, &prometheus, &query, times);
            answered += usize::from(answers.ours.is_ok());
            if let Some(difference) = answers.difference() {
                differences.push(format!("{query}: {difference}"));
            }
        }
    }
    println!("{QUERIES} queries, {answered} answers, {} differences", differences.len());
    assert!(differences.is_empty(), "seed {SEED}:\n{}", differences.join("\n"));
    assert!(answered > QUERIES, "most queries are valid");
}
