//! The roll-up: what one more tick changes in a service's metric and events.
//!
//! Pure, so that its hard cases are plain tests. The writer keeps a [`Tally`] for each service, and stores what
//! [`rollup`] returns in the transaction that stores the tick.

use std::time::Duration;

/// The two states that a tick can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The service answered.
    Up,
    /// It did not.
    Down,
}

impl State {
    /// The word for the event that this state makes, as in the seed.
    pub fn event(self) -> &'static str {
        match self {
            Self::Up => "uptime",
            Self::Down => "downtime",
        }
    }

    /// The state behind an event's word.
    pub fn from_event(word: &str) -> Option<Self> {
        [Self::Up, Self::Down].into_iter().find(|state| state.event() == word)
    }
}

/// The newest event of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatestEvent {
    /// What it is.
    pub state: State,
    /// When it began, in unix milliseconds.
    pub started_at_ms: i64,
    /// Whether it lasts. At most one event of a service does, and it is the newest.
    pub open: bool,
}

/// Everything that is kept of a service's ticks.
///
/// Invariants: `up_count <= tick_count`; `response_time_sum` is the exact sum over all ticks; `latest` is `Some`
/// as soon as there is a tick.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many ticks there are.
    pub tick_count: u64,
    /// How many of them were up.
    pub up_count: u64,
    /// Sum of all response times; a sum and not a mean, so that the mean never drifts.
    pub response_time_sum: Duration,
    /// The newest event.
    pub latest: Option<LatestEvent>,
}

impl Tally {
    /// How many ticks were down.
    pub fn down_count(&self) -> u64 {
        self.tick_count - self.up_count
    }

    /// The true mean of all response times in milliseconds; 0 without ticks.
    pub fn average_response_time_ms(&self) -> f64 {
        if self.tick_count == 0 {
            return 0.0;
        }
        self.response_time_sum.as_nanos() as f64 / 1e6 / self.tick_count as f64
    }

    /// 100 × up / tick; 0 without ticks.
    pub fn uptime_percent(&self) -> f64 {
        if self.tick_count == 0 {
            return 0.0;
        }
        100.0 * self.up_count as f64 / self.tick_count as f64
    }
}

/// What a tick does to the events of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventChange {
    /// The newest event lasts on.
    Lasts,
    /// An event begins at `at_ms`; the one that was open, if any, ends at that very instant.
    Begins {
        /// What begins.
        state: State,
        /// When, in unix milliseconds.
        at_ms: i64,
    },
}

/// The tally after one more tick, and what the tick does to the events.
///
/// An event never begins before the one it ends: when the wall clock was set back between two ticks, the change
/// is dated to the start of the older event.
pub fn rollup(
    before: &Tally,
    state: State,
    at_ms: i64,
    response_time: Duration,
) -> (Tally, EventChange) {
    let mut after = Tally {
        tick_count: before.tick_count + 1,
        up_count: before.up_count + u64::from(state == State::Up),
        response_time_sum: before.response_time_sum + response_time,
        latest: before.latest,
    };
    if before.latest.is_some_and(|latest| latest.open && latest.state == state) {
        return (after, EventChange::Lasts);
    }
    let at_ms = before.latest.map_or(at_ms, |latest| at_ms.max(latest.started_at_ms));
    after.latest = Some(LatestEvent { state, started_at_ms: at_ms, open: true });
    (after, EventChange::Begins { state, at_ms })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_first_tick_begins_an_event() {
        let (tally, change) = rollup(&Tally::default(), State::Down, 1_000, ms(5));
        assert_eq!(change, EventChange::Begins { state: State::Down, at_ms: 1_000 });
        assert_eq!((tally.tick_count, tally.up_count, tally.down_count()), (1, 0, 1));
    }

    #[test]
    fn the_same_state_again_lasts_on() {
        let (first, _) = rollup(&Tally::default(), State::Up, 1_000, ms(10));
        let (second, change) = rollup(&first, State::Up, 2_000, ms(20));
        assert_eq!(change, EventChange::Lasts);
        assert_eq!(second.latest, first.latest);
        assert_eq!(second.average_response_time_ms(), 15.0);
    }

    #[test]
    fn a_clock_set_back_never_makes_an_event_that_ends_before_it_began() {
        let (up, _) = rollup(&Tally::default(), State::Up, 5_000, ms(1));
        let (_, change) = rollup(&up, State::Down, 3_000, ms(1));
        assert_eq!(change, EventChange::Begins { state: State::Down, at_ms: 5_000 });
    }

    #[test]
    fn a_closed_event_is_not_continued() {
        let closed = LatestEvent { state: State::Up, started_at_ms: 1_000, open: false };
        let before = Tally { latest: Some(closed), ..Tally::default() };
        let (_, change) = rollup(&before, State::Up, 9_000, ms(1));
        assert_eq!(change, EventChange::Begins { state: State::Up, at_ms: 9_000 });
    }

    #[test]
    fn a_tally_without_ticks_divides_by_nothing() {
        let none = Tally::default();
        assert_eq!((none.average_response_time_ms(), none.uptime_percent()), (0.0, 0.0));
    }

    proptest! {
        /// Any sequence of ticks gives the counts, mean and events of a naive recount.
        #[test]
        fn a_recount_agrees(ticks in prop::collection::vec((any::<bool>(), 0u64..60_000_000), 0..200)) {
            let mut tally = Tally::default();
            let mut events: Vec<(State, i64)> = Vec::new();
            for (slot, &(up, micros)) in ticks.iter().enumerate() {
                let state = if up { State::Up } else { State::Down };
                let at_ms = slot as i64 * 1_000;
                let (after, change) = rollup(&tally, state, at_ms, Duration::from_micros(micros));
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
            prop_assert_eq!(tally.latest.map(|e| (e.state, e.started_at_ms)), naive.last().copied());
        }
    }
}
