//! How `/metrics` is written: two formats, and the last result of each service.

use std::collections::HashSet;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use crate::domain::{Outcome, Service, Verdict};

/// The two text formats of an exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus's own, version 0.0.4.
    Plain,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The media type of it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The plain form of an OpenMetrics text: there, a counter's HELP and TYPE carry the `_total` of its samples.
pub(super) fn plain(text: &str) -> String {
    let counters: HashSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut plain = String::with_capacity(text.len() + 256);
    for line in text.lines() {
        let comment = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        match comment.and_then(|rest| rest.split_once(' ')) {
            Some((name, rest)) if counters.contains(name) => {
                plain.push_str(&line[..7]);
                plain.push_str(name);
                plain.push_str("_total ");
                plain.push_str(rest);
            }
            _ => plain.push_str(line),
        }
        plain.push('\n');
    }
    plain
}

/// What the last probe of a service said.
#[derive(Debug, Clone)]
pub struct LastResult {
    /// The service, as it was when it was probed.
    pub service: Arc<Service>,
    /// Whether the probe succeeded.
    pub success: bool,
    /// How long it took, in seconds.
    pub duration_seconds: f64,
    /// The HTTP status of the last answer, or 0 when there was none.
    pub http_status: u16,
}

impl LastResult {
    /// What `outcome` says of `service`.
    pub fn new(service: Arc<Service>, outcome: &Outcome) -> Self {
        Self {
            service,
            success: outcome.verdict() == Verdict::Up,
            duration_seconds: outcome.response_time.as_secs_f64(),
            http_status: outcome.http_status.unwrap_or(0),
        }
    }
}

#[derive(Debug)]
pub(super) struct ServiceCollector(pub(super) Vec<LastResult>);

impl Collector for ServiceCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        type Read = fn(&LastResult) -> f64;
        let gauges: [(&str, &str, Read); 3] = [
            ("probe_success", "Whether the last probe was a success", |r| {
                f64::from(u8::from(r.success))
            }),
            ("probe_duration_seconds", "How long the last probe took", |r| r.duration_seconds),
            ("probe_http_status_code", "HTTP status of the last probe, 0 without an answer", |r| {
                f64::from(r.http_status)
            }),
        ];
        for (name, help, read) in gauges {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for result in &self.0 {
                let service = &result.service;
                let id = service.id.to_string();
                let labels = [
                    ("service_id", id.as_str()),
                    ("name", service.name.as_str()),
                    ("group", service.group_label()),
                ];
                family.encode_family(&labels)?.encode_gauge(&read(result))?;
            }
        }
        Ok(())
    }
}
