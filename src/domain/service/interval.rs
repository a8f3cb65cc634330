//! Interval and timeout of a service.

use std::time::Duration;

use crate::domain::invalid::Invalid;

/// Shortest (contract, "Service") and longest (30 days) interval, in seconds.
pub const INTERVAL_RANGE_SECONDS: (f64, f64) = (0.1, 2_592_000.0);
/// Shortest (one tick of the timer) and longest (one hour) timeout, in seconds.
pub const TIMEOUT_RANGE_SECONDS: (f64, f64) = (0.001, 3_600.0);

/// Time from one slot of a service to the next, 0.1 s to 30 days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval(Duration);

impl Interval {
    const EXPECTED: &'static str = "0.1 to 2592000 seconds";

    pub fn from_seconds(seconds: f64) -> Result<Self, Invalid> {
        seconds_within(seconds, INTERVAL_RANGE_SECONDS, Self::EXPECTED).map(Self)
    }

    pub fn get(self) -> Duration {
        self.0
    }

    pub fn as_seconds(self) -> f64 {
        self.0.as_secs_f64()
    }
}

/// Deadline of one probe, redirects and body included, 0.001 s to 1 hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timeout(Duration);

impl Timeout {
    const EXPECTED: &'static str = "0.001 to 3600 seconds";

    pub fn from_seconds(seconds: f64) -> Result<Self, Invalid> {
        seconds_within(seconds, TIMEOUT_RANGE_SECONDS, Self::EXPECTED).map(Self)
    }

    pub fn get(self) -> Duration {
        self.0
    }

    pub fn as_seconds(self) -> f64 {
        self.0.as_secs_f64()
    }
}

fn seconds_within(
    seconds: f64,
    (least, most): (f64, f64),
    expected: &'static str,
) -> Result<Duration, Invalid> {
    // NaN is in no range, so it is rejected too.
    if (least..=most).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(Invalid::new(seconds, expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_ends_at_its_bounds() {
        for good in [0.1, 0.25, 15.0, 2_592_000.0] {
            assert!(Interval::from_seconds(good).is_ok(), "{good}");
        }
        for bad in [0.0999, 0.0, -1.0, 2_592_000.1, f64::NAN, f64::INFINITY] {
            assert!(Interval::from_seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_invalid_timeout_is_reported_with_the_range() {
        let invalid = Timeout::from_seconds(-1.0).unwrap_err().to_string();
        assert_eq!(invalid, "invalid value -1, expected 0.001 to 3600 seconds");
    }
}
