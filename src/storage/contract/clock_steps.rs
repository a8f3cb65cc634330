//! A wall clock that is set while results are recorded, and between two runs.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::fixture::{Fixture, Kind, START_MS, for_each_store, outcome, plain};
use super::ledger::events;
use crate::domain::time::clock_watch::{ClockWatch, Moment};
use crate::domain::time::step_back::StepBack;
use crate::domain::{Event, State};
use crate::storage::ledger::Ledger;

for_each_store!(
    a_clock_that_is_ahead_for_a_while_hides_no_outage,
    a_clock_that_is_ahead_at_the_start_keeps_the_outages,
    a_clock_that_is_set_back_soon_after_the_start_keeps_the_outages,
    a_step_back_moves_every_event_since_a_step_forward,
    a_step_back_outdates_the_roll_ups_of_moved_events,
    a_start_behind_the_store_moves_what_lies_ahead,
    a_result_is_not_compared_with_an_event_of_the_future,
    an_event_of_the_future_is_cut_without_moving_other_services,
    sealed_ticks_of_the_future_stay_and_answers_are_right,
    an_undone_step_forward_is_unknown_for_as_long_as_it_lasted,
    outages_keep_their_length_whatever_the_clock_does,
);

const STALL_AFTER: Duration = Duration::from_secs(10);
/// Between two results.
const INTERVAL_MS: i64 = 1_000;
const HOUR_MS: i64 = 3_600_000;

/// A process that records one result an interval, as the recorder and the writer do.
struct World {
    f: Fixture,
    watch: ClockWatch,
    instant: Instant,
    /// Monotonic milliseconds since the start of the test.
    at_ms: i64,
    wall_ms: i64,
    /// Monotonic milliseconds of the start of each event, and whether it began in this run.
    began: Vec<(i64, bool)>,
}

impl World {
    /// Starts with a wall clock that is ahead of [`START_MS`].
    fn new(kind: Kind, ahead_ms: i64) -> Self {
        let (instant, wall_ms) = (Instant::now(), START_MS + ahead_ms);
        let watch = ClockWatch::new(STALL_AFTER, Moment { instant, wall_ms });
        let f = Fixture::new(kind.open(), 1);
        Self { f, watch, instant, at_ms: 0, wall_ms, began: Vec::new() }
    }

    fn step(&mut self, by_ms: i64) {
        self.wall_ms += by_ms;
    }

    fn wait(&mut self, ms: i64) {
        self.instant += Duration::from_millis(ms.unsigned_abs());
        self.at_ms += ms;
        self.wall_ms += ms;
    }

    /// Results in `state`, one an interval.
    fn results(&mut self, state: State, count: usize) {
        for _ in 0..count {
            self.wait(INTERVAL_MS);
            self.record(state);
        }
    }

    fn record(&mut self, state: State) {
        let last = self.watch.last();
        let Moment { instant, wall_ms } = Moment { instant: self.instant, wall_ms: self.wall_ms };
        let change = self.watch.heartbeat(Moment { instant, wall_ms });
        let Fixture { ledger, writer, .. } = &mut self.f;
        if !change.back.is_empty() {
            ledger.step_back(&mut **writer, &change.back).unwrap();
        }
        if let Some(unobserved) = change.unobserved {
            let stall = unobserved.stall;
            writer.record_stall(stall.from_ms, stall.to_ms).unwrap();
            ledger.stalled(stall.to_ms);
            let elapsed = instant - last.instant;
            let stalled_ms = if elapsed > STALL_AFTER { elapsed.as_millis() as i64 } else { 0 };
            self.note_events(self.at_ms - stalled_ms);
        }
        let id = self.f.ids[0];
        self.f.commit(&[outcome(id, &plain(state, self.wall_ms))], self.wall_ms);
        self.note_events(self.at_ms);
        self.check(state);
    }

    fn restart(&mut self, ms: i64, step_ms: i64) {
        self.wait(ms);
        self.step(step_ms);
        self.f.ledger = Ledger::default();
        let now = Moment { instant: self.instant, wall_ms: self.wall_ms };
        self.watch = ClockWatch::new(STALL_AFTER, now);
        let interval = Duration::from_millis(INTERVAL_MS.unsigned_abs());
        let resumed = self.f.writer.close_gap(self.wall_ms, interval).unwrap();
        if let Some(stopped_at_ms) = resumed.stopped_at_ms {
            self.watch.started(stopped_at_ms);
        }
        self.note_events(self.at_ms);
        self.began.iter_mut().for_each(|(_, is_of_this_run)| *is_of_this_run = false);
    }

