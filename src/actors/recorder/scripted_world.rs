//! A scripted world: a target that goes up and down, and every cause of a hole. The history that
//! the buffer, the observations, the ledger and a real store make of it is compared with an oracle
//! second by second. `PROPTEST_CASES=1500` takes about five minutes.
//!
//! The causes: local faults, probes that are never made, a store that fails until the buffer
//! overflows, a stall of the process, a loss of the local network, a pause, a restart.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::buffer::Buffer;
use super::observation::Observations;
use crate::domain::time::stall::Stall;
use crate::domain::{Failure, Outcome, Reason, ServiceId, State, Totals, Window, sample};
use crate::spec::Patch;
use crate::storage::contract::fixture::{Fixture, Kind, START_MS};
use crate::storage::history::uptime::{spans, totals_of};
use crate::storage::ledger::Ledger;
use crate::storage::records::Change;

/// Buffered outcomes.
const BUFFER_LIMIT: usize = 3;

/// Delay beyond the allowance that makes no hole, and one second for the resolution of the script.
const LATENESS_S: i64 = 2;

/// What happens for some seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    TargetUp,
    TargetDown,
    LocalFault,
    NoProbe,
    StoreFails,
    NetworkLost,
    /// The process does nothing, and then notes the stall.
    Stall,
    Pause,
    /// The process is off, and then starts on the same store.
    Off,
    /// Not an act of its own: seals the ticks so far.
    Seal,
}

#[derive(Debug, Clone)]
struct Script {
    interval_s: i64,
    /// At most 2.
    timeouts_beyond: i64,
    acts: Vec<(Act, i64)>,
}

impl Script {
    /// Not a multiple of the interval, so that no result arrives when the allowance ends.
    fn allowance_s(&self) -> i64 {
        let timeout_s = self.timeouts_beyond * self.interval_s + 1;
        (2 * self.interval_s).max(self.interval_s + timeout_s)
    }
}

fn any_script() -> impl Strategy<Value = Script> {
    let act = prop::sample::select(vec![
        Act::TargetUp,
        Act::TargetUp,
        Act::TargetDown,
        Act::TargetDown,
        Act::LocalFault,
        Act::NoProbe,
        Act::StoreFails,
        Act::NetworkLost,
        Act::Stall,
        Act::Pause,
        Act::Off,
        Act::Seal,
    ]);
    let acts = prop::collection::vec((act, prop_oneof![1i64..20, 20i64..200]), 1..25);
    (4i64..12, 0i64..3, acts).prop_map(|(interval_s, timeouts_beyond, acts)| Script {
        interval_s,
        timeouts_beyond,
        acts,
    })
}

/// What is known about a service in one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Only(State),
    /// The rule leaves it open: the state of the last result, or unknown.
    OrUnknown(State),
}

/// The oracle: what was recorded, and what happened in between.
#[derive(Debug, Default)]
struct Truth {
    /// Recorded results: second and state. A pause and its end are entries as well.
    known: Vec<(i64, State)>,
    /// Seconds of dropped results.
    dropped: Vec<i64>,
    /// Stalls and times off, from and to.
    standing: Vec<(i64, i64, Standing)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Stall,
    Off,
}

