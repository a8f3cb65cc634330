//! Statistics of ticks that can be merged: parts of an hour to an hour, hours to a day.

use crate::domain::history::sketch::Sketch;
use crate::domain::history::tick::{PHASES, StoredTick};
use crate::domain::rollup::state::State;

/// Statistics of ticks.
///
/// Response times and phases are those of ticks that are up or down, as in the metric of a service:
/// an unknown tick does not measure the service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Number of ticks that are up.
    pub up: u64,
    /// Number of ticks that are down.
    pub down: u64,
    /// Number of unknown ticks; no other field includes them.
    pub unknown: u64,
    /// Sum of all response times.
    pub sum_us: u64,
    /// Shortest response time; `None` without ticks that are up or down.
    pub min_us: Option<u64>,
    /// Longest response time, as `min_us`.
    pub max_us: Option<u64>,
    /// Number of ticks, up or down, that have phases.
    pub phased: u64,
    /// Sum of each phase over these ticks.
    pub phases_us: [u64; PHASES],
    /// Distribution of the response times.
    pub sketch: Sketch,
}

impl Stats {
    pub fn add(&mut self, tick: &StoredTick) {
        match tick.state {
            State::Up => self.up += 1,
            State::Down => self.down += 1,
            State::Unknown => {
                self.unknown += 1;
                return;
            }
            // A paused service is not probed, so there is no such tick.
            State::Paused => return,
        }
        let spent_us = tick.response_time_us;
        self.sum_us = self.sum_us.saturating_add(spent_us);
        self.min_us = Some(self.min_us.map_or(spent_us, |least| least.min(spent_us)));
        self.max_us = Some(self.max_us.map_or(spent_us, |most| most.max(spent_us)));
        self.sketch.add(spent_us);
        if let Some(phases_us) = &tick.phases_us {
            self.phased += 1;
            self.add_phases(phases_us);
        }
    }

    /// Counts a tick of that state, and nothing else of it.
    pub fn count(&mut self, state: State) {
        match state {
            State::Up => self.up += 1,
            State::Down => self.down += 1,
            State::Unknown => self.unknown += 1,
            State::Paused => {}
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.up = self.up.saturating_add(other.up);
        self.down = self.down.saturating_add(other.down);
        self.unknown = self.unknown.saturating_add(other.unknown);
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.min_us = self.min_us.into_iter().chain(other.min_us).min();
        self.max_us = self.max_us.into_iter().chain(other.max_us).max();
        self.phased = self.phased.saturating_add(other.phased);
        self.add_phases(&other.phases_us);
        self.sketch.merge(&other.sketch);
    }

    /// Number of ticks that are up or down.
    pub fn known(&self) -> u64 {
        self.up.saturating_add(self.down)
    }

    pub fn is_empty(&self) -> bool {
        self.known() == 0 && self.unknown == 0
    }

    /// Share of ticks up among those up or down, 0 to 1; `None` without such ticks.
    pub fn up_share(&self) -> Option<f64> {
        mean(self.up, self.known())
    }

    /// Mean response time; `None` without ticks that are up or down.
    pub fn average_us(&self) -> Option<f64> {
        mean(self.sum_us, self.known())
    }

    /// Quantile of the response time, as [`Sketch::quantile`], but within `min_us` and `max_us`.
    pub fn quantile_us(&self, q: f64) -> Option<u64> {
        let (estimate, least, most) = (self.sketch.quantile(q)?, self.min_us?, self.max_us?);
        Some(estimate.max(least).min(most))
    }

    /// Mean of each phase; `None` without ticks that have phases.
    pub fn average_phases_us(&self) -> Option<[f64; PHASES]> {
        (self.phased > 0).then(|| self.phases_us.map(|sum_us| sum_us as f64 / self.phased as f64))
    }

    fn add_phases(&mut self, phases_us: &[u64; PHASES]) {
        for (sum_us, more_us) in self.phases_us.iter_mut().zip(phases_us) {
            *sum_us = sum_us.saturating_add(*more_us);
        }
    }
}

fn mean(sum: u64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tick(state: State, response_time_us: u64, phases_us: Option<[u64; PHASES]>) -> StoredTick {
        StoredTick { at_ms: 0, state, response_time_us, phases_us, http_status: None, reason: None }
    }

    fn of(ticks: &[StoredTick]) -> Stats {
        let mut stats = Stats::default();
        ticks.iter().for_each(|tick| stats.add(tick));
        stats
    }

    #[test]
    fn empty_statistics_have_no_averages() {
        let none = Stats::default();
        assert!(none.is_empty());
        assert_eq!((none.up_share(), none.average_us()), (None, None));
        assert_eq!((none.quantile_us(0.5), none.average_phases_us()), (None, None));
    }

    #[test]
    fn an_unknown_tick_only_counts_as_unknown() {
        let stats = of(&[tick(State::Unknown, 999, Some([9; PHASES]))]);
        assert_eq!(stats, Stats { unknown: 1, ..Stats::default() });
        assert!(!stats.is_empty());
    }

    #[test]
    fn phases_are_averaged_over_the_ticks_that_have_them() {
        let stats = of(&[
            tick(State::Up, 1_000, Some([100, 200, 300, 400, 0])),
            tick(State::Down, 2_000, Some([0, 2_000, 0, 0, 0])),
            tick(State::Up, 6_000, None),
        ]);
        assert_eq!((stats.known(), stats.phased), (3, 2));
        assert_eq!(stats.average_us(), Some(3_000.0));
        assert_eq!(stats.average_phases_us(), Some([50.0, 1_100.0, 150.0, 200.0, 0.0]));
        assert!((stats.up_share().unwrap() - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_percentile_is_within_minimum_and_maximum() {
        let stats = of(&[tick(State::Up, 1_000_001, None)]);
        assert_ne!(stats.sketch.quantile(0.5), Some(1_000_001), "the sketch alone is not exact");
        assert_eq!(stats.quantile_us(0.5), Some(1_000_001));
    }

    fn any_tick() -> impl Strategy<Value = StoredTick> {
        let us = 0..100_000_000_u64;
        let phases = prop::option::of(prop::array::uniform5(us.clone()));
        (prop::sample::select(&[State::Up, State::Down, State::Unknown][..]), us, phases)
            .prop_map(|(state, us, phases)| tick(state, us, phases))
    }

    proptest! {
        #[test]
        fn merged_parts_equal_the_whole(
            parts in prop::collection::vec(prop::collection::vec(any_tick(), 0..30), 0..6)
        ) {
            let mut merged = Stats::default();
            parts.iter().for_each(|part| merged.merge(&of(part)));
            prop_assert_eq!(merged, of(&parts.concat()));
        }
    }
}
