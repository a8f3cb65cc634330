//! How many consecutive results begin an event.

use std::time::Duration;

use crate::domain::service::interval::Interval;

/// How many consecutive results begin an event, and how soon a failure is confirmed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Consecutive failures that begin a downtime.
    pub failure: u32,
    /// Consecutive successes that end a downtime.
    pub success: u32,
    /// Time between confirmation probes.
    pub confirm_interval: Option<Interval>,
}

impl Thresholds {
    const DEFAULT_CONFIRM_INTERVAL: Duration = Duration::from_secs(1);

    /// Time between confirmation probes; one second by default.
    pub fn confirm_after(&self) -> Duration {
        self.confirm_interval.map_or(Self::DEFAULT_CONFIRM_INTERVAL, Interval::get)
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { failure: 1, success: 1, confirm_interval: None }
    }
}