impl Truth {
    /// What holds from one known entry to the next, at second `at`.
    fn expected(&self, script: &Script, now_s: i64, at: i64) -> Option<Expected> {
        let nth = self.known.iter().rposition(|(from, _)| *from <= at)?;
        let (from, state) = self.known[nth];
        let to = self.known.get(nth + 1).map_or(now_s, |(to, _)| *to);
        if matches!(state, State::Paused | State::Unknown) {
            return Some(Expected::Only(state));
        }
        let within = |at: &&i64| (from..to).contains(*at);
        let dropped = self.dropped.iter().find(within).copied();
        let standing: Vec<_> =
            self.standing.iter().filter(|(begin, end, _)| *begin < to && *end > from).collect();
        let is_ended = nth + 1 < self.known.len();
        let allowance = script.allowance_s();
        if standing.is_empty() {
            let is_pause = self.known.get(nth + 1).is_some_and(|(_, next)| *next == State::Paused);
            let is_hole = to - from > allowance + LATENESS_S
                || (is_ended && !is_pause && dropped.is_some() && to - from > allowance);
            if !is_hole {
                let is_short = to - from <= allowance;
                return Some(if is_short {
                    Expected::Only(state)
                } else {
                    Expected::OrUnknown(state)
                });
            }
            // A result that is dropped after the hole was found does not move its start.
            let found = from + allowance + LATENESS_S;
            let begin = dropped.filter(|at| *at <= found).unwrap_or(from);
            return Some(if at >= begin {
                Expected::Only(State::Unknown)
            } else {
                Expected::Only(state)
            });
        }
        // Time in which the process stood still is unknown, and so is everything until the next
        // result, unless it was off for at most an interval. Before, the rule of the allowance
        // holds, and what was dropped may belong to the hole.
        for (begin, end, kind) in standing {
            let is_unobserved = *kind == Standing::Stall || end - begin > script.interval_s;
            if at >= *begin && is_unobserved {
                return Some(Expected::Only(State::Unknown));
            }
        }
        let until_first = self.standing.iter().find(|(begin, ..)| *begin >= from);
        let first = until_first.map_or(to, |(begin, ..)| *begin);
        if first - from > allowance + LATENESS_S && dropped.is_none() && at < first {
            return Some(Expected::Only(State::Unknown));
        }
        Some(Expected::OrUnknown(state))
    }
}

struct World {
    f: Fixture,
    observations: Observations,
    buffer: Buffer,
    start: Instant,
    now_s: i64,
    script: Script,
    is_up: bool,
    truth: Truth,
    /// Since when the store fails.
    is_failing: bool,
}

impl World {
    fn new(script: Script) -> Self {
        let f = Fixture::new(Kind::Sqlite.open(), 1);
        let mut world = Self {
            f,
            observations: Observations::default(),
            buffer: Buffer::new(BUFFER_LIMIT),
            start: Instant::now(),
            now_s: 0,
            script,
            is_up: true,
            truth: Truth::default(),
            is_failing: false,
        };
        world.watch();
        world
    }

