//! Counters, gauges and histograms of the program.

use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::domain::{Missed, Outcome, Reason, Verdict};
use crate::metrics::alerting::AlertMetrics;
use crate::metrics::format::{Format, PlainText};
use crate::metrics::kept_result::ServiceResult;
use crate::metrics::process::ProcessCollector;
use crate::metrics::queries::QueryMetrics;
use crate::metrics::remote_write::RemoteWriteMetrics;
use crate::metrics::service_collector::ServiceCollector;

/// Value of the label `result` for probes that neither succeeded nor failed because of the target:
/// local faults and outages of the local network.
const LOCAL: &str = "local";

/// What the recorder did with an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordResult {
    /// Committed as a tick.
    Recorded,
    /// Discarded: the service was deleted or paused during the probe.
    Orphaned,
    /// Discarded: the probe began before its service was changed.
    Outdated,
    /// Lost: the store was unavailable and the buffer full, or the outcome contradicts the store.
    Dropped,
    /// Discarded: another instance owns the service.
    Fenced,
}

impl RecordResult {
    const ALL: [Self; 5] =
        [Self::Recorded, Self::Orphaned, Self::Outdated, Self::Dropped, Self::Fenced];

    /// Value of the label `result`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Orphaned => "orphaned",
            Self::Outdated => "outdated",
            Self::Dropped => "dropped",
            Self::Fenced => "fenced",
        }
    }
}

/// Why the API refused a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthFailure {
    Missing,
    Unknown,
    Expired,
    Revoked,
    /// A right token without the scope, or limited to groups.
    Scope,
}

impl AuthFailure {
    const ALL: [Self; 5] =
        [Self::Missing, Self::Unknown, Self::Expired, Self::Revoked, Self::Scope];

