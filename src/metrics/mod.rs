//! What the program counts of itself, for `/metrics`.
//!
//! [`Telemetry`] is cheap to clone and safe to touch from every actor. Names follow Prometheus's conventions: base
//! units, `_total` for counters; what is told of a single service is named as blackbox_exporter names it.

mod exposition;
mod process;

use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

pub use exposition::{Format, LastResult, ServiceResult};
use exposition::{ServiceCollector, plain};
use process::ProcessCollector;

use crate::domain::{Missed, Outcome, Reason, Verdict};

/// What became of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is a tick in the store.
    Recorded,
    /// Its service was deleted or paused while the probe ran.
    Orphaned,
    /// It was not kept: the store took no writes and the buffer was full, or it contradicts what is there.
    Dropped,
}

impl Fate {
    /// The label for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Orphaned => "orphaned",
            Self::Dropped => "dropped",
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

/// About what the lines of one service take.
const BYTES_A_SERVICE: usize = 1_200;

/// Every number that the program keeps of itself.
#[derive(Debug, Clone)]
pub struct Telemetry {
    registry: Arc<Registry>,
    probes: Family<ProbeLabels, Counter>,
    missed: Family<ReasonLabel, Counter>,
    outcomes: Family<ResultLabel, Counter>,
    /// Response times of probes that got an answer below 400, in seconds.
    pub response_time: Histogram,
    /// How late probes start, in seconds.
    pub lateness: Histogram,
    /// Services that are probed.
    pub services: Gauge,
    /// Probers there are.
    pub slots: Gauge,
    /// Probers at work.
    pub slots_busy: Gauge,
    /// Probes that wait for a prober.
    pub slots_waiting: Gauge,
    /// Probers that had died and were built anew.
    pub probers_rebuilt: Counter,
    /// Outcomes that wait for their commit.
    pub buffered: Gauge,
    /// 1 while our own network is gone.
    pub cut_off: Gauge,
    /// Outcomes a commit.
    pub commit_size: Histogram,
    /// Seconds a commit.
    pub commit_duration: Histogram,
    /// Commits that failed; their outcomes wait for the next try.
    pub commit_failures: Counter,
    events_not_delivered: Family<SubscriberLabel, Counter>,
    sealed: Counter,
    seal_duration: Histogram,
    storage_bytes: Family<PartLabel, Gauge>,
    storage_rows: Family<TableLabel, Gauge>,
}

impl Telemetry {
    /// All counters at zero, registered under the prefix `service_healthcheck`.
    pub fn new() -> Self {
        let seconds =
            |least: f64, count: u16| Histogram::new(exponential_buckets(least, 2.0, count));
        let mut all = Self {
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
            cut_off: Gauge::default(),
            commit_size: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            commit_duration: seconds(0.001, 12),
            commit_failures: Counter::default(),
            events_not_delivered: Family::default(),
            sealed: Counter::default(),
            seal_duration: seconds(0.001, 15),
            storage_bytes: Family::default(),
            storage_rows: Family::default(),
        };
        all.registry = Arc::new(all.registry());
        all.show_zeros();
        all
    }

    fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ProcessCollector));
        let own = registry.sub_registry_with_prefix("service_healthcheck");
        own.register("probes", "Probes by result and failure reason", self.probes.clone());
        own.register("probes_missed", "Slots that were not probed, by reason", self.missed.clone());
        own.register(
            "response_time_seconds",
            "Response times of successful probes",
            self.response_time.clone(),
        );
        own.register(
            "schedule_lateness_seconds",
            "From a slot's due time to the start of its probe",
            self.lateness.clone(),
        );
        own.register("services", "Services that are probed", self.services.clone());
        own.register("slots", "Probers, and so the most probes at once", self.slots.clone());
        own.register("slots_busy", "Probers at work", self.slots_busy.clone());
        own.register("slots_waiting", "Probes that wait for a prober", self.slots_waiting.clone());
        own.register(
            "probers_rebuilt",
            "Probers that had died and were built anew",
            self.probers_rebuilt.clone(),
        );
        own.register("outcomes", "Outcomes by what became of them", self.outcomes.clone());
        own.register(
            "outcomes_buffered",
            "Outcomes that wait for their commit",
            self.buffered.clone(),
        );
        own.register("cut_off", "Whether our own network is gone", self.cut_off.clone());
        own.register("commit_size", "Outcomes a commit", self.commit_size.clone());
        own.register(
            "commit_duration_seconds",
            "Duration of a commit",
            self.commit_duration.clone(),
        );
        own.register(
            "commit_failures",
            "Commits that failed and are tried again",
            self.commit_failures.clone(),
        );
        own.register(
            "events_not_delivered",
            "Events dropped because the mailbox of a subscriber was full",
            self.events_not_delivered.clone(),
        );
        own.register("ticks_sealed", "Ticks that were sealed into chunks", self.sealed.clone());
        own.register(
            "seal_duration_seconds",
            "How long the store was busy with sealing, each time",
            self.seal_duration.clone(),
        );
        own.register(
            "storage_bytes",
            "What the store takes, by part; counted once a minute",
            self.storage_bytes.clone(),
        );
        own.register(
            "storage_rows",
            "What is in the store; counted once a minute",
            self.storage_rows.clone(),
        );
        registry
    }

    /// A rate over a counter that is not there yet misses its first step, so every label is there from the start.
    fn show_zeros(&self) {
        let _ = self.probe_counter("up", "");
        for reason in Reason::all() {
            let result = if reason.is_local() { "ours" } else { "down" };
            let _ = self.probe_counter(result, reason.as_str());
        }
        for reason in [Missed::Busy, Missed::Late, Missed::Full, Missed::Skipped, Missed::Preempted]
        {
            self.missed(reason, 0);
        }
        for fate in [Fate::Recorded, Fate::Orphaned, Fate::Dropped] {
            self.outcomes(fate, 0);
        }
    }

    fn probe_counter(&self, result: &'static str, reason: &'static str) -> Counter {
        self.probes.get_or_create_owned(&ProbeLabels { result, reason })
    }

    /// Counts a probe by its verdict and reason.
    pub fn probed(&self, outcome: &Outcome) {
        let reason = outcome.failure.as_ref().map_or("", |failure| failure.reason.as_str());
        match outcome.verdict() {
            Verdict::Up => {
                self.response_time.observe(outcome.response_time.as_secs_f64());
                self.probe_counter("up", reason).inc();
            }
            Verdict::Down => _ = self.probe_counter("down", reason).inc(),
            Verdict::Local | Verdict::Unknown => _ = self.probe_counter("ours", reason).inc(),
        }
    }

    /// Counts `slots` that were not probed.
    pub fn missed(&self, reason: Missed, slots: u64) {
        self.missed.get_or_create_owned(&ReasonLabel { reason: reason.as_str() }).inc_by(slots);
    }

    /// Counts what became of `count` outcomes.
    pub fn outcomes(&self, fate: Fate, count: usize) {
        self.outcomes
            .get_or_create_owned(&ResultLabel { result: fate.as_str() })
            .inc_by(count as u64);
    }

    /// Counts events that were not delivered to a subscriber.
    pub fn events_not_delivered(&self, subscriber: &'static str, count: usize) {
        let label = SubscriberLabel { subscriber };
        self.events_not_delivered.get_or_create_owned(&label).inc_by(count as u64);
    }

    /// Counts `ticks` that one transaction has sealed, for which the store was busy for so many seconds.
    pub fn sealed(&self, ticks: u64, seconds: f64) {
        self.sealed.inc_by(ticks);
        self.seal_duration.observe(seconds);
    }

    /// Notes what a part of the store takes.
    pub fn storage_bytes(&self, part: &'static str, bytes: u64) {
        self.storage_bytes.get_or_create_owned(&PartLabel { part }).set(bytes.cast_signed());
    }

    /// Notes how many rows of a kind there are.
    pub fn storage_rows(&self, table: &'static str, rows: u64) {
        self.storage_rows.get_or_create_owned(&TableLabel { table }).set(rows.cast_signed());
    }

    /// The exposition in `format`: everything above, then the last result of each service of `results`.
    pub fn expose(
        &self,
        results: Vec<ServiceResult>,
        format: Format,
    ) -> Result<String, std::fmt::Error> {
        let mut text = String::with_capacity(8_192 + results.len() * BYTES_A_SERVICE);
        let mut services = Registry::default();
        services.register_collector(Box::new(ServiceCollector(results)));
        text::encode_registry(&mut text, &self.registry)?;
        text::encode_registry(&mut text, &services)?;
        match format {
            Format::OpenMetrics => text::encode_eof(&mut text)?,
            Format::Plain => text = plain(&text),
        }
        Ok(text)
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
    fn an_exposition_has_every_reason_from_the_start() {
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
