//! Service level objectives and their error budgets.
//!
//! Source: Site Reliability Workbook (Google), chapter 5, "Alerting on SLOs".

use std::time::Duration;

use crate::domain::history::timeline::Totals;
use crate::domain::invalid::Invalid;
use crate::domain::time::duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Windows of the burn rate with their names: the long windows of the workbook, and its shortest
/// one, which shows the current rate.
pub const BURN_WINDOWS: [(&str, Duration); 4] = [
    ("5m", Duration::from_secs(5 * MINUTE)),
    ("1h", Duration::from_secs(HOUR)),
    ("6h", Duration::from_secs(6 * HOUR)),
    ("3d", Duration::from_secs(3 * DAY)),
];

/// A service level objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slo {
    /// Least uptime, above 0 and below 100.
    pub target_percent: f64,
    /// 1 hour to 366 days.
    pub window: Duration,
}

impl Slo {
    /// Default window.
    pub const WINDOW: Duration = Duration::from_secs(30 * DAY);

    const TARGET_EXPECTED: &'static str = "a percentage above 0 and below 100, such as 99.9";
    const WINDOW_EXPECTED: &'static str = "a time from 1h to 366d, such as 30d";
    const WINDOW_RANGE: (Duration, Duration) =
        (Duration::from_secs(HOUR), Duration::from_secs(366 * DAY));

    pub fn new(target: f64, window: Duration) -> Result<Self, Invalid> {
        Ok(Self { target_percent: Self::target(target)?, window: Self::window(window)? })
    }

    /// Validates a target. A target of 100 has no budget, so its burn rate would be undefined.
    pub fn target(percent: f64) -> Result<f64, Invalid> {
        // NaN fails both comparisons.
        if percent > 0.0 && percent < 100.0 {
            Ok(percent)
        } else {
            Err(Invalid::new(percent, Self::TARGET_EXPECTED))
        }
    }

    pub fn window(window: Duration) -> Result<Duration, Invalid> {
        let (least, most) = Self::WINDOW_RANGE;
        if (least..=most).contains(&window) {
            Ok(window)
        } else {
            Err(Invalid::new(duration::format_span(window), Self::WINDOW_EXPECTED))
        }
    }

    /// Parses a window such as `30d`.
    pub fn parse_window(text: &str) -> Result<Duration, Invalid> {
        let window = duration::parse_span(text);
        Self::window(window.ok_or_else(|| Invalid::new(text, Self::WINDOW_EXPECTED))?)
    }
}

/// The error budget of an objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Time down that the target allows in the whole window, including unknown time: a new service
    /// has the whole budget.
    pub allowed_ms: f64,
    /// Time down.
    pub spent_ms: u64,
    /// Allowed minus spent; negative when overspent.
    pub left_ms: f64,
    /// Percent of the allowed time that is left.
    pub left_percent: f64,
}

/// The budget after `totals`, which must cover the window of the objective.
pub fn budget(totals: &Totals, target_percent: f64) -> Budget {
    let spent_ms = totals.down_ms;
    let allowed_ms = allowed_share(target_percent) * totals.total() as f64;
    let left_ms = allowed_ms - spent_ms as f64;
    let left_percent = if allowed_ms > 0.0 { 100.0 * left_ms / allowed_ms } else { 100.0 };
    Budget { allowed_ms, spent_ms, left_ms, left_percent }
}

/// How many times faster than allowed the budget is spent: at a rate of 1 it lasts exactly for the
/// window. `None` without known time.
pub fn burn_rate(totals: &Totals, target_percent: f64) -> Option<f64> {
    let known_ms = known_ms(totals);
    let down_share = totals.down_ms as f64 / known_ms;
    (known_ms > 0.0).then(|| down_share / allowed_share(target_percent))
}

fn allowed_share(target_percent: f64) -> f64 {
    1.0 - target_percent / 100.0
}

fn known_ms(totals: &Totals) -> f64 {
    totals.up_ms as f64 + totals.down_ms as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_near(value: f64, expected: f64) -> bool {
        (value - expected).abs() <= 1e-6 * expected.abs().max(1.0)
    }

    #[test]
    fn an_objective_ends_at_its_bounds() {
        for good in [0.001, 50.0, 99.9, 99.999] {
            assert_eq!(Slo::new(good, Slo::WINDOW).unwrap().target_percent, good);
        }
        for bad in [0.0, -1.0, 100.0, 101.0, f64::NAN, f64::INFINITY] {
            assert!(Slo::new(bad, Slo::WINDOW).is_err(), "{bad}");
        }
        for good in ["1h", "30d", "4w", "1y", "366d"] {
            assert!(Slo::parse_window(good).is_ok(), "{good}");
        }
        for bad in ["", "30", "0", "59m59s", "366d1ns", "2y", "-1d"] {
            assert!(Slo::parse_window(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_invalid_window_is_shown_as_written() {
        let invalid = Slo::parse_window("1m").unwrap_err().to_string();
        assert_eq!(invalid, "invalid value 1m, expected a time from 1h to 366d, such as 30d");
        assert!(Slo::target(100.0).unwrap_err().to_string().starts_with("invalid value 100,"));
    }

    #[test]
    fn the_windows_match_their_names() {
        for (name, window) in BURN_WINDOWS {
            assert_eq!(duration::parse_span(name), Some(window));
        }
    }

    #[test]
    fn a_budget_is_spent_by_time_down() {
        // 0.1 % of 1,000 s may be down, including unknown time.
        let totals = Totals {
            up_ms: 839_750,
            down_ms: 250,
            unknown_ms: 77_000,
            paused_ms: 60_000,
            planned_ms: 23_000,
        };
        let quarter = budget(&totals, 99.9);
        assert!(is_near(quarter.allowed_ms, 1_000.0) && is_near(quarter.left_ms, 750.0));
        assert_eq!(quarter.spent_ms, 250);
        assert!(is_near(quarter.left_percent, 75.0), "{quarter:?}");
        let overspent = budget(&Totals { up_ms: 837_000, down_ms: 3_000, ..totals }, 99.9);
        assert!(is_near(overspent.left_percent, -200.0), "{overspent:?}");
    }

    #[test]
    fn unknown_time_spends_no_budget() {
        let unknown = Totals { unknown_ms: 5, ..Totals::default() };
        let budget = budget(&unknown, 99.9);
        assert_eq!((budget.spent_ms, budget.left_percent), (0, 100.0));
        assert_eq!(burn_rate(&unknown, 99.9), None);
    }

    #[test]
    fn a_rate_of_one_spends_the_budget_in_exactly_the_window() {
        let rate = |down_ms| {
            burn_rate(&Totals { up_ms: 100_000 - down_ms, down_ms, ..Totals::default() }, 99.9)
        };
        assert_eq!(rate(0), Some(0.0));
        assert!(is_near(rate(100).unwrap(), 1.0));
        assert!(is_near(rate(1_440).unwrap(), 14.4), "rate of a page in the workbook");
        assert!(is_near(rate(100_000).unwrap(), 1_000.0));
    }

    proptest! {
        #[test]
        fn rate_and_budget_of_the_whole_window_agree(
            up_ms in 0..10_000_000_000_u64,
            down_ms in 1..10_000_000_000_u64,
            target in 1.0..99.999_f64,
        ) {
            let totals = Totals { up_ms, down_ms, ..Totals::default() };
            let left = budget(&totals, target).left_percent;
            let rate = burn_rate(&totals, target).unwrap();
            prop_assert!(is_near(left, 100.0 * (1.0 - rate)), "{left} left at {rate}");
        }
    }
}
