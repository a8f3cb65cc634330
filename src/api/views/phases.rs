//! The phases of a probe.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::PHASES;

/// Durations of the phases of a probe, in milliseconds; their sum is the response time.
#[derive(Debug, Serialize, ToSchema)]
pub struct Phases {
    /// Name resolution.
    pub resolve_ms: f64,
    /// Connection attempts.
    pub connect_ms: f64,
    /// TLS handshakes.
    pub tls_ms: f64,
    /// From the request to the end of the response headers.
    pub processing_ms: f64,
    /// Reading the response body.
    pub transfer_ms: f64,
}

impl Phases {
    /// `us` are microseconds, in the order of the fields.
    pub fn from_micros(us: [f64; PHASES]) -> Self {
        let [resolve_ms, connect_ms, tls_ms, processing_ms, transfer_ms] = us.map(millis);
        Self { resolve_ms, connect_ms, tls_ms, processing_ms, transfer_ms }
    }
}

/// Microseconds as milliseconds, rounded to whole nanoseconds.
pub fn millis(us: f64) -> f64 {
    (us * 1e3).round() / 1e6
}
