//! Points of the monotonic clock in eight bytes, for what each service has.

use std::ops::Add;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Zero of the scale: any instant of this run. Times before it are negative.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// An [`Instant`], as exact and half as large: nanoseconds since some instant of this run. It
/// reaches 292 years in either direction; a time beyond that is the first or the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonotonicTime(i64);

impl MonotonicTime {
    /// Zero when `earlier` is later.
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        let nanos = i128::from(self.0) - i128::from(earlier.0);
        // Two times are at most `u64::MAX` apart.
        Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
    }
}

impl From<Instant> for MonotonicTime {
    fn from(instant: Instant) -> Self {
        match instant.checked_duration_since(*EPOCH) {
            Some(after) => Self(nanos(after)),
            None => Self(-nanos(EPOCH.saturating_duration_since(instant))),
        }
    }
}

impl From<MonotonicTime> for Instant {
    fn from(MonotonicTime(nanos): MonotonicTime) -> Self {
        let from_epoch = Duration::from_nanos(nanos.unsigned_abs());
        let before_epoch = || EPOCH.checked_sub(from_epoch).unwrap_or(*EPOCH);
        if nanos < 0 { before_epoch() } else { *EPOCH + from_epoch }
    }
}

impl Add<Duration> for MonotonicTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let sum = i128::from(self.0) + i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX / 2);
        Self(i64::try_from(sum).unwrap_or(i64::MAX))
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const YEAR: Duration = Duration::from_secs(365 * 86_400);

    #[test]
    fn a_time_beyond_the_range_is_the_last_one() {
        let now = MonotonicTime::from(Instant::now());
        let (last, hundred) = (MonotonicTime(i64::MAX), now + 100 * YEAR);
        assert!(hundred < last && hundred + 100 * YEAR < last, "heartbeats that never are late");
        assert_eq!((hundred + 200 * YEAR, now + Duration::MAX), (last, last));
        assert_eq!(MonotonicTime::from(Instant::from(last)), last);
        let first = MonotonicTime(i64::MIN);
        assert_eq!(last.saturating_duration_since(first), Duration::from_nanos(u64::MAX));
        assert_eq!(first.saturating_duration_since(last), Duration::ZERO);
        assert_eq!(size_of::<MonotonicTime>(), 8);
    }

    proptest! {
        /// Also before the epoch, to the nanosecond.
        #[test]
        fn a_time_is_an_instant(
            one in any::<u32>(),
            two in any::<u32>(),
            shift in 0..20_u32,
            is_later in any::<bool>(),
        ) {
            let apart = |n: u32| Duration::from_nanos(u64::from(n) << shift);
            let from_now = |n: u32| {
                let now = *EPOCH;
                if is_later { now + apart(n) } else { now.checked_sub(apart(n)).unwrap_or(now) }
            };
            let (one, two) = (from_now(one), from_now(two));
            let (time, other) = (MonotonicTime::from(one), MonotonicTime::from(two));
            prop_assert_eq!(Instant::from(time), one);
            prop_assert_eq!(time.cmp(&other), one.cmp(&two));
            prop_assert_eq!(
                time.saturating_duration_since(other),
                one.saturating_duration_since(two)
            );
            prop_assert_eq!(Instant::from(time + apart(7)), one + apart(7));
        }
    }
}
