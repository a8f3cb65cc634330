//! The last probe result of each service.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::service::options::{HttpVersion, TlsVersion};
use crate::domain::{Outcome, PluginResult, Verdict};

/// The last probe result of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastResult {
    pub(super) at_ms: i64,
    pub(super) success: bool,
    /// `None` without TLS.
    pub(super) tls_version: Option<TlsVersion>,
    pub(super) is_ipv6: Option<bool>,
    /// 0 without a response.
    pub(super) http_status: u16,
    pub(super) redirects: u16,
    pub(super) http_version: Option<HttpVersion>,
    /// A job may report a duration of days.
    pub(super) duration_us: u64,
    /// In the order of [`Phases::named`](crate::domain::Phases::named).
    pub(super) phases_us: [u32; 5],
    pub(super) plugin: Option<Arc<PluginResult>>,
    pub(super) expiries: Expiries,
}

/// What of a target expires, in unix seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expiries {
    /// Earliest of the certificates that the target sent.
    pub certificate_at: Option<i64>,
    /// Earliest of the chain that was verified.
    pub verified_chain_at: Option<i64>,
    /// Of the registered domain.
    pub domain_at: Option<i64>,
}

impl LastResult {
    /// Start of the probe, in unix milliseconds.
    pub fn at_ms(&self) -> i64 {
        self.at_ms
    }

    pub fn expiries(&self) -> Expiries {
        self.expiries
    }

    pub fn new(outcome: &Outcome) -> Self {
        // The longest timeout, an hour, fits into 32 bits.
        let micros = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        let details = &outcome.details;
        let expiries = Expiries {
            certificate_at: details.certificate_expires_at,
            verified_chain_at: details.verified_chain_expires_at,
            domain_at: details.domain_expires_at,
        };
        Self {
            at_ms: outcome.started_at_ms,
            success: outcome.verdict() == Verdict::Up,
            tls_version: details.tls_version,
            is_ipv6: details.address.map(|address| address.is_ipv6()),
            http_status: outcome.http_status.unwrap_or(0),
            redirects: u16::try_from(details.redirects).unwrap_or(u16::MAX),
            http_version: details.http_version,
            duration_us: u64::try_from(outcome.response_time.as_micros()).unwrap_or(u64::MAX),
            phases_us: outcome.phases.named().map(|(_, duration)| micros(duration)),
            plugin: details.plugin.clone(),
            expiries,
        }
    }

    /// Label, unit and value of the performance data that has a value.
    pub(super) fn perfdata(&self) -> impl Iterator<Item = (&str, &str, f64)> {
        let values = self.plugin.iter().flat_map(|plugin| &plugin.perfdata);
        values.filter_map(|it| Some((&*it.label, &*it.unit, it.value.as_ref()?.value())))
    }
}
