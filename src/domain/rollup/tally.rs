//! The metric of a service and the decision when an event begins. Pure.

use std::time::Duration;

use crate::domain::rollup::flapping::Recent;
use crate::domain::rollup::state::State;
use crate::domain::rollup::tick_totals::TickTotals;
use crate::domain::service::thresholds::Thresholds;

/// The part of a result that the roll-up needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    pub state: State,
    /// Start of the probe, in unix milliseconds.
    pub at_ms: i64,
    pub response_time: Duration,
}

/// The newest event of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatestEvent {
    pub state: State,
    /// Unix milliseconds.
    pub started_at_ms: i64,
    /// At most one event of a service is open: the newest.
    pub open: bool,
}

/// Consecutive ticks that differ from the newest event and are below the threshold for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streak {
    pub is_up: bool,
    /// At least 1.
    pub count: u32,
    /// The first tick of the streak, in unix milliseconds.
    pub since_ms: i64,
}

/// The metric of a service and the state of its roll-up.
///
/// Invariants: `up_count <= tick_count`; `response_time_sum` is the exact sum over all ticks that
/// are up or down; `latest` is `Some` from the first event on; a streak differs from the open
/// event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Ticks that are up or down.
    pub tick_count: u64,
    pub up_count: u64,
    pub unknown_count: u64,
    /// A sum and not a mean, so that the mean never drifts.
    pub response_time_sum: Duration,
    /// The newest event.
    pub latest: Option<LatestEvent>,
    /// Whether the newest event that is up or down is up.
    pub known_is_up: Option<bool>,
    /// May become the next event.
    pub streak: Option<Streak>,
    /// The newest states, for flap detection.
    pub recent: Recent,
    pub is_flapping: bool,
}

impl Tally {
    /// False for a service with events and without a result.
    pub fn has_ticks(&self) -> bool {
        self.recorded() > 0
    }

    pub fn totals(&self) -> TickTotals {
        let Self { tick_count, up_count, unknown_count, response_time_sum, .. } = *self;
        TickTotals { tick_count, up_count, unknown_count, response_time_sum }
    }

    /// See [`TickTotals::recorded`].
    pub fn recorded(&self) -> u64 {
        self.totals().recorded()
    }

    pub fn down_count(&self) -> u64 {
        self.totals().down_count()
    }

    /// See [`TickTotals::average_response_time_ms`].
    pub fn average_response_time_ms(&self) -> f64 {
        self.totals().average_response_time_ms()
    }

    /// See [`TickTotals::uptime_percent`].
    pub fn uptime_percent(&self) -> f64 {
        self.totals().uptime_percent()
    }

    /// The tally with one more tick that changes no event.
    pub fn with_tick(&self, tick: &Tick) -> Self {
        let mut after = *self;
        after.count(tick);
        after
    }

    fn count(&mut self, tick: &Tick) {
        if tick.state == State::Unknown {
            self.unknown_count += 1;
            return;
        }
        let is_up = tick.state == State::Up;
        self.tick_count += 1;
        self.up_count += u64::from(is_up);
        self.response_time_sum += tick.response_time;
        self.recent = self.recent.with(is_up);
        self.is_flapping = self.recent.is_flapping(self.is_flapping);
    }

    /// How many consecutive ticks with `state` begin an event.
    fn threshold(&self, state: State, thresholds: &Thresholds) -> u32 {
        match (self.known_is_up, state) {
            // The state does not contradict the last known one.
            (_, State::Unknown | State::Paused)
            | (Some(false), State::Down)
            | (None | Some(true), State::Up) => 1,
            (None | Some(true), State::Down) => thresholds.failure,
            (Some(false), State::Up) => thresholds.success,
        }
    }
}

/// The effect of a tick on the events of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventChange {
    /// The newest event lasts.
    Lasts,
    /// An event begins at `at_ms` (unix milliseconds); the open event ends at the same instant.
    Begins { state: State, at_ms: i64 },
}

