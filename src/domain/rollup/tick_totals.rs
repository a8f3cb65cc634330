//! What all ticks of a service add up to.

use std::time::Duration;

/// Totals over all ticks of a service. Each tick changes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TickTotals {
    /// Ticks that are up or down.
    pub tick_count: u64,
    pub up_count: u64,
    pub unknown_count: u64,
    /// Of the ticks that are up or down.
    pub response_time_sum: Duration,
}

impl TickTotals {
    /// Number of ticks so far, and so of the newest one.
    pub fn recorded(&self) -> u64 {
        self.tick_count + self.unknown_count
    }

    pub fn down_count(&self) -> u64 {
        self.tick_count - self.up_count
    }

    /// The exact mean in milliseconds; 0 without ticks.
    pub fn average_response_time_ms(&self) -> f64 {
        if self.tick_count == 0 {
            return 0.0;
        }
        self.response_time_sum.as_nanos() as f64 / 1e6 / self.tick_count as f64
    }

    /// 100 × up count / tick count; 0 without ticks.
    pub fn uptime_percent(&self) -> f64 {
        if self.tick_count == 0 {
            return 0.0;
        }
        100.0 * self.up_count as f64 / self.tick_count as f64
    }
}
