//! The result of one on-demand probe, for the API and the command line.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::views::envelope::One;
use crate::api::views::event::Failure;
use crate::api::views::phases::Phases;
use crate::domain;
use crate::domain::service::options::HttpVersion;
use crate::domain::{Requests, Service, Verdict};

/// `data` of a response with the result of one probe.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProbeData {
    pub probe: One<Probe>,
}

/// The result of one probe.
#[derive(Debug, Serialize, ToSchema)]
pub struct Probe {
    /// The target of the service.
    #[schema(example = "https://pay.example.org/health")]
    url: String,
    /// Start of the probe, in unix milliseconds.
    started_at_ms: i64,
    /// Whether the target is up.
    success: bool,
    /// The failure; null when the probe succeeded.
    #[schema(required = true)]
    failure: Option<Failure>,
    /// HTTP status of the last response; null without a response.
    #[schema(required = true)]
    http_status: Option<u16>,
    /// Duration of the probe, in milliseconds.
    response_time_ms: f64,
    /// Duration of the phases.
    phases: Phases,
    /// Address of the connection; null when none was attempted.
    #[schema(required = true)]
    address: Option<String>,
    /// Number of redirects that were followed.
    redirects: u32,
    /// Negotiated HTTP version; null without HTTP.
    #[schema(required = true, example = "1.1")]
    http_version: Option<&'static str>,
    /// Negotiated TLS version; null without TLS.
    #[schema(required = true, example = "TLS 1.3")]
    tls_version: Option<String>,
    /// Earliest expiry of the certificates that the target sent, in unix seconds; null without TLS.
    #[schema(required = true)]
    certificate_expires_at: Option<i64>,
    /// Expiry of the target's own certificate, in unix seconds; null without TLS.
    #[schema(required = true)]
    own_certificate_expires_at: Option<i64>,
    /// Earliest expiry of the chain that was verified, in unix seconds; null when none was.
    #[schema(required = true)]
    verified_chain_expires_at: Option<i64>,
    /// Result of the plugin; null unless the target is an external check.
    #[schema(required = true)]
    plugin: Option<Plugin>,
    /// Expiry of the registered domain, in unix seconds; null unless a condition needs it and its
    /// registry publishes it.
    #[schema(required = true)]
    domain_expires_at: Option<i64>,
    /// Certificate chain of the target, leaf first.
    certificates: Vec<Certificate>,
    /// The evaluated expectations and conditions.
    conditions: Vec<ConditionResult>,
}

/// The result of an external check.
#[derive(Debug, Serialize, ToSchema)]
pub struct Plugin {
    /// `OK`, `WARNING`, `CRITICAL` or `UNKNOWN`.
    #[schema(pattern = "^(OK|WARNING|CRITICAL|UNKNOWN)$")]
    state: &'static str,
    /// Exit code of the plugin.
    #[schema(minimum = 0, maximum = 3)]
    exit_code: u16,
    /// First line of its output, without performance data.
    #[schema(example = "TCP OK - 0.001 second response time on 127.0.0.1 port 6379")]
    text: String,
    /// Its performance data, at most 64 values.
    #[schema(max_items = 64)]
    perfdata: Vec<Perfdata>,
}

/// A value of performance data, as the plugin writes it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Perfdata {
    #[schema(example = "time")]
    label: String,
    /// Null when the plugin could not determine it.
    #[schema(required = true, value_type = Option<f64>, example = 0.001)]
    value: Value,
    /// Unit of measurement; empty for a number of things.
    #[schema(example = "s")]
    unit: String,
    /// Range of values without a warning.
    #[schema(required = true, example = "5")]
    warning: Option<String>,
    /// Range of values that are not critical.
    #[schema(required = true, example = "10")]
    critical: Option<String>,
    /// Smallest possible value.
    #[schema(required = true, value_type = Option<f64>)]
    min: Value,
    /// Largest possible value.
    #[schema(required = true, value_type = Option<f64>)]
    max: Value,
}

/// An X.509 certificate. Times are unix seconds.
#[derive(Debug, Serialize, ToSchema)]
pub struct Certificate {
    /// Distinguished name of the subject.
    subject: String,
    /// Distinguished name of the issuer.
    issuer: String,
    /// Start of the validity.
    not_before: i64,
    /// End of the validity.
    not_after: i64,
}

/// An evaluated condition.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Judged)]
pub struct ConditionResult {
    /// The condition; a failed one also shows the actual values.
    #[schema(example = "[STATUS] (500) == 200")]
    condition: String,
    /// Whether the condition is fulfilled.
    success: bool,
}

impl Probe {
    pub fn new(service: &Service, outcome: &domain::Outcome, requests: Requests) -> Self {
        let (details, phases) = (&outcome.details, &outcome.phases);
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let report = outcome.report.as_deref().cloned().unwrap_or_default();
        Self {
            url: service.target.shown(requests),
            started_at_ms: outcome.started_at_ms,
            success: outcome.verdict() == Verdict::Up,
            failure: outcome.failure.as_ref().map(Failure::new),
            http_status: outcome.http_status,
            response_time_ms: ms(outcome.response_time),
            phases: Phases {
                resolve_ms: ms(phases.resolve),
                connect_ms: ms(phases.connect),
                tls_ms: ms(phases.tls),
                processing_ms: ms(phases.processing),
                transfer_ms: ms(phases.transfer),
            },
            address: details.address_text(),
            redirects: details.redirects,
            http_version: details.http_version.map(HttpVersion::as_str),
            tls_version: details.tls_version.map(|version| version.to_string()),
            certificate_expires_at: details.certificate_expires_at,
            own_certificate_expires_at: details.own_certificate_expires_at,
            verified_chain_expires_at: details.verified_chain_expires_at,
            plugin: details.plugin.as_deref().map(Plugin::new),
            domain_expires_at: details.domain_expires_at,
            certificates: report.certificates.into_iter().map(Certificate::new).collect(),
            conditions: report.conditions.into_iter().map(ConditionResult::new).collect(),
        }
    }
}

impl Plugin {
    fn new(result: &domain::PluginResult) -> Self {
        let domain::PluginResult { state, text, perfdata } = result;
        Self {
            state: state.as_str(),
            exit_code: state.exit_code(),
            text: text.clone(),
            perfdata: perfdata.iter().map(Perfdata::new).collect(),
        }
    }
}

impl Perfdata {
    fn new(value: &domain::Perfdata) -> Self {
        let number = |number: &Option<domain::Decimal>| {
            number.as_ref().map_or(Value::Null, domain::Decimal::json)
        };
        Self {
            label: value.label.clone(),
            value: number(&value.value),
            unit: value.unit.clone(),
            warning: value.warning.clone(),
            critical: value.critical.clone(),
            min: number(&value.min),
            max: number(&value.max),
        }
    }
}

impl Certificate {
    fn new(certificate: domain::Certificate) -> Self {
        let domain::Certificate { subject, issuer, not_before, not_after } = certificate;
        Self { subject, issuer, not_before, not_after }
    }
}

impl ConditionResult {
    fn new(result: domain::ConditionResult) -> Self {
        Self { condition: result.text, success: result.fulfilled }
    }
}