/// The tally after one more tick, and the effect of the tick on the events.
///
/// An event begins after as many consecutive ticks as `thresholds` require, and is dated to the
/// first of them. An event never begins before the event that it ends: when the wall clock was set
/// back between two ticks, the change is dated to the start of the older event.
pub fn rollup(before: &Tally, tick: &Tick, thresholds: &Thresholds) -> (Tally, EventChange) {
    let mut after = *before;
    after.count(tick);
    after.streak = None;
    let state = tick.state;
    if before.latest.is_some_and(|latest| latest.open && latest.state == state) {
        return (after, EventChange::Lasts);
    }
    let is_up = state == State::Up;
    let continued = before.streak.filter(|streak| state != State::Unknown && streak.is_up == is_up);
    let streak = match continued {
        Some(streak) => Streak { count: streak.count + 1, ..streak },
        None => Streak { is_up, count: 1, since_ms: tick.at_ms },
    };
    if streak.count < before.threshold(state, thresholds) {
        after.streak = Some(streak);
        return (after, EventChange::Lasts);
    }
    let at_ms =
        before.latest.map_or(streak.since_ms, |latest| streak.since_ms.max(latest.started_at_ms));
    after.latest = Some(LatestEvent { state, started_at_ms: at_ms, open: true });
    if state != State::Unknown {
        after.known_is_up = Some(is_up);
    }
    (after, EventChange::Begins { state, at_ms })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// One tick with the default thresholds.
    fn step(
        before: &Tally,
        state: State,
        at_ms: i64,
        response_time: Duration,
    ) -> (Tally, EventChange) {
        rollup(before, &Tick { state, at_ms, response_time }, &Thresholds::default())
    }

    /// The events that ticks begin, one tick a millisecond: `u`p, `d`own or unknown (`?`).
    fn events(ticks: &str, failure: u32, success: u32) -> Vec<(State, i64)> {
        let thresholds = Thresholds { failure, success, confirm_interval: None };
        let (mut tally, mut events) = (Tally::default(), Vec::new());
        for (nth, tick) in ticks.chars().enumerate() {
            let state = match tick {
                'u' => State::Up,
                'd' => State::Down,
                _ => State::Unknown,
            };
            let tick = Tick { state, at_ms: nth as i64, response_time: ms(1) };
            let (after, change) = rollup(&tally, &tick, &thresholds);
            if let EventChange::Begins { state, at_ms } = change {
                events.push((state, at_ms));
            }
            tally = after;
        }
        events
    }

    #[test]
    fn an_event_begins_at_its_threshold_and_is_dated_to_the_first_tick() {
        use State::{Down, Unknown, Up};
        assert_eq!(events("uduuddduu", 3, 2), [(Up, 0), (Down, 4), (Up, 7)]);
        assert_eq!(events("dddu", 3, 1), [(Down, 0), (Up, 3)], "also the first event");
        assert_eq!(events("ddu", 3, 1), [(Up, 2)]);
        assert_eq!(events("uddu", 3, 9), [(Up, 0)]);
        assert_eq!(events("u??u", 3, 3), [(Up, 0), (Unknown, 1), (Up, 3)]);
        assert_eq!(
            events("udd?dd", 3, 1),
            [(Up, 0), (Unknown, 3)],
            "an unknown tick ends a streak"
        );
        assert_eq!(events("d?d", 9, 1), [(Unknown, 1)], "never confirmed");
        assert_eq!(
            events("dd?d", 2, 1),
            [(Down, 0), (Unknown, 2), (Down, 3)],
            "down before, so one tick is enough"
        );
        assert_eq!(
            events("d?uuu", 1, 3),
            [(Down, 0), (Unknown, 1), (Up, 2)],
            "down before, so up needs its threshold"
        );
    }

    #[test]
    fn an_unknown_tick_counts_neither_up_nor_down() {
        let (up, _) = step(&Tally::default(), State::Up, 0, ms(10));
        let (after, _) = step(&up, State::Unknown, 1, ms(999));
        assert_eq!((after.tick_count, after.up_count, after.unknown_count), (1, 1, 1));
        assert_eq!(after.average_response_time_ms(), 10.0);
        assert_eq!(after.recent, up.recent);
    }

    #[test]
    fn the_first_tick_begins_an_event() {
        let (tally, change) = step(&Tally::default(), State::Down, 1_000, ms(5));
        assert_eq!(change, EventChange::Begins { state: State::Down, at_ms: 1_000 });
        assert_eq!((tally.tick_count, tally.up_count, tally.down_count()), (1, 0, 1));
    }

    #[test]
    fn a_tick_with_the_same_state_continues_the_event() {
        let (first, _) = step(&Tally::default(), State::Up, 1_000, ms(10));
        let (second, change) = step(&first, State::Up, 2_000, ms(20));
        assert_eq!(change, EventChange::Lasts);
        assert_eq!(second.latest, first.latest);
        assert_eq!(second.average_response_time_ms(), 15.0);
    }

    #[test]
    fn no_event_ends_before_it_begins_when_the_clock_is_set_back() {
        let (up, _) = step(&Tally::default(), State::Up, 5_000, ms(1));
        let (_, change) = step(&up, State::Down, 3_000, ms(1));
        assert_eq!(change, EventChange::Begins { state: State::Down, at_ms: 5_000 });
    }

    #[test]
    fn a_closed_event_is_not_continued() {
        let closed = LatestEvent { state: State::Up, started_at_ms: 1_000, open: false };
        let before = Tally { latest: Some(closed), ..Tally::default() };
        let (_, change) = step(&before, State::Up, 9_000, ms(1));
        assert_eq!(change, EventChange::Begins { state: State::Up, at_ms: 9_000 });
    }

    #[test]
    fn a_tally_without_ticks_has_zero_averages() {
        let none = Tally::default();
        assert_eq!((none.average_response_time_ms(), none.uptime_percent()), (0.0, 0.0));
    }

    proptest! {
        #[test]
        fn counts_mean_and_events_agree_with_a_naive_recount(
            ticks in prop::collection::vec((any::<bool>(), 0u64..60_000_000), 0..200),
        ) {
            let mut tally = Tally::default();
            let mut events: Vec<(State, i64)> = Vec::new();
            for (slot, &(up, micros)) in ticks.iter().enumerate() {
                let state = if up { State::Up } else { State::Down };
                let at_ms = slot as i64 * 1_000;
                let (after, change) = step(&tally, state, at_ms, Duration::from_micros(micros));
                if let EventChange::Begins { state, at_ms } = change {
                    events.push((state, at_ms));
                }
                tally = after;
            }

            let up_count = ticks.iter().filter(|(up, _)| *up).count() as u64;
            let sum_us: u64 = ticks.iter().map(|(_, micros)| micros).sum();
            prop_assert_eq!(tally.tick_count, ticks.len() as u64);
            prop_assert_eq!(tally.up_count, up_count);
            prop_assert_eq!(tally.response_time_sum, Duration::from_micros(sum_us));
            if !ticks.is_empty() {
                let mean = sum_us as f64 / 1e3 / ticks.len() as f64;
                prop_assert!((tally.average_response_time_ms() - mean).abs() < 1e-6);
            }

            let naive: Vec<(State, i64)> = ticks
                .iter()
                .enumerate()
                .filter(|(slot, (up, _))| *slot == 0 || ticks[slot - 1].0 != *up)
                .map(|(slot, (up, _))| {
                    (if *up { State::Up } else { State::Down }, slot as i64 * 1_000)
                })
                .collect();
            prop_assert_eq!(&events, &naive);
            let latest = tally.latest.map(|event| (event.state, event.started_at_ms));
            prop_assert_eq!(latest, naive.last().copied());
        }
    }
}
