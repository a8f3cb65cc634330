//! How long the history is stored.

use std::time::Duration;

/// Ages after which retention deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// `TICK_RETENTION_DAYS`: ticks.
    pub ticks: Duration,
    /// `ROLLUP_RETENTION_DAYS`: roll-ups, events and closed alerts.
    pub rollups: Duration,
    /// `DELIVERY_RETENTION_DAYS`: attempts to deliver notifications.
    pub deliveries: Duration,
}
