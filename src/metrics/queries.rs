//! Counters of queries.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// How a query ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueryResult {
    Success,
    /// The query is invalid, or cannot be evaluated.
    Error,
    /// Its time was over.
    TimedOut,
    /// Its client has gone.
    Canceled,
    /// It would have held too many samples.
    TooManySamples,
    /// There was no place for it, or no store.
    Unavailable,
}

impl QueryResult {
    const ALL: [Self; 6] = [
        Self::Success,
        Self::Error,
        Self::TimedOut,
        Self::Canceled,
        Self::TooManySamples,
        Self::Unavailable,
    ];

    /// Value of the label `result`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::TimedOut => "timeout",
            Self::Canceled => "canceled",
            Self::TooManySamples => "too_many_samples",
            Self::Unavailable => "unavailable",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// Metrics of queries; clones share their values.
#[derive(Debug, Clone)]
pub struct QueryMetrics {
    queries: Family<ResultLabel, Counter>,
    duration: Histogram,
    samples: Histogram,
}

impl Default for QueryMetrics {
    fn default() -> Self {
        let metrics = Self {
            queries: Family::default(),
            duration: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            samples: Histogram::new(exponential_buckets(100.0, 10.0, 6)),
        };
        for result in QueryResult::ALL {
            let _ = metrics.counter(result);
        }
        metrics
    }
}

impl QueryMetrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("queries", "Queries by result", self.queries.clone());
        registry.register(
            "query_duration_seconds",
            "Duration of the evaluation of a query",
            self.duration.clone(),
        );
        registry.register(
            "query_samples",
            "Most samples that a query held in memory at once",
            self.samples.clone(),
        );
    }

    /// Counts a query that was not evaluated.
    pub fn rejected(&self, result: QueryResult) {
        self.counter(result).inc();
    }

    /// Counts a query that was evaluated.
    pub fn evaluated(&self, result: QueryResult, took: Duration, samples: usize) {
        self.counter(result).inc();
        self.duration.observe(took.as_secs_f64());
        self.samples.observe(samples as f64);
    }

    fn counter(&self, result: QueryResult) -> Counter {
        self.queries.get_or_create_owned(&ResultLabel { result: result.as_str() })
    }
}