    /// Events that are new began at `at_ms`.
    fn note_events(&mut self, at_ms: i64) {
        let count = self.events().len();
        self.began.resize(count, (at_ms, true));
    }

    /// Oldest first.
    fn events(&mut self) -> Vec<Event> {
        let mut all = events(&mut *self.f.reader, self.f.ids[0]);
        all.sort_by_key(|event| event.id);
        all
    }

    fn states(&mut self) -> Vec<State> {
        self.events().iter().map(|event| event.state).collect()
    }

    /// Milliseconds on the wall clock, and on the monotonic one.
    fn lengths(&mut self) -> Vec<(State, i64, i64)> {
        let ends = self.began.iter().skip(1).map(|(at_ms, _)| *at_ms).chain([self.at_ms]);
        let monotonic: Vec<i64> =
            ends.zip(&self.began).map(|(to_ms, (from_ms, _))| to_ms - from_ms).collect();
        let now_ms = self.wall_ms;
        let events = self.events();
        let all = events.iter().zip(monotonic).map(|(event, monotonic_ms)| {
            let wall_ms = event.ended_ms.unwrap_or(now_ms) - event.started_ms;
            (event.state, wall_ms, monotonic_ms)
        });
        all.collect()
    }

    #[track_caller]
    fn check(&mut self, last: State) {
        let events = self.events();
        let now_ms = self.wall_ms;
        for event in &events {
            let ended_ms = event.ended_ms.unwrap_or(now_ms);
            assert!(event.started_ms <= ended_ms && ended_ms <= now_ms, "{event:?} at {now_ms}");
        }
        for pair in events.windows(2) {
            assert_eq!(pair[0].ended_ms, Some(pair[1].started_ms), "{pair:?}");
        }
        assert_eq!(events.last().map(|event| event.state), Some(last));
    }

    /// Each outage of this run has its length, within one interval.
    #[track_caller]
    fn check_outages(&mut self) {
        let lengths = self.lengths();
        let is_of_this_run = self.began.iter().map(|(_, is)| *is);
        for ((state, wall_ms, monotonic_ms), is_of_this_run) in lengths.iter().zip(is_of_this_run) {
            let is_right = (wall_ms - monotonic_ms).abs() <= INTERVAL_MS;
            assert!(*state != State::Down || !is_of_this_run || is_right, "{lengths:?}");
        }
    }
}

fn a_clock_that_is_ahead_for_a_while_hides_no_outage(kind: Kind) {
    for ahead_ms in [1_000, 3_000, 60_000, HOUR_MS, 24 * HOUR_MS] {
        let mut world = World::new(kind, 0);
        world.results(State::Up, 5);
        world.step(ahead_ms);
        world.results(State::Up, 5);
        world.step(-ahead_ms);
        world.results(State::Down, 5);
        world.results(State::Up, 1);
        assert_eq!(
            world.states(),
            [State::Up, State::Unknown, State::Up, State::Down, State::Up],
            "{ahead_ms}"
        );
        assert!(world.lengths().iter().all(|(_, wall_ms, monotonic_ms)| wall_ms == monotonic_ms));
        world.f.assert_consistent();
    }
}

fn a_clock_that_is_ahead_at_the_start_keeps_the_outages(kind: Kind) {
    for ahead_ms in [30_000, HOUR_MS] {
        let mut world = World::new(kind, 0);
        world.results(State::Up, 60);
        world.restart(5_000, ahead_ms);
        world.results(State::Up, 3);
        for _ in 0..3 {
            world.results(State::Down, 5);
            world.results(State::Up, 5);
        }
        world.step(-ahead_ms);
        world.results(State::Up, 1);
        let lengths = world.lengths();
        assert!(lengths.iter().all(|(_, wall_ms, is_ms)| wall_ms.abs_diff(*is_ms) <= 5_000));
        world.check_outages();
        let outages = lengths.iter().filter(|(state, ..)| *state == State::Down);
        assert_eq!(outages.map(|(_, wall_ms, _)| *wall_ms).collect::<Vec<_>>(), [5_000; 3]);
        world.f.assert_consistent();
    }
}