    fn id(&self) -> ServiceId {
        self.f.ids[0]
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.now_s.cast_unsigned())
    }

    fn now_ms(&self) -> i64 {
        START_MS + self.now_s * 1_000
    }

    fn watch(&mut self) {
        let allowance = Duration::from_secs(self.script.allowance_s().cast_unsigned());
        let last_ms =
            self.truth.known.last().map_or(self.now_ms(), |(at, _)| START_MS + at * 1_000);
        self.observations.watch(self.id(), allowance, last_ms, self.now());
    }

    fn run(&mut self) {
        // Every script begins with a result.
        self.second(Act::TargetUp);
        for (act, seconds) in self.script.acts.clone() {
            match act {
                Act::TargetUp => self.is_up = true,
                Act::TargetDown => self.is_up = false,
                Act::Seal if self.f.begin_sealing() => self.f.seal_rest(5, self.now_ms()),
                Act::StoreFails => self.is_failing = true,
                Act::Pause => self.pause(true),
                Act::Stall if seconds <= 10 => continue,
                Act::Stall | Act::Off => {
                    self.stand_still(act, seconds);
                    continue;
                }
                _ => {}
            }
            for _ in 0..seconds {
                self.second(act);
            }
            self.is_failing = false;
            if act == Act::Pause {
                self.pause(false);
            }
        }
        self.flush();
    }

    /// A probe if one is due, the check for holes, and a commit.
    fn second(&mut self, act: Act) {
        let is_due = self.now_s % self.script.interval_s == 0;
        if is_due && !matches!(act, Act::NoProbe | Act::Pause) {
            self.receive(act);
        }
        self.observations.overdue(self.now());
        self.buffer_holes();
        self.commit();
        self.now_s += 1;
    }

    fn buffer_holes(&mut self) {
        while self.buffer.has_room()
            && let Some(hole) = self.observations.next_hole()
        {
            self.buffer.push(hole, self.now());
        }
    }

    /// The store takes writes again, until everything is written.
    fn flush(&mut self) {
        self.is_failing = false;
        self.commit();
        self.buffer_holes();
        self.commit();
    }

    /// As the recorder does.
    fn receive(&mut self, act: Act) {
        let reason = match act {
            Act::LocalFault => Some(Reason::LocalPorts),
            Act::NetworkLost => Some(Reason::Timeout),
            _ => (!self.is_up).then_some(Reason::Status),
        };
        let outcome = Outcome {
            failure: reason.map(|reason| Failure::new(reason, "")),
            network_down: act == Act::NetworkLost,
            ..sample::outcome(self.id().get(), self.now_ms())
        };
        if act == Act::LocalFault {
            return self.observations.failed(&outcome);
        }
        if !self.buffer.has_room() {
            self.truth.dropped.push(self.now_s);
            return self.observations.dropped(&outcome);
        }
        let state = match (act, self.is_up) {
            (Act::NetworkLost, _) => State::Unknown,
            (_, true) => State::Up,
            (_, false) => State::Down,
        };
        self.truth.known.push((self.now_s, state));
        match self.observations.recorded(&outcome, self.now()).hole {
            Some(hole) => self.buffer.push_behind_hole(hole, outcome, self.now()),
            None => self.buffer.push(outcome, self.now()),
        };
    }

    fn commit(&mut self) {
        if self.is_failing {
            return;
        }
        let group = self.buffer.take_group(self.now());
        self.f.commit(&group, self.now_ms());
        self.buffer.group_done();
    }

    fn pause(&mut self, is_paused: bool) {
        self.flush();
        let id = self.id();
        let change = [("enabled".to_owned(), (!is_paused).into())].into_iter().collect();
        let patch = Patch::new(change).unwrap();
        self.f.writer.define(Change::Update(id, patch), self.now_ms()).unwrap();
        self.f.ledger.forget(id);
        if is_paused {
            self.observations.unwatch(id);
            self.truth.known.push((self.now_s, State::Paused));
        } else {
            self.truth.known.push((self.now_s, State::Unknown));
            self.watch();
        }
    }

    fn stand_still(&mut self, act: Act, seconds: i64) {
        self.flush();
        let from_s = self.now_s;
        let from_ms = self.now_ms();
        self.f.commit(&[], from_ms);
        self.now_s += seconds;
        if act == Act::Stall {
            let Stall { from_ms, to_ms } = Stall { from_ms, to_ms: self.now_ms() };
            self.f.writer.record_stall(from_ms, to_ms).unwrap();
            self.f.ledger.stalled(to_ms);
            self.observations.stalled(self.now());
            self.truth.standing.push((from_s, self.now_s, Standing::Stall));
            return;
        }
        let interval = Duration::from_secs(self.script.interval_s.cast_unsigned());
        self.f.writer.close_gap(self.now_ms(), interval).unwrap();
        self.f.ledger = Ledger::default();
        self.observations = Observations::default();
        self.watch();
        self.truth.standing.push((from_s, self.now_s, Standing::Off));
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let end_ms = self.now_ms();
        let id = self.id();
        let events = spans(&mut *self.f.reader, id, Window::ALL).unwrap();
        for pair in events.windows(2) {
            prop_assert_eq!(pair[0].to_ms, Some(pair[1].from_ms));
        }
        prop_assert_eq!(events.iter().filter(|span| span.to_ms.is_none()).count(), 1);
        for at in 0..self.now_s {
            let at_ms = START_MS + at * 1_000 + 500;
            let actual = events
                .iter()
                .find(|span| span.from_ms <= at_ms && span.to_ms.is_none_or(|to_ms| at_ms < to_ms))
                .map(|span| span.state);
            let Some(expected) = self.truth.expected(&self.script, self.now_s, at) else {
                continue;
            };
            let holds = match expected {
                Expected::Only(state) => actual == Some(state),
                Expected::OrUnknown(state) => {
                    actual == Some(state) || actual == Some(State::Unknown)
                }
            };
            prop_assert!(holds, "second {at}: {actual:?}, expected {expected:?}\n{:?}", self.truth);
        }
        let window = Window { from_ms: START_MS, to_ms: end_ms };
        let totals: Totals = totals_of(&events, window);
        prop_assert_eq!(totals.total(), (end_ms - START_MS).cast_unsigned());
        self.f.assert_consistent();
        Ok(())
    }
}

/// `PROPTEST_CASES`, or a number that takes a few seconds.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig::with_cases(cases.unwrap_or(32))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_history_of_a_scripted_world_says_nothing_about_time_without_results(
        script in any_script()
    ) {
        let mut world = World::new(script);
        world.run();
        world.check()?;
    }
}
