//! Interval and timeout of a service.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::domain::invalid::Invalid;

/// Shortest (contract, "Service") and longest (30 days) interval, in seconds.
pub const INTERVAL_RANGE_SECONDS: (f64, f64) = (0.1, 2_592_000.0);
/// Shortest (one tick of the timer) and longest (one hour) timeout, in seconds.
pub const TIMEOUT_RANGE_SECONDS: (f64, f64) = (0.001, 3_600.0);

/// Half of the size of a `Duration`, also as an `Option`; each service has two.
type Nanoseconds = NonZeroU64;

/// Time from one slot of a service to the next, 0.1 s to 30 days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval(Nanoseconds);

impl Interval {
    const EXPECTED: &'static str = "0.1 to 2592000 seconds";

    pub fn from_seconds(seconds: f64) -> Result<Self, Invalid> {
        seconds_within(seconds, INTERVAL_RANGE_SECONDS, Self::EXPECTED).map(Self)
    }

    pub fn get(self) -> Duration {
        Duration::from_nanos(self.0.get())
    }

    pub fn as_seconds(self) -> f64 {
        self.get().as_secs_f64()
    }
}

/// Deadline of one probe, redirects and body included, 0.001 s to 1 hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timeout(Nanoseconds);

impl Timeout {
    const EXPECTED: &'static str = "0.001 to 3600 seconds";

    pub fn from_seconds(seconds: f64) -> Result<Self, Invalid> {
        seconds_within(seconds, TIMEOUT_RANGE_SECONDS, Self::EXPECTED).map(Self)
    }

    pub fn get(self) -> Duration {
        Duration::from_nanos(self.0.get())
    }

    pub fn as_seconds(self) -> f64 {
        self.get().as_secs_f64()
    }
}

fn seconds_within(
    seconds: f64,
    (least, most): (f64, f64),
    expected: &'static str,
) -> Result<Nanoseconds, Invalid> {
    // NaN is in no range, so it is rejected too.
    let within = Some(seconds).filter(|seconds| (least..=most).contains(seconds));
    let nanoseconds = within.map(|seconds| Duration::from_secs_f64(seconds).as_nanos());
    nanoseconds
        .and_then(|it| Nanoseconds::new(u64::try_from(it).ok()?))
        .ok_or_else(|| Invalid::new(seconds, expected))
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
    fn a_time_is_as_exact_as_a_duration_in_half_of_its_size() {
        for seconds in [0.1, 0.1 + 1e-9, 1.0 / 3.0, 2.5, 86_399.999_999_999, 2_592_000.0] {
            let interval = Interval::from_seconds(seconds).unwrap();
            assert_eq!(interval.get(), Duration::from_secs_f64(seconds));
            assert_eq!(interval.as_seconds(), Duration::from_secs_f64(seconds).as_secs_f64());
        }
        assert_eq!(Timeout::from_seconds(0.001).unwrap().get(), Duration::from_millis(1));
        assert_eq!(Timeout::from_seconds(3_600.0).unwrap().get(), Duration::from_secs(3_600));
        assert_eq!((size_of::<Option<Interval>>(), size_of::<Option<Timeout>>()), (8, 8));
    }

    #[test]
    fn an_invalid_timeout_is_reported_with_the_range() {
        let invalid = Timeout::from_seconds(-1.0).unwrap_err().to_string();
        assert_eq!(invalid, "invalid value -1, expected 0.001 to 3600 seconds");
    }
}
