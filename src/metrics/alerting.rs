//! Counters and gauges of alerting.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::domain::alert::{AlertKind, AlertState, DeliveryOutcome, Suppression};

/// States of an open alert.
const OPEN: [AlertState; 3] = [AlertState::Pending, AlertState::Firing, AlertState::Acknowledged];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlertLabels {
    kind: &'static str,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabel {
    by: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    channel: String,
    outcome: &'static str,
}

/// Metrics of alerting; clones share their values.
#[derive(Debug, Clone)]
pub struct AlertMetrics {
    alerts: Family<AlertLabels, Gauge>,
    suppressed: Family<CauseLabel, Gauge>,
    due: Gauge,
    oldest: Gauge<f64, AtomicU64>,
    dead: Gauge,
    deliveries: Family<DeliveryLabels, Counter>,
    delivery_duration: Histogram,
    /// Channels with counters.
    channels: Arc<Mutex<BTreeSet<String>>>,
}

/// What waits to be delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outbox {
    /// Notifications whose newest revision is not delivered.
    pub due: usize,
    /// Age of the oldest of these revisions.
    pub oldest: Duration,
    /// Notifications that were given up.
    pub dead: usize,
}

impl Default for AlertMetrics {
    fn default() -> Self {
        let metrics = Self {
            alerts: Family::default(),
            suppressed: Family::default(),
            due: Gauge::default(),
            oldest: Gauge::default(),
            dead: Gauge::default(),
            deliveries: Family::default(),
            delivery_duration: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            channels: Arc::default(),
        };
        metrics.alerts([]);
        metrics.suppressed([]);
        metrics
    }
}

impl AlertMetrics {
    /// Adds the metrics to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("alerts", "Open alerts by kind and state", self.alerts.clone());
        registry.register(
            "alerts_suppressed",
            "Open alerts whose begin is not delivered, by cause",
            self.suppressed.clone(),
        );
        registry.register(
            "notifications_due",
            "Notifications whose newest revision is not delivered",
            self.due.clone(),
        );
        registry.register(
            "notification_oldest_seconds",
            "Age of the oldest revision that is not delivered",
            self.oldest.clone(),
        );
        registry.register(
            "dead_letters",
            "Notifications that were given up; a retry or a change of the channel revives them",
            self.dead.clone(),
        );
        registry.register(
            "deliveries",
            "Attempts to deliver by channel and outcome",
            self.deliveries.clone(),
        );
        registry.register(
            "delivery_duration_seconds",
            "Duration of an attempt to deliver",
            self.delivery_duration.clone(),
        );
    }

    /// Sets the number of open alerts; kinds and states that are left out have none.
    pub fn alerts(&self, counts: impl IntoIterator<Item = ((AlertKind, AlertState), usize)>) {
        let gauge = |kind: AlertKind, state: AlertState| {
            let labels = AlertLabels { kind: kind.as_str(), state: state.as_str() };
            self.alerts.get_or_create_owned(&labels)
        };
        for kind in AlertKind::ALL {
            OPEN.iter().for_each(|state| _ = gauge(kind, *state).set(0));
        }
        for ((kind, state), count) in counts {
            gauge(kind, state).set(count as i64);
        }
    }

    /// Sets the number of open alerts that are suppressed; causes that are left out have none.
    pub fn suppressed(&self, counts: impl IntoIterator<Item = (Suppression, usize)>) {
        let gauge = |cause: Suppression| {
            self.suppressed.get_or_create_owned(&CauseLabel { by: cause.as_str() })
        };
        Suppression::ALL.iter().for_each(|cause| _ = gauge(*cause).set(0));
        for (cause, count) in counts {
            gauge(cause).set(count as i64);
        }
    }

    pub fn outbox(&self, outbox: Outbox) {
        self.due.set(outbox.due as i64);
        self.oldest.set(outbox.oldest.as_secs_f64());
        self.dead.set(outbox.dead as i64);
    }

    /// Creates the counters of each of these channels, and removes those of all others.
    pub fn channels(&self, names: impl IntoIterator<Item = String>) {
        let names: BTreeSet<String> = names.into_iter().collect();
        let mut known = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        for name in known.difference(&names) {
            for outcome in DeliveryOutcome::ALL {
                self.deliveries.remove(&delivery_labels(name, outcome));
            }
        }
        for name in names.difference(&known) {
            for outcome in DeliveryOutcome::ALL {
                let _ = self.deliveries.get_or_create_owned(&delivery_labels(name, outcome));
            }
        }
        *known = names;
    }

    /// Counts an attempt. A channel that is not known has no counter.
    pub fn attempted(&self, channel: &str, outcome: DeliveryOutcome, took: Duration) {
        self.delivery_duration.observe(took.as_secs_f64());
        let known = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(channel) {
            self.deliveries.get_or_create_owned(&delivery_labels(channel, outcome)).inc();
        }
    }
}

fn delivery_labels(channel: &str, outcome: DeliveryOutcome) -> DeliveryLabels {
    DeliveryLabels { channel: channel.to_owned(), outcome: outcome.as_str() }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn exposed(metrics: &AlertMetrics) -> String {
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn every_kind_state_and_cause_exists_from_the_start() {
        let text = exposed(&AlertMetrics::default());
        for kind in AlertKind::ALL {
            let line = format!("alerts{{kind=\"{}\",state=\"firing\"}} 0\n", kind.as_str());
            assert!(text.contains(&line), "{line} in {text}");
        }
        for cause in Suppression::ALL {
            let line = format!("alerts_suppressed{{by=\"{}\"}} 0\n", cause.as_str());
            assert!(text.contains(&line), "{line} in {text}");
        }
    }

    #[test]
    fn what_is_left_out_has_none() {
        let metrics = AlertMetrics::default();
        metrics.alerts([((AlertKind::Down, AlertState::Firing), 3)]);
        metrics.suppressed([(Suppression::Silence, 2)]);
        metrics.outbox(Outbox { due: 4, oldest: Duration::from_millis(1_500), dead: 1 });
        let text = exposed(&metrics);
        for line in [
            "alerts{kind=\"down\",state=\"firing\"} 3\n",
            "alerts_suppressed{by=\"silence\"} 2\n",
            "notifications_due 4\n",
            "notification_oldest_seconds 1.5\n",
            "dead_letters 1\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        metrics.alerts([]);
        metrics.suppressed([]);
        let text = exposed(&metrics);
        assert!(text.contains("alerts{kind=\"down\",state=\"firing\"} 0\n"), "{text}");
        assert!(text.contains("alerts_suppressed{by=\"silence\"} 0\n"), "{text}");
    }

    #[test]
    fn the_counters_of_a_channel_live_as_long_as_the_channel() {
        let metrics = AlertMetrics::default();
        metrics.channels(["slack".to_owned(), "ntfy".to_owned()]);
        let took = Duration::from_millis(20);
        metrics.attempted("slack", DeliveryOutcome::Delivered, took);
        metrics.attempted("unknown", DeliveryOutcome::Delivered, took);
        let text = exposed(&metrics);
        let delivered = "deliveries_total{channel=\"slack\",outcome=\"delivered\"} 1\n";
        assert!(text.contains(delivered), "{text}");
        assert!(text.contains("deliveries_total{channel=\"ntfy\",outcome=\"dead\"} 0\n"), "{text}");
        assert!(text.contains("delivery_duration_seconds_count 2\n"), "{text}");
        assert!(!text.contains("unknown"), "{text}");
        metrics.channels(["slack".to_owned()]);
        let text = exposed(&metrics);
        assert!(text.contains(delivered) && !text.contains("ntfy"), "{text}");
    }
}
