//! When the error budget of an objective burns too fast.
//!
//! Source: Site Reliability Workbook (Google), chapter 5, "Multiwindow, Multi-Burn-Rate Alerts":
//! 2 % of the budget within 1 hour, 5 % within 6 hours, 10 % within 3 days. For a window of 30 days
//! these are rates of 14.4, 6 and 1.

use std::time::Duration;

use crate::domain::alert::kind::AlertKind;
use crate::domain::history::slo::{Slo, burn_rate};
use crate::domain::history::timeline::Totals;

/// An alert about the burn rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BurnRule {
    pub kind: AlertKind,
    pub long: Duration,
    /// Ends the alert soon after the end of the cause.
    pub short: Duration,
    /// Share of the budget that is spent within the long window at the rate of the alert.
    share: f64,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

pub const BURN_RULES: [BurnRule; 3] = [
    BurnRule::new(AlertKind::SloFast, HOUR, 5 * MINUTE, 0.02),
    BurnRule::new(AlertKind::SloSlow, 6 * HOUR, 30 * MINUTE, 0.05),
    BurnRule::new(AlertKind::SloTicket, 72 * HOUR, 6 * HOUR, 0.1),
];

/// The longest window of the rules.
pub const LONGEST: Duration = Duration::from_secs(72 * HOUR);

/// What the rates of both windows mean for an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Burning {
    /// Both windows burn too fast.
    Begins,
    /// The short window does not.
    Ends,
    /// An open alert stays open.
    Stays,
}

impl BurnRule {
    const fn new(kind: AlertKind, long_s: u64, short_s: u64, share: f64) -> Self {
        let (long, short) = (Duration::from_secs(long_s), Duration::from_secs(short_s));
        Self { kind, long, short, share }
    }

    /// The rate from which on the alert begins.
    pub fn rate(&self, slo: &Slo) -> f64 {
        self.share * slo.window.as_secs_f64() / self.long.as_secs_f64()
    }

    /// Judges the time in each state of both windows. A window without known time burns nothing.
    pub fn judge(&self, slo: &Slo, long: &Totals, short: &Totals) -> Burning {
        let burns = |totals: &Totals| {
            burn_rate(totals, slo.target_percent).is_some_and(|rate| rate >= self.rate(slo))
        };
        match (burns(long), burns(short)) {
            (_, false) => Burning::Ends,
            (true, true) => Burning::Begins,
            (false, true) => Burning::Stays,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(up_s: u64, down_s: u64) -> Totals {
        Totals { up_ms: up_s * 1_000, down_ms: down_s * 1_000, ..Totals::default() }
    }

    fn slo() -> Slo {
        Slo::new(99.9, Slo::WINDOW).unwrap()
    }

    #[test]
    fn the_rates_for_30_days_are_those_of_the_workbook() {
        let rates = BURN_RULES.map(|rule| (rule.rate(&slo()) * 10.0).round() / 10.0);
        assert_eq!(rates, [14.4, 6.0, 1.0]);
        assert!(BURN_RULES.iter().all(|rule| rule.long <= LONGEST));
    }

    #[test]
    fn both_windows_begin_an_alert_and_the_short_one_ends_it() {
        let [fast, ..] = BURN_RULES;
        // 1.44 % of an hour are 52 s.
        let (bad_hour, good_hour) = (totals(3_540, 60), totals(3_600, 0));
        let (bad_minutes, good_minutes) = (totals(240, 60), totals(300, 0));
        assert_eq!(fast.judge(&slo(), &bad_hour, &bad_minutes), Burning::Begins);
        assert_eq!(fast.judge(&slo(), &bad_hour, &good_minutes), Burning::Ends);
        assert_eq!(fast.judge(&slo(), &good_hour, &bad_minutes), Burning::Stays);
        assert_eq!(fast.judge(&slo(), &Totals::default(), &Totals::default()), Burning::Ends);
    }
}
