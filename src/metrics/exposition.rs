//! How `/metrics` is written: two formats, and the last result of each service.

use std::collections::HashSet;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use crate::domain::service::options::HttpVersion;
use crate::domain::{Group, Name, Outcome, Phases, ServiceId, Verdict};

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

/// What the last probe of a service said, in little room: there is one for each service.
#[derive(Debug, Clone, Copy)]
pub struct LastResult {
    success: bool,
    is_secured: bool,
    is_ipv6: Option<bool>,
    /// 0 when there was no answer.
    http_status: u16,
    redirects: u16,
    http_version: Option<HttpVersion>,
    /// In microseconds.
    duration_us: u32,
    /// In microseconds, in the order of [`Phases::named`].
    phases_us: [u32; 5],
    certificate_expires_at: Option<i64>,
}

/// The last result of a service, under the name it has now.
#[derive(Debug, Clone)]
pub struct ServiceResult {
    /// Its key.
    pub id: ServiceId,
    /// Its name.
    pub name: Name,
    /// Its group.
    pub group: Option<Group>,
    /// What its last probe said.
    pub result: LastResult,
}

impl LastResult {
    /// What `outcome` says of its service.
    pub fn new(outcome: &Outcome) -> Self {
        // The longest timeout, an hour, fits.
        let micros = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        let details = &outcome.details;
        Self {
            success: outcome.verdict() == Verdict::Up,
            is_secured: details.tls_version.is_some(),
            is_ipv6: details.address.map(|address| address.is_ipv6()),
            http_status: outcome.http_status.unwrap_or(0),
            redirects: u16::try_from(details.redirects).unwrap_or(u16::MAX),
            http_version: details.http_version,
            duration_us: micros(outcome.response_time),
            phases_us: outcome.phases.named().map(|(_, spent)| micros(spent)),
            certificate_expires_at: details.certificate_expires_at,
        }
    }
}

#[derive(Debug)]
pub(super) struct ServiceCollector(pub(super) Vec<ServiceResult>);

/// How a gauge of a service is read; `None` leaves the service out.
type Read = fn(&LastResult) -> Option<f64>;

/// The gauges that each service has, under blackbox_exporter's names.
const GAUGES: [(&str, &str, Read); 9] = [
    ("probe_success", "Whether the last probe was a success", |r| Some(truth(r.success))),
    ("probe_duration_seconds", "How long the last probe took", |r| Some(seconds(r.duration_us))),
    ("probe_http_status_code", "HTTP status of the last probe, 0 without an answer", |r| {
        Some(f64::from(r.http_status))
    }),
    ("probe_dns_lookup_time_seconds", "How long looking up names took", |r| {
        Some(seconds(r.phases_us[0]))
    }),
    ("probe_ip_protocol", "Version of IP that was spoken", |r| {
        r.is_ipv6.map(|is_six| if is_six { 6.0 } else { 4.0 })
    }),
    ("probe_http_redirects", "Redirects that were followed", |r| Some(f64::from(r.redirects))),
    ("probe_http_version", "Version of HTTP that was spoken", |r| {
        r.http_version.map(HttpVersion::number)
    }),
    ("probe_http_ssl", "Whether the last answer came over TLS", |r| Some(truth(r.is_secured))),
    ("probe_ssl_earliest_cert_expiry", "Earliest end of a certificate, in unix seconds", |r| {
        r.certificate_expires_at.map(|at| at as f64)
    }),
];

fn seconds(micros: u32) -> f64 {
    f64::from(micros) / 1e6
}

fn truth(value: bool) -> f64 {
    f64::from(u8::from(value))
}

impl Collector for ServiceCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        for (name, help, read) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for result in &self.0 {
                let Some(value) = read(&result.result) else { continue };
                let id = result.id.to_string();
                family.encode_family(&labels(result, &id))?.encode_gauge(&value)?;
            }
        }
        let mut family = encoder.encode_descriptor(
            "probe_http_duration_seconds",
            "Where the time of the last probe went",
            None,
            MetricType::Gauge,
        )?;
        for result in &self.0 {
            let id = result.id.to_string();
            let [service_id, name, group] = labels(result, &id);
            for ((phase, _), spent) in Phases::default().named().iter().zip(result.result.phases_us)
            {
                let labels = [service_id, name, group, ("phase", *phase)];
                family.encode_family(&labels)?.encode_gauge(&seconds(spent))?;
            }
        }
        Ok(())
    }
}

fn labels<'a>(result: &'a ServiceResult, id: &'a str) -> [(&'static str, &'a str); 3] {
    let group = result.group.as_ref().map_or("", Group::as_str);
    [("service_id", id), ("name", result.name.as_str()), ("group", group)]
}
