//! Counts alerts and notifications, for `/metrics`, pages and streams.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Dispatcher;
use crate::clock::unix_ms;
use crate::domain::alert::engine::Backlog;
use crate::domain::alert::open_counts::OpenAlertCounts;
use crate::metrics::Outbox;

/// Interval between two counts for `/metrics`.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// The same for the number of open alerts on pages, when they may have changed.
const OPEN_COUNT_EVERY: Duration = Duration::from_millis(500);

impl Dispatcher {
    /// Counts the open alerts for pages and streams.
    pub(super) fn count_open(&mut self, now: Instant) {
        let (has_changed, counted_at) = self.open_alerts;
        let Some(loaded) = &self.loaded else { return };
        if !has_changed || is_recent(counted_at, now, OPEN_COUNT_EVERY) {
            return;
        }
        self.open_alerts = (false, Some(now));
        let alerts = loaded.engine.open_alerts();
        let alerts =
            alerts.map(|alert| (alert.service_id.is_some(), alert.subject.group.as_deref()));
        self.links.open_alerts.set(OpenAlertCounts::of(alerts));
    }

    /// Counts alerts and notifications for `/metrics`.
    pub(super) fn count(&mut self, now: Instant) {
        let Some(loaded) = &self.loaded else { return };
        if is_recent(self.counted_at, now, COUNT_EVERY) {
            return;
        }
        self.counted_at = Some(now);
        let metrics = &self.telemetry.alerting;
        let (mut states, mut suppressed) = (HashMap::new(), HashMap::new());
        for alert in loaded.engine.open_alerts() {
            *states.entry((alert.kind, alert.state)).or_insert(0) += 1;
            if let Some(cause) = alert.suppressed_by {
                *suppressed.entry(cause).or_insert(0) += 1;
            }
        }
        metrics.alerts(states);
        metrics.suppressed(suppressed);
        let Backlog { due, oldest, dead } = loaded.engine.backlog(unix_ms());
        metrics.outbox(Outbox { due, oldest, dead });
    }
}

fn is_recent(at: Option<Instant>, now: Instant, interval: Duration) -> bool {
    at.is_some_and(|at| now.saturating_duration_since(at) < interval)
}