fn a_clock_that_is_set_back_soon_after_the_start_keeps_the_outages(kind: Kind) {
    for back_ms in [3_000, 8_000, 60_000, HOUR_MS] {
        let mut world = World::new(kind, 0);
        world.results(State::Up, 2);
        world.results(State::Down, 5);
        world.results(State::Up, 2);
        world.results(State::Down, 5);
        world.step(-back_ms);
        world.results(State::Down, 2);
        world.results(State::Up, 1);
        let outages = world.lengths().into_iter().filter(|(state, ..)| *state == State::Down);
        let outages: Vec<i64> = outages.map(|(_, wall_ms, _)| wall_ms).collect();
        assert_eq!(outages, [5_000, 7_000], "{back_ms}");
        world.f.assert_consistent();
    }
}

fn a_step_back_moves_every_event_since_a_step_forward(kind: Kind) {
    let mut world = World::new(kind, 0);
    world.results(State::Up, 5);
    world.step(HOUR_MS);
    for _ in 0..40 {
        world.results(State::Down, 2);
        world.results(State::Up, 1);
    }
    world.step(-HOUR_MS);
    world.results(State::Down, 1);
    let lengths = world.lengths();
    assert_eq!(lengths.len(), 83);
    assert!(
        lengths.iter().all(|(_, wall_ms, monotonic_ms)| wall_ms == monotonic_ms),
        "{lengths:?}"
    );
    world.f.assert_consistent();
}

/// Each store says by its own marks which events the times of the roll-ups contain.
fn a_step_back_outdates_the_roll_ups_of_moved_events(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 3);
    let (moved, other, later) = (f.ids[0], f.ids[1], f.ids[2]);
    for (id, at_ms) in [(moved, 1), (other, 2), (later, HOUR_MS)] {
        f.commit(&[outcome(id, &plain(State::Down, START_MS + at_ms))], START_MS);
    }
    let up_ms = START_MS + HOUR_MS + 1_000;
    f.commit(&[outcome(moved, &plain(State::Up, up_ms))], up_ms);
    f.seal(12, up_ms);
    assert!(f.ids.clone().into_iter().all(|id| f.reader.first_unsealed_event(id) == Ok(None)));
    let to_ms = START_MS + HOUR_MS + 500;
    let step = StepBack { by_ms: 5_000, to_ms, after_ms: to_ms };
    assert_eq!(f.writer.step_back(&[step]), Ok(3));
    let first = f.reader.first_unsealed_event(moved).unwrap();
    assert_eq!(first, Some(START_MS + 1 - 5_000), "an outage that ends later keeps its length");
    f.commit(&[outcome(moved, &plain(State::Up, to_ms))], to_ms);
    f.seal(12, to_ms);
    f.assert_consistent();
}

fn a_start_behind_the_store_moves_what_lies_ahead(kind: Kind) {
    let mut world = World::new(kind, HOUR_MS);
    world.results(State::Up, 5);
    world.results(State::Down, 5);
    world.restart(2_000, -HOUR_MS);
    assert_eq!(world.states(), [State::Up, State::Down, State::Unknown]);
    world.results(State::Down, 1);
    assert_eq!(world.lengths()[1], (State::Down, 4_000, 6_000), "up to its last result");
    assert!(world.lengths()[2].1 <= INTERVAL_MS);
    world.f.assert_consistent();
}

fn a_result_is_not_compared_with_an_event_of_the_future(kind: Kind) {
    let mut world = World::new(kind, 0);
    world.results(State::Up, 1);
    // Nothing has found the step.
    let id = world.f.ids[0];
    let now_ms = world.wall_ms - HOUR_MS;
    world.f.commit(&[outcome(id, &plain(State::Down, now_ms))], now_ms);
    world.wall_ms = now_ms;
    world.check(State::Down);
    world.f.assert_consistent();
}

/// The end of the last run is not later than the start, so no clock was set back.
fn an_event_of_the_future_is_cut_without_moving_other_services(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 2);
    let (down, ahead) = (f.ids[0], f.ids[1]);
    f.commit(&[outcome(down, &plain(State::Down, START_MS))], START_MS);
    let far_ms = START_MS + 10_000 * HOUR_MS;
    f.commit(&[outcome(ahead, &plain(State::Down, far_ms))], far_ms);
    let stopped_ms = START_MS + 5_000;
    f.commit(&[], stopped_ms);
    let now_ms = stopped_ms + 1_000;
    let resumed = f.writer.close_gap(now_ms, Duration::from_secs(15)).unwrap();
    assert_eq!((resumed.gap, resumed.stopped_at_ms), (None, Some(stopped_ms)));
    assert_eq!(resumed.set_back.map(|set_back| set_back.services), Some(1));
    let starts = |f: &mut Fixture, id| {
        let events = events(&mut *f.reader, id);
        events.iter().map(|event| event.started_ms).collect::<Vec<_>>()
    };
    assert_eq!((starts(&mut f, down), starts(&mut f, ahead)), (vec![START_MS], vec![now_ms]));
    f.assert_consistent();
}

