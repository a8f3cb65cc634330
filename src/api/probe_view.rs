//! The JSON shape of one probe, for the API and the command line.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::views::Failure;
use crate::domain;
use crate::domain::service::options::HttpVersion;
use crate::domain::{Service, Verdict};

/// What one probe saw.
#[derive(Debug, Serialize, ToSchema)]
pub struct Probe {
    /// What was asked.
    #[schema(example = "https://pay.example.org/health")]
    url: String,
    /// Unix milliseconds.
    started_at_ms: i64,
    /// Whether the probe says up.
    success: bool,
    /// Why it does not; null when it does.
    #[schema(required = true)]
    failure: Option<Failure>,
    /// The status of the last answer; null when there was none.
    #[schema(required = true)]
    http_status: Option<u16>,
    /// How long it took, in milliseconds.
    response_time_ms: f64,
    /// Where the time went.
    phases: Phases,
    /// The address that was dialled; null when none was.
    #[schema(required = true)]
    address: Option<String>,
    /// Redirects that were followed.
    redirects: u32,
    /// The version of HTTP that was spoken.
    #[schema(required = true, example = "1.1")]
    http_version: Option<&'static str>,
    /// The version of TLS that was spoken.
    #[schema(required = true, example = "TLS 1.3")]
    tls_version: Option<String>,
    /// When the first certificate of the chain expires, in unix seconds.
    #[schema(required = true)]
    certificate_expires_at: Option<i64>,
    /// The chain that the target has shown, its own certificate first.
    certificates: Vec<Certificate>,
    /// Each condition as it was judged.
    conditions: Vec<ConditionResult>,
}

/// Where the time of a probe went, in milliseconds; they add up to its response time.
#[derive(Debug, Serialize, ToSchema)]
pub struct Phases {
    /// Looking up names.
    pub resolve_ms: f64,
    /// Making connections.
    pub connect_ms: f64,
    /// TLS handshakes.
    pub tls_ms: f64,
    /// From the request to the head of the answer.
    pub processing_ms: f64,
    /// Reading the body.
    pub transfer_ms: f64,
}

/// A certificate. Times are unix seconds.
#[derive(Debug, Serialize, ToSchema)]
pub struct Certificate {
    /// Whose it is.
    subject: String,
    /// Who says so.
    issuer: String,
    /// When it began to be valid.
    not_before: i64,
    /// When it expires.
    not_after: i64,
}

/// A condition that was judged.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConditionResult {
    /// The condition, with the values it met where it is not fulfilled.
    #[schema(example = "[STATUS] (500) == 200")]
    condition: String,
    /// Whether it is fulfilled.
    success: bool,
}

impl Probe {
    /// What `outcome` says of `service`.
    pub fn new(service: &Service, outcome: &domain::Outcome) -> Self {
        let (details, phases) = (&outcome.details, &outcome.phases);
        let ms = |spent: std::time::Duration| spent.as_secs_f64() * 1e3;
        let report = outcome.report.as_deref().cloned().unwrap_or_default();
        Self {
            url: service.target.shown(),
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
            certificates: report.certificates.into_iter().map(Certificate::new).collect(),
            conditions: report.conditions.into_iter().map(ConditionResult::new).collect(),
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
    fn new(judged: domain::ConditionResult) -> Self {
        Self { condition: judged.text, success: judged.fulfilled }
    }
}
