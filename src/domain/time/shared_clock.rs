//! The wall clock of instances on one database: that of the database. Pure.

/// Clocks that differ by less are taken for the same: network time keeps machines closer.
const TOLERANCE_MS: i64 = 20;

/// A clock that is further off is set at once; otherwise it is moved by [`SLEW_MS`] a second, which
/// is no step ([`clock_watch`](super::clock_watch)).
const STEP_MS: i64 = 1_000;

const SLEW_MS: i64 = 1;

/// By how many milliseconds the clock of this machine, which was read before and after that of the
/// database, is behind it; negative when it is ahead. 0 when they may be the same.
pub fn behind_ms(before_ms: i64, database_ms: i64, after_ms: i64) -> i64 {
    let half_ms = after_ms.saturating_sub(before_ms).max(0) / 2;
    let behind_ms = database_ms.saturating_sub(before_ms.saturating_add(half_ms));
    if behind_ms.saturating_abs() <= half_ms + TOLERANCE_MS { 0 } else { behind_ms }
}

/// Whether a clock that is this far behind is set at once.
pub fn is_step(behind_ms: i64) -> bool {
    behind_ms.saturating_abs() > STEP_MS
}

/// By how many milliseconds a clock that is this far behind is moved now, once a second.
pub fn adjustment_ms(behind_ms: i64) -> i64 {
    if is_step(behind_ms) { behind_ms } else { behind_ms.signum() * SLEW_MS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_within_the_time_of_the_reading_is_none() {
        assert_eq!(behind_ms(1_000, 1_001, 1_002), 0);
        assert_eq!(behind_ms(1_000, 1_270, 1_500), 0, "a slow answer");
        assert_eq!(behind_ms(1_000, 1_271, 1_500), 0);
        assert_eq!(behind_ms(1_000, 1_600, 1_500), 350);
        assert_eq!(behind_ms(3_601_000, 1_005, 3_601_010), -3_600_000);
    }

    #[test]
    fn a_clock_follows_slowly_unless_it_is_far_off() {
        assert_eq!([0, 300, -300, 1_000].map(adjustment_ms), [0, 1, -1, 1]);
        assert_eq!([1_001, -3_600_000].map(adjustment_ms), [1_001, -3_600_000]);
    }
}
