//! A service level objective: the uptime that was promised, and what is left of the failure it allows.
//!
//! Source: Google's Site Reliability Workbook, chapter 5, "Alerting on SLOs".

use std::time::Duration;

use crate::domain::history::timeline::Totals;
use crate::domain::invalid::Invalid;
use crate::domain::time::duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Windows over which the burn rate is told, with their names: the long ones that the workbook recommends, and the shortest
/// of its short ones, which tells whether the budget is being spent right now.
pub const BURN_WINDOWS: [(&str, Duration); 4] = [
    ("5m", Duration::from_secs(5 * MINUTE)),
    ("1h", Duration::from_secs(HOUR)),
    ("6h", Duration::from_secs(6 * HOUR)),
    ("3d", Duration::from_secs(3 * DAY)),
];

/// What was promised of a service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slo {
    /// Least share of the time up, in percent: above 0 and below 100.
    pub target_percent: f64,
    /// How far back it is looked at: 1 hour to 366 days.
    pub window: Duration,
}

impl Slo {
    /// The window when nothing is said.
    pub const WINDOW: Duration = Duration::from_secs(30 * DAY);

    const TARGET_EXPECTED: &'static str = "a percentage above 0 and below 100, such as 99.9";
    const WINDOW_EXPECTED: &'static str = "a time from 1h to 366d, such as 30d";
    const WINDOW_RANGE: (Duration, Duration) =
        (Duration::from_secs(HOUR), Duration::from_secs(366 * DAY));

    /// The objective of `target` percent over `window`.
    pub fn new(target: f64, window: Duration) -> Result<Self, Invalid> {
        Ok(Self { target_percent: Self::target(target)?, window: Self::window(window)? })
    }

    /// Takes `percent` as a target. With 100 nothing would be left to be spent, and no rate could be told.
    pub fn target(percent: f64) -> Result<f64, Invalid> {
        // A NaN is neither above nor below, so it is refused here too.
        if percent > 0.0 && percent < 100.0 {
            Ok(percent)
        } else {
            Err(Invalid::new(percent, Self::TARGET_EXPECTED))
        }
    }

    /// Takes `window` as a window.
    pub fn window(window: Duration) -> Result<Duration, Invalid> {
        let (least, most) = Self::WINDOW_RANGE;
        if (least..=most).contains(&window) {
            Ok(window)
        } else {
            Err(Invalid::new(duration::span_told(window), Self::WINDOW_EXPECTED))
        }
    }

    /// Takes a text such as `30d` as a window.
    pub fn parse_window(text: &str) -> Result<Duration, Invalid> {
        let window = duration::span(text);
        Self::window(window.ok_or_else(|| Invalid::new(text, Self::WINDOW_EXPECTED))?)
    }
}

/// The failure that an objective allows over its window, its error budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Time down that the target allows in the whole window, known or not, in milliseconds: a new service has all of it.
    pub allowed_ms: f64,
    /// Time down that there was, in milliseconds.
    pub spent_ms: u64,
    /// What is left, in milliseconds; below 0 when more was spent than allowed.
    pub left_ms: f64,
    /// What is left in percent of what is allowed.
    pub left_percent: f64,
}

/// What `totals`, which are those of the objective's window, leave of the budget for `target_percent`.
pub fn budget(totals: &Totals, target_percent: f64) -> Budget {
    let spent_ms = totals.down_ms;
    let allowed_ms = allowed_share(target_percent) * totals.total() as f64;
    let left_ms = allowed_ms - spent_ms as f64;
    let left_percent = if allowed_ms > 0.0 { 100.0 * left_ms / allowed_ms } else { 100.0 };
    Budget { allowed_ms, spent_ms, left_ms, left_percent }
}

/// How many times faster than allowed `totals` spend the budget: with 1 it is gone just at the end of the window. `None` when
/// nothing is known.
pub fn burn_rate(totals: &Totals, target_percent: f64) -> Option<f64> {
    let known_ms = known_ms(totals);
    let down_share = totals.down_ms as f64 / known_ms;
    (known_ms > 0.0).then(|| down_share / allowed_share(target_percent))
}

/// The share of time that may be down.
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

    fn is_near(told: f64, expected: f64) -> bool {
        (told - expected).abs() <= 1e-6 * expected.abs().max(1.0)
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
    fn a_refusal_shows_what_was_written() {
        let refusal = Slo::parse_window("1m").unwrap_err().to_string();
        assert_eq!(refusal, "invalid value 1m, expected a time from 1h to 366d, such as 30d");
        assert!(Slo::target(100.0).unwrap_err().to_string().starts_with("invalid value 100,"));
    }

    #[test]
    fn the_windows_are_what_they_are_called() {
        for (name, window) in BURN_WINDOWS {
            assert_eq!(duration::span(name), Some(window));
        }
    }

    #[test]
    fn a_budget_is_spent_by_time_down() {
        // Of a thousand seconds, one may be down, however much of them is known.
        let totals = Totals { up_ms: 839_750, down_ms: 250, unknown_ms: 77_000, paused_ms: 83_000 };
        let quarter = budget(&totals, 99.9);
        assert!(is_near(quarter.allowed_ms, 1_000.0) && is_near(quarter.left_ms, 750.0));
        assert_eq!(quarter.spent_ms, 250);
        assert!(is_near(quarter.left_percent, 75.0), "{quarter:?}");
        let overspent = budget(&Totals { up_ms: 837_000, down_ms: 3_000, ..totals }, 99.9);
        assert!(is_near(overspent.left_percent, -200.0), "{overspent:?}");
    }

    #[test]
    fn nothing_known_leaves_everything() {
        let nothing = Totals { unknown_ms: 5, ..Totals::default() };
        let budget = budget(&nothing, 99.9);
        assert_eq!((budget.spent_ms, budget.left_percent), (0, 100.0));
        assert_eq!(burn_rate(&nothing, 99.9), None);
    }

    #[test]
    fn the_rate_is_one_when_the_budget_lasts_just_as_long_as_the_window() {
        let rate = |down_ms| {
            burn_rate(&Totals { up_ms: 100_000 - down_ms, down_ms, ..Totals::default() }, 99.9)
        };
        assert_eq!(rate(0), Some(0.0));
        assert!(is_near(rate(100).unwrap(), 1.0));
        assert!(is_near(rate(1_440).unwrap(), 14.4), "the workbook's rate for a page");
        assert!(is_near(rate(100_000).unwrap(), 1_000.0));
    }

    proptest! {
        #[test]
        fn the_rate_over_the_whole_window_tells_what_is_left(
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
