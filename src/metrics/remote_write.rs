//! Metrics of remote write.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What became of a request, or of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relayed {
    Accepted,
    /// By the receiver, for good.
    Refused,
    /// To be sent again.
    Failed,
}

impl Relayed {
    const ALL: [Self; 3] = [Self::Accepted, Self::Refused, Self::Failed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// Metrics of remote write; clones share their values.
#[derive(Debug, Clone)]
pub struct RemoteWriteMetrics {
    requests: Family<ResultLabel, Counter>,
    samples: Family<ResultLabel, Counter>,
    lag: Gauge<f64, AtomicU64>,
    queued: Gauge,
}

impl Default for RemoteWriteMetrics {
    fn default() -> Self {
        let metrics = Self {
            requests: Family::default(),
            samples: Family::default(),
            lag: Gauge::default(),
            queued: Gauge::default(),
        };
        for result in Relayed::ALL {
            metrics.request(result, 0);
        }
        metrics.samples(Relayed::Accepted, 0);
        metrics.samples(Relayed::Refused, 0);
        metrics
    }
}

impl RemoteWriteMetrics {
    /// Adds the metrics to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "remote_write_requests",
            "Requests of remote write by result; failed ones are sent again",
            self.requests.clone(),
        );
        registry.register(
            "remote_write_samples",
            "Samples that the receiver accepted, or refused for good",
            self.samples.clone(),
        );
        registry.register(
            "remote_write_lag_seconds",
            "Age of the oldest result that the receiver does not have",
            self.lag.clone(),
        );
        registry.register(
            "remote_write_queued_ticks",
            "Results in the queue of remote write",
            self.queued.clone(),
        );
    }

    pub fn request(&self, result: Relayed, count: u64) {
        let label = ResultLabel { result: result.as_str() };
        self.requests.get_or_create_owned(&label).inc_by(count);
    }

    pub fn samples(&self, result: Relayed, count: u64) {
        let label = ResultLabel { result: result.as_str() };
        self.samples.get_or_create_owned(&label).inc_by(count);
    }

    pub fn waiting(&self, lag: Duration, queued: usize) {
        self.lag.set(lag.as_secs_f64());
        self.queued.set(queued as i64);
    }
}