    /// Value of the label `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Scope => "scope",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProbeLabels {
    result: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookupLabels {
    protocol: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SubscriberLabel {
    subscriber: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartLabel {
    part: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableLabel {
    table: &'static str,
}

type NoLabels = [(&'static str, &'static str); 0];

/// Approximate size of the metrics of one service, in bytes.
const BYTES_PER_SERVICE: usize = 1_200;

/// All metrics of the program; clones share their values.
#[derive(Debug, Clone)]
pub struct Telemetry {
    registry: Arc<Registry>,
    probes: Family<ProbeLabels, Counter>,
    missed: Family<ReasonLabel, Counter>,
    outcomes: Family<ResultLabel, Counter>,
    /// Response times of successful probes, in seconds.
    pub response_time: Histogram,
    /// Delay from the due time of a slot to the start of its probe, in seconds.
    pub lateness: Histogram,
    /// Enabled services.
    pub services: Gauge,
    /// All probers.
    pub slots: Gauge,
    /// Probers with a running probe.
    pub slots_busy: Gauge,
    /// Length of the probe queue.
    pub slots_waiting: Gauge,
    /// Probers that were rebuilt after they died.
    pub probers_rebuilt: Counter,
    /// Outcomes that are not committed yet.
    pub buffered: Gauge,
    unobserved: Family<ReasonLabel, Gauge>,
    /// 1 while the local network is unreachable, else 0.
    pub cut_off: Gauge,
    /// Unix milliseconds since when it has been so; shown on pages, and no metric.
    pub cut_off_since_ms: Gauge,
    resolver_checks: Family<ResultLabel, Counter>,
    /// 1 while no name server of the system works, else 0.
    pub resolver_failing: Gauge,
    domain_lookups: Family<LookupLabels, Counter>,
    /// Outcomes per commit.
    pub commit_size: Histogram,
    /// Duration of a commit, in seconds.
    pub commit_duration: Histogram,
    /// Failed commits; each is retried.
    pub commit_failures: Counter,
    events_not_delivered: Family<SubscriberLabel, Counter>,
    auth_failures: Family<ReasonLabel, Counter>,
    /// Absent without TLS.
    api_certificate_expiry: Family<NoLabels, Gauge>,
    sealed: Counter,
    seal_duration: Histogram,
    storage_bytes: Family<PartLabel, Gauge>,
    storage_rows: Family<TableLabel, Gauge>,
    /// Shards of this instance.
    pub shards_owned: Gauge,
    pub takeovers: Counter,
    /// Living instances on the store.
    pub instances: Gauge,
    /// Open streams of changes.
    pub streams: Gauge,
    /// Streams that were not opened, since too many were open.
    pub streams_refused: Counter,
    /// Streams that ended since their client took nothing.
    pub streams_cut: Counter,
    pub alerting: AlertMetrics,
    pub queries: QueryMetrics,
    pub remote_write: RemoteWriteMetrics,
}

impl Telemetry {
    /// Registers all metrics under the prefix `service_healthcheck`.
    pub fn new() -> Self {
        let seconds =
            |least: f64, count: u16| Histogram::new(exponential_buckets(least, 2.0, count));
        let mut telemetry = Self {
            registry: Arc::default(),
            probes: Family::default(),
            missed: Family::default(),
            outcomes: Family::default(),
            response_time: seconds(0.001, 15),
            lateness: seconds(0.001, 15),
            services: Gauge::default(),
            slots: Gauge::default(),
            slots_busy: Gauge::default(),
            slots_waiting: Gauge::default(),
            probers_rebuilt: Counter::default(),
            buffered: Gauge::default(),
            unobserved: Family::default(),
            cut_off: Gauge::default(),
            cut_off_since_ms: Gauge::default(),
            resolver_checks: Family::default(),
            resolver_failing: Gauge::default(),
            domain_lookups: Family::default(),
            commit_size: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            commit_duration: seconds(0.001, 12),
            commit_failures: Counter::default(),
            events_not_delivered: Family::default(),
            auth_failures: Family::default(),
            api_certificate_expiry: Family::default(),
            sealed: Counter::default(),
            seal_duration: seconds(0.001, 15),
            storage_bytes: Family::default(),
            storage_rows: Family::default(),
            shards_owned: Gauge::default(),
            takeovers: Counter::default(),
            instances: Gauge::default(),
            streams: Gauge::default(),
            streams_refused: Counter::default(),
            streams_cut: Counter::default(),
            alerting: AlertMetrics::default(),
            queries: QueryMetrics::default(),
            remote_write: RemoteWriteMetrics::default(),
        };
        telemetry.registry = Arc::new(telemetry.registry());
        telemetry.init_labels();
        telemetry
    }

    fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ProcessCollector));
        let own = registry.sub_registry_with_prefix("service_healthcheck");
        own.register("probes", "Probes by result and failure reason", self.probes.clone());
        own.register("probes_missed", "Missed slots by reason", self.missed.clone());
        own.register(
            "response_time_seconds",
            "Response times of successful probes",
            self.response_time.clone(),
        );
        own.register(
            "schedule_lateness_seconds",
            "Delay from the due time of a slot to the start of its probe",
            self.lateness.clone(),
        );
        own.register("services", "Enabled services", self.services.clone());
        own.register("slots", "Probers; at most this many probes run at once", self.slots.clone());
        own.register("slots_busy", "Probers with a running probe", self.slots_busy.clone());
        own.register("slots_waiting", "Probes in the queue", self.slots_waiting.clone());
        own.register(
            "probers_rebuilt",
            "Probers that were rebuilt after they died",
            self.probers_rebuilt.clone(),
        );
        own.register(
            "outcomes",
            "Outcomes by result: recorded, orphaned, outdated, dropped or fenced",
            self.outcomes.clone(),
        );
        own.register(
            "outcomes_buffered",
            "Outcomes that are not committed yet",
            self.buffered.clone(),
        );
        own.register(
            "services_unobserved",
            "Services that cannot be probed or recorded, by reason; their state is unknown",
            self.unobserved.clone(),
        );
        own.register("cut_off", "Whether the local network is unreachable", self.cut_off.clone());
        own.register(
            "resolver_checks",
            "Checks of the system's name servers after a failed look-up",
            self.resolver_checks.clone(),
        );
        own.register(
            "resolver_failing",
            "Whether no name server of the system works",
            self.resolver_failing.clone(),
        );
        own.register(
            "domain_lookups",
            "Look-ups of the expiry of domains",
            self.domain_lookups.clone(),
        );
        own.register("commit_size", "Outcomes per commit", self.commit_size.clone());
        own.register(
            "commit_duration_seconds",
            "Duration of a commit",
            self.commit_duration.clone(),
        );
        own.register(
            "commit_failures",
            "Failed commits, which are retried",
            self.commit_failures.clone(),
        );
        own.register(
            "events_not_delivered",
            "Events dropped because the mailbox of a subscriber was full",
            self.events_not_delivered.clone(),
        );
        own.register(
            "auth_failures",
            "Requests with a missing or wrong token, by reason",
            self.auth_failures.clone(),
        );
        own.register(
            "shards_owned",
            "Of 1,024 shards, those whose services this instance probes",
            self.shards_owned.clone(),
        );
        own.register(
            "takeovers",
            "Times that this instance has taken shards over",
            self.takeovers.clone(),
        );
        own.register("instances", "Living instances on the same store", self.instances.clone());
        own.register("streams", "Open streams of changes", self.streams.clone());
        own.register(
            "streams_refused",
            "Streams that were not opened because too many were open",
            self.streams_refused.clone(),
        );
        own.register(
            "streams_cut",
            "Streams that ended because their client took nothing",
            self.streams_cut.clone(),
        );
        own.register("ticks_sealed", "Ticks that were sealed into chunks", self.sealed.clone());
        own.register(
            "seal_duration_seconds",
            "Duration of a seal transaction",
            self.seal_duration.clone(),
        );
        own.register(
            "storage_bytes",
            "Size of the store by part; updated once a minute",
            self.storage_bytes.clone(),
        );
        own.register(
            "storage_rows",
            "Rows in the store by table; updated once a minute",
            self.storage_rows.clone(),
        );
        own.register(
            "api_certificate_expiry_seconds",
            "End of the certificate of the API, in unix seconds; absent without TLS",
            self.api_certificate_expiry.clone(),
        );
        self.alerting.register(own);
        self.queries.register(own);
        self.remote_write.register(own);
        registry
    }

    /// The certificate of the API ends at `at`, in unix seconds.
    pub fn api_certificate_expires_at(&self, at: i64) {
        self.api_certificate_expiry.get_or_create_owned(&[]).set(at);
    }

    /// Creates the counters of every label value. A counter that appears only with its first
    /// increment hides that increment from `rate()`.
    fn init_labels(&self) {
        let _ = self.probe_counter("up", "");
        for failure in AuthFailure::ALL {
            let label = ReasonLabel { reason: failure.as_str() };
            let _ = self.auth_failures.get_or_create_owned(&label);
        }
        for reason in Reason::all() {
            if reason.is_local() {
                self.unobserved(reason, 0);
            }
            if !reason.is_absence() {
                let result = if reason.is_local() { LOCAL } else { "down" };
                let _ = self.probe_counter(result, reason.as_str());
            }
        }
        for reason in Missed::ALL {
            self.missed(reason, 0);
        }
        for result in RecordResult::ALL {
            self.outcomes(result, 0);
        }
        self.resolver_checks(0, 0);
        self.domain_lookups("rdap", 0, 0);
        self.domain_lookups("whois", 0, 0);
    }

    fn probe_counter(&self, result: &'static str, reason: &'static str) -> Counter {
        self.probes.get_or_create_owned(&ProbeLabels { result, reason })
    }

    /// Counts a probe by verdict and failure reason.
    pub fn probed(&self, outcome: &Outcome) {
        let reason = outcome.failure.as_ref().map_or("", |failure| failure.reason.as_str());
        match outcome.verdict() {
            Verdict::Up => {
                self.response_time.observe(outcome.response_time.as_secs_f64());
                self.probe_counter("up", reason).inc();
            }
            Verdict::Down => _ = self.probe_counter("down", reason).inc(),
            Verdict::Local | Verdict::Unknown => _ = self.probe_counter(LOCAL, reason).inc(),
        }
    }

    /// Sets the number of services that cannot be probed.
    pub fn unobserved(&self, reason: Reason, services: usize) {
        let label = ReasonLabel { reason: reason.as_str() };
        self.unobserved.get_or_create_owned(&label).set(services as i64);
    }

    /// Counts missed slots.
    pub fn missed(&self, reason: Missed, slots: u64) {
        self.missed.get_or_create_owned(&ReasonLabel { reason: reason.as_str() }).inc_by(slots);
    }

    /// Counts `count` outcomes by result.
    pub fn outcomes(&self, result: RecordResult, count: usize) {
        self.outcomes
            .get_or_create_owned(&ResultLabel { result: result.as_str() })
            .inc_by(count as u64);
    }

    /// Counts a request with a missing or wrong token.
    pub fn auth_failure(&self, failure: AuthFailure) {
        self.auth_failures.get_or_create_owned(&ReasonLabel { reason: failure.as_str() }).inc();
    }

    /// Counts checks of the system's name servers.
    pub fn resolver_checks(&self, answered: u64, failed: u64) {
        for (result, count) in [("answered", answered), ("failed", failed)] {
            self.resolver_checks.get_or_create_owned(&ResultLabel { result }).inc_by(count);
        }
    }

    /// Counts look-ups of domains by `protocol`, `rdap` or `whois`.
    pub fn domain_lookups(&self, protocol: &'static str, answered: u64, failed: u64) {
        for (result, count) in [("answered", answered), ("failed", failed)] {
            let labels = LookupLabels { protocol, result };
            self.domain_lookups.get_or_create_owned(&labels).inc_by(count);
        }
    }

    /// Counts events that were not delivered to a subscriber.
    pub fn events_not_delivered(&self, subscriber: &'static str, count: usize) {
        let label = SubscriberLabel { subscriber };
        self.events_not_delivered.get_or_create_owned(&label).inc_by(count as u64);
    }

    /// Counts the ticks that one transaction sealed in `seconds`.
    pub fn sealed(&self, ticks: u64, seconds: f64) {
        self.sealed.inc_by(ticks);
        self.seal_duration.observe(seconds);
    }

    /// Sets the size of a part of the store, in bytes.
    pub fn storage_bytes(&self, part: &'static str, bytes: u64) {
        self.storage_bytes.get_or_create_owned(&PartLabel { part }).set(bytes.cast_signed());
    }

    /// Sets the number of rows of a table.
    pub fn storage_rows(&self, table: &'static str, rows: u64) {
        self.storage_rows.get_or_create_owned(&TableLabel { table }).set(rows.cast_signed());
    }

    /// All metrics in `format`: those of the program, then those of each service in `results`.
    pub fn expose(
        &self,
        results: Vec<ServiceResult>,
        format: Format,
    ) -> Result<String, std::fmt::Error> {
        encode(Some(&*self.registry), results, format)
    }

    /// The metrics of each service in `results`, without those of the program.
    pub fn expose_services(
        results: Vec<ServiceResult>,
        format: Format,
    ) -> Result<String, std::fmt::Error> {
        encode(None, results, format)
    }
}

fn encode(
    program: Option<&Registry>,
    results: Vec<ServiceResult>,
    format: Format,
) -> Result<String, std::fmt::Error> {
    let capacity = 8_192 + results.len() * BYTES_PER_SERVICE;
    let mut services = Registry::default();
    services.register_collector(Box::new(ServiceCollector(results)));
    let mut registries = program.into_iter().chain([&services]);
    match format {
        Format::OpenMetrics => {
            let mut text = String::with_capacity(capacity);
            registries.try_for_each(|registry| text::encode_registry(&mut text, registry))?;
            text::encode_eof(&mut text)?;
            Ok(text)
        }
        Format::Plain => {
            let mut text = PlainText::with_capacity(capacity);
            registries.try_for_each(|registry| text::encode_registry(&mut text, registry))?;
            Ok(text.into_text())
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_value_is_exposed_from_the_start() {
        let text = Telemetry::new().expose(Vec::new(), Format::OpenMetrics).unwrap();
        for reason in Reason::all() {
            assert!(text.contains(&format!("reason=\"{}\"", reason.as_str())), "{text}");
        }
        assert!(text.contains("service_healthcheck_probes_total{result=\"up\",reason=\"\"} 0"));
        assert!(text.contains("process_resident_memory_bytes "));
        assert!(text.contains("# TYPE service_healthcheck_probes counter\n"));
        assert!(text.ends_with("# EOF\n"));
        let plain = Telemetry::new().expose(Vec::new(), Format::Plain).unwrap();
        assert!(plain.contains("# TYPE service_healthcheck_probes_total counter\n"), "{plain}");
        assert!(
            plain.contains("# TYPE service_healthcheck_slots gauge\n") && !plain.contains("EOF")
        );
    }
}
