//! The model of a history: plain lists, which are never read from the store.

use crate::domain::history::timeline::TimeKind;
use crate::domain::{CountAs, Span, State, StoredTick, Thresholds, Totals, Window};

/// A service with its whole history.
#[derive(Debug, Default)]
pub struct Service {
    pub is_enabled: bool,
    pub thresholds: Thresholds,
    /// Every tick in the order of its number, the first of which is 1.
    pub ticks: Vec<StoredTick>,
    /// Whether retention has deleted the tick of the same index.
    pub is_expired: Vec<bool>,
    /// Every event, oldest first.
    pub events: Vec<Span>,
    /// When its last tick was committed, in whole seconds.
    pub recorded_s: Option<i64>,
    was_up: Option<bool>,
    /// Consecutive ticks that differ from the newest event.
    run: Vec<StoredTick>,
}

impl Service {
    pub fn new(thresholds: Thresholds) -> Self {
        Self { is_enabled: true, thresholds, ..Self::default() }
    }

    pub fn tick(&mut self, tick: StoredTick) {
        self.ticks.push(tick);
        self.is_expired.push(false);
        if self.events.last().is_some_and(|event| event.state == tick.state) {
            self.run.clear();
            return;
        }
        if self.run.last().is_some_and(|last| last.state != tick.state) {
            self.run.clear();
        }
        self.run.push(tick);
        let needed = match (tick.state, self.was_up) {
            (State::Down, None | Some(true)) => self.thresholds.failure,
            (State::Up, Some(false)) => self.thresholds.success,
            _ => 1,
        };
        if self.run.len() as u32 >= needed {
            self.begin(tick.state, self.run[0].at_ms);
        }
    }

    /// A gap from `from_ms` to now. Streaks count from now.
    pub fn gap(&mut self, from_ms: i64, now_ms: i64) {
        let run = self.run.iter().map(|tick| StoredTick { at_ms: now_ms, ..*tick }).collect();
        let state = if self.is_enabled { State::Unknown } else { State::Paused };
        if self.events.last().is_some_and(|event| event.state != state) {
            self.begin(state, from_ms);
        }
        self.run = run;
    }

    /// Whether it missed more than one interval between `from_ms` and `now_ms`. The last tick is
    /// sealed or not.
    pub fn missed(&self, from_ms: i64, now_ms: i64, interval_ms: i64, is_sealed: bool) -> bool {
        let last_ms = match self.ticks.last() {
            Some(tick) if !is_sealed => Some(tick.at_ms),
            _ => self.recorded_s.map(|at_s| at_s * 1_000),
        };
        let is_old = last_ms.is_some_and(|at_ms| now_ms - at_ms > 2 * interval_ms);
        !self.is_enabled || now_ms - from_ms > interval_ms || is_old
    }

    /// The clock is set back by `by_ms` to `now_ms`, or everything is cut there (0); the newest
    /// `fresh` ticks are not sealed.
    pub fn set_back(&mut self, by_ms: i64, now_ms: i64, fresh: usize) {
        let moved = |at_ms: i64| if at_ms > now_ms { (at_ms - by_ms).min(now_ms) } else { at_ms };
        let sealed = self.ticks.len() - fresh;
        for tick in self.ticks.iter_mut().skip(sealed) {
            tick.at_ms = moved(tick.at_ms);
        }
        for tick in &mut self.run {
            tick.at_ms =
                if tick.state == State::Down { tick.at_ms - by_ms } else { moved(tick.at_ms) };
        }
        self.recorded_s = self.recorded_s.map(|at_s| {
            let is_later = at_s * 1_000 > now_ms;
            if is_later { (at_s - by_ms / 1_000).min(now_ms / 1_000) } else { at_s }
        });
        // The old time of the end of the event, and the new one.
        let (mut end_ms, mut new_end_ms) = (now_ms + by_ms, now_ms);
        for event in self.events.iter_mut().rev() {
            let old_ms = event.from_ms;
            let length_ms = end_ms - old_ms;
            let keeps_length = event.state == State::Down;
            event.to_ms = event.to_ms.map(|_| new_end_ms);
            if old_ms > now_ms {
                event.from_ms = moved(old_ms);
            } else if new_end_ms < end_ms && (keeps_length || new_end_ms < old_ms) {
                event.from_ms = new_end_ms - length_ms;
            }
            (end_ms, new_end_ms) = (old_ms, event.from_ms);
        }
    }

    pub fn enable(&mut self, is_enabled: bool, now_ms: i64) {
        if self.is_enabled && !is_enabled {
            self.run.clear();
            if !self.events.is_empty() {
                self.begin(State::Paused, now_ms);
            }
        }
        if !self.is_enabled && is_enabled && !self.events.is_empty() {
            self.begin(State::Unknown, now_ms);
        }
        self.is_enabled = is_enabled;
    }

    fn begin(&mut self, state: State, at_ms: i64) {
        let mut from_ms = at_ms;
        if let Some(last) = self.events.last_mut() {
            from_ms = from_ms.max(last.from_ms);
            last.to_ms = Some(from_ms);
        }
        self.events.push(Span { state, from_ms, to_ms: None });
        match state {
            State::Up => self.was_up = Some(true),
            State::Down => self.was_up = Some(false),
            State::Unknown | State::Paused => {}
        }
        self.run.clear();
    }

    /// Times of all ticks and events.
    pub fn moments_ms(&self) -> Vec<i64> {
        let ticks = self.ticks.iter().map(|tick| tick.at_ms);
        ticks.chain(self.events.iter().map(|event| event.from_ms)).collect()
    }

    /// The ticks that retention has not deleted, with their numbers, newest first.
    pub fn remaining(&self) -> impl Iterator<Item = (u64, StoredTick)> {
        let indices = (0..self.ticks.len()).rev().filter(|index| !self.is_expired[*index]);
        indices.map(|index| (index as u64 + 1, self.ticks[index]))
    }
}

/// How long each state holds in `window`, event by event.
pub fn totals(events: &[Span], window: Window) -> Totals {
    let mut totals = Totals::default();
    for event in events {
        let from_ms = event.from_ms.max(window.from_ms);
        let to_ms = event.to_ms.unwrap_or(i64::MAX).min(window.to_ms);
        totals.add(TimeKind::In(event.state), (to_ms - from_ms).max(0).cast_unsigned());
    }
    let all = (window.to_ms - window.from_ms).cast_unsigned();
    totals.add(TimeKind::In(State::Unknown), all - totals.total());
    totals
}

/// Time that counts as up and as down.
pub fn counted(totals: &Totals, unknown: CountAs) -> (u64, u64) {
    let unknown_ms = totals.unknown_ms;
    match unknown {
        CountAs::Exclude => (totals.up_ms, totals.down_ms),
        CountAs::Down => (totals.up_ms, totals.down_ms + unknown_ms),
        CountAs::Up => (totals.up_ms + unknown_ms, totals.down_ms),
    }
}

/// The response time of the nearest rank.
pub fn quantile(ticks: &[StoredTick], q: f64) -> Option<u64> {
    let mut spent: Vec<u64> = ticks.iter().map(|tick| tick.response_time_us).collect();
    spent.sort_unstable();
    let rank = (q * spent.len() as f64 - 1e-9).ceil().max(1.0) as usize;
    spent.get(rank - 1).copied()
}