/// Chunks are not written again: their ticks are listed with the old time, and windows up to now do
/// not contain them.
fn sealed_ticks_of_the_future_stay_and_answers_are_right(kind: Kind) {
    let mut world = World::new(kind, 0);
    world.results(State::Up, 5);
    world.step(2 * HOUR_MS);
    world.results(State::Down, 20);
    world.f.seal(12, world.wall_ms);
    let sealed: Vec<_> = world.f.ticks(world.f.ids[0]);
    world.results(State::Down, 5);
    world.step(-2 * HOUR_MS);
    world.results(State::Up, 5);
    world.check_outages();
    world.f.assert_consistent();
    let ticks = world.f.ticks(world.f.ids[0]);
    assert_eq!(ticks[10..], sealed[..]);
    assert!(ticks[..10].iter().all(|(_, tick)| tick.at_ms <= world.wall_ms));
    world.f.seal(12, world.wall_ms);
    world.f.assert_consistent();
    world.results(State::Up, 30);
    world.wait(3 * HOUR_MS);
    world.record(State::Up);
    world.f.seal(12, world.wall_ms);
    world.f.assert_consistent();
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { source_file: Some(file!()), ..ProptestConfig::with_cases(cases) }
}

fn any_state() -> impl Strategy<Value = State> {
    prop_oneof![Just(State::Up), Just(State::Down)]
}

fn any_size() -> impl Strategy<Value = i64> {
    prop_oneof![300i64..5_000, 300i64..100_000, 300i64..100_000_000_000]
}

fn an_undone_step_forward_is_unknown_for_as_long_as_it_lasted(kind: Kind) {
    let round = (any_state(), 1usize..9, any_size(), any_state(), 1usize..9);
    proptest!(config(24), |(rounds in prop::collection::vec(round, 1..6))| {
        let mut world = World::new(kind, 0);
        for (before, count, ahead_ms, ahead, while_ahead) in rounds {
            world.results(before, count);
            world.step(ahead_ms);
            world.results(ahead, while_ahead);
            world.step(-ahead_ms);
            world.results(before, 1);
            let lengths = world.lengths();
            let is_right = lengths.iter().all(|(_, wall_ms, monotonic_ms)| {
                (wall_ms - monotonic_ms).abs() <= 2 * while_ahead as i64
            });
            prop_assert!(is_right, "{:?}", lengths);
        }
        world.f.assert_consistent();
    });
}

#[derive(Debug, Clone)]
enum Action {
    Results(State, usize),
    Step(i64),
    Stall(i64),
    /// Milliseconds until the next run, and a step meanwhile.
    Restart(i64, i64),
}

fn any_action() -> impl Strategy<Value = Action> {
    let step = || prop_oneof![2 => any_size(), 3 => any_size().prop_map(|by_ms| -by_ms)];
    prop_oneof![
        6 => (any_state(), 1usize..9).prop_map(|(state, count)| Action::Results(state, count)),
        4 => step().prop_map(Action::Step),
        1 => (11_000i64..100_000).prop_map(Action::Stall),
        1 => (1i64..20_000, prop_oneof![Just(0), step()])
            .prop_map(|(ms, step_ms)| Action::Restart(ms, step_ms)),
    ]
}

/// [`World::check`] holds after each commit, too.
fn outages_keep_their_length_whatever_the_clock_does(kind: Kind) {
    proptest!(config(48), |(actions in prop::collection::vec(any_action(), 1..30))| {
        // Far from 1970.
        let mut world = World::new(kind, 30 * 100_000_000_000);
        for action in actions {
            match action {
                Action::Results(state, count) => world.results(state, count),
                Action::Step(by_ms) => world.step(by_ms),
                Action::Stall(ms) => world.wait(ms),
                Action::Restart(ms, step_ms) => world.restart(ms, step_ms),
            }
            if !matches!(action, Action::Step(_) | Action::Stall(_)) {
                world.check_outages();
            }
        }
        world.f.assert_consistent();
    });
}
