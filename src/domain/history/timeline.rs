//! Uptime from events: the time in each state within a window, and the outages.
//!
//! Unlike the share of ticks, the result does not depend on the interval of the probes.

use crate::domain::history::planned::Planned;
use crate::domain::rollup::state::State;

/// The period of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub state: State,
    /// Unix milliseconds.
    pub from_ms: i64,
    /// Unix milliseconds, exclusive; `None` while the event is open.
    pub to_ms: Option<i64>,
}

/// How time counts that is unknown, or planned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CountAs {
    /// Neither as up nor as down.
    #[default]
    Exclude,
    Down,
    Up,
}

impl CountAs {
    pub const ALL: [Self; 3] = [Self::Exclude, Self::Down, Self::Up];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exclude => "exclude",
            Self::Down => "down",
            Self::Up => "up",
        }
    }

    /// Inverse of [`as_str`](Self::as_str).
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.as_str() == word)
    }

    /// `None` for neither up nor down.
    fn state(self) -> Option<State> {
        match self {
            Self::Exclude => None,
            Self::Down => Some(State::Down),
            Self::Up => Some(State::Up),
        }
    }
}

/// How the times that are neither up nor down by themselves count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counting {
    pub unknown: CountAs,
    pub planned: CountAs,
}

impl Counting {
    /// Whether time of `kind` counts as up or as down; `None` for neither.
    fn counted(self, kind: TimeKind) -> Option<State> {
        match kind {
            TimeKind::In(State::Paused) => None,
            TimeKind::In(State::Unknown) => self.unknown.state(),
            TimeKind::In(state) => Some(state),
            TimeKind::Planned => self.planned.state(),
        }
    }
}

/// The category of a piece of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeKind {
    In(State),
    /// Down or unknown, under maintenance.
    Planned,
}

/// The time in each state. The sum is the length of the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub up_ms: u64,
    pub down_ms: u64,
    /// Unknown events, and time without events.
    pub unknown_ms: u64,
    pub paused_ms: u64,
    /// Down or unknown under maintenance; part of neither of them.
    pub planned_ms: u64,
}

impl Totals {
    /// Length of the window, in milliseconds.
    pub fn total(&self) -> u64 {
        let known_ms = self.up_ms.saturating_add(self.down_ms);
        let other_ms = self.unknown_ms.saturating_add(self.paused_ms);
        known_ms.saturating_add(other_ms).saturating_add(self.planned_ms)
    }

    pub fn add(&mut self, kind: TimeKind, ms: u64) {
        let sum = match kind {
            TimeKind::In(State::Up) => &mut self.up_ms,
            TimeKind::In(State::Down) => &mut self.down_ms,
            TimeKind::In(State::Unknown) => &mut self.unknown_ms,
            TimeKind::In(State::Paused) => &mut self.paused_ms,
            TimeKind::Planned => &mut self.planned_ms,
        };
        *sum = sum.saturating_add(ms);
    }

    /// With the planned time in the category as which it counts.
    pub fn with_planned(mut self, planned: CountAs) -> Self {
        if let Some(state) = planned.state() {
            let planned_ms = std::mem::take(&mut self.planned_ms);
            self.add(TimeKind::In(state), planned_ms);
        }
        self
    }
}

/// The outages of a window.
///
/// An outage is the time that counts as down before the next time that counts as up. Time that
/// counts as neither does not end an outage and does not lengthen it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outages {
    pub count: u64,
    pub longest_ms: u64,
    pub total_ms: u64,
}

impl Outages {
    /// Counts an outage that has ended, or that lasts beyond the window.
    fn add(&mut self, ms: u64) {
        self.count += 1;
        self.longest_ms = self.longest_ms.max(ms);
        self.total_ms = self.total_ms.saturating_add(ms);
    }
}

/// The uptime of a service over a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uptime {
    /// Unknown and planned time are separate here.
    pub totals: Totals,
    /// Unknown and planned time count as `counting` selects.
    pub outages: Outages,
    pub counting: Counting,
}

impl Uptime {
    /// Time that counts as up, in milliseconds.
    pub fn up_ms(&self) -> u64 {
        self.totals.up_ms.saturating_add(self.other_ms(CountAs::Up))
    }

    /// Time that counts as down, in milliseconds.
    pub fn down_ms(&self) -> u64 {
        self.totals.down_ms.saturating_add(self.other_ms(CountAs::Down))
    }

    /// 100 × up / (up + down); `None` without known time.
    pub fn percent(&self) -> Option<f64> {
        let (up_ms, down_ms) = (self.up_ms() as f64, self.down_ms() as f64);
        (up_ms + down_ms > 0.0).then(|| 100.0 * up_ms / (up_ms + down_ms))
    }

    /// Mean time to repair in milliseconds: mean length of the outages; `None` without outages.
    pub fn mttr_ms(&self) -> Option<f64> {
        self.per_outage(self.outages.total_ms)
    }

    /// Mean time between failures in milliseconds: time up ÷ outages; `None` without outages.
    pub fn mtbf_ms(&self) -> Option<f64> {
        self.per_outage(self.up_ms())
    }

    /// Unknown and planned time that counts as `counted_as`.
    fn other_ms(&self, counted_as: CountAs) -> u64 {
        let Counting { unknown, planned } = self.counting;
        let unknown_ms = if unknown == counted_as { self.totals.unknown_ms } else { 0 };
        let planned_ms = if planned == counted_as { self.totals.planned_ms } else { 0 };
        unknown_ms.saturating_add(planned_ms)
    }

    fn per_outage(&self, ms: u64) -> Option<f64> {
        (self.outages.count > 0).then(|| ms as f64 / self.outages.count as f64)
    }
}

/// The time in each state from `from_ms` up to but not including `to_ms`.
///
/// `spans` are the events of one service, oldest first. Time without an event is unknown, an open
/// event lasts until `to_ms`, and where events overlap the older one counts.
pub fn totals(spans: &[Span], planned: &Planned, from_ms: i64, to_ms: i64) -> Totals {
    let mut totals = Totals::default();
    for_each_piece(spans, planned, from_ms, to_ms, |kind, ms| totals.add(kind, ms));
    totals
}

/// The uptime from `from_ms` up to but not including `to_ms`, with `spans` as for [`totals`].
pub fn uptime(
    spans: &[Span],
    planned: &Planned,
    (from_ms, to_ms): (i64, i64),
    counting: Counting,
) -> Uptime {
    let mut uptime = Uptime { counting, ..Uptime::default() };
    let mut outage_ms = None;
    for_each_piece(spans, planned, from_ms, to_ms, |kind, ms| {
        uptime.totals.add(kind, ms);
        match counting.counted(kind) {
            Some(State::Down) => outage_ms = Some(outage_ms.unwrap_or(0) + ms),
            Some(_) => outage_ms.take().into_iter().for_each(|ms| uptime.outages.add(ms)),
            None => {}
        }
    });
    outage_ms.into_iter().for_each(|ms| uptime.outages.add(ms));
    uptime
}

/// Calls `each` with the category and the length in milliseconds of each piece of the window, in
/// order. No length is 0, and the sum is the length of the window for any `spans`.
fn for_each_piece(
    spans: &[Span],
    planned: &Planned,
    from_ms: i64,
    to_ms: i64,
    mut each: impl FnMut(TimeKind, u64),
) {
    for_each_state(spans, from_ms, to_ms, |state, from_ms, to_ms| match state {
        State::Up | State::Paused => each(TimeKind::In(state), to_ms.abs_diff(from_ms)),
        State::Down | State::Unknown => planned.split(from_ms, to_ms, |is_planned, ms| {
            each(if is_planned { TimeKind::Planned } else { TimeKind::In(state) }, ms);
        }),
    });
}

/// Calls `each` with the state, the begin and the end of each piece of the window, in order.
fn for_each_state(spans: &[Span], from_ms: i64, to_ms: i64, mut each: impl FnMut(State, i64, i64)) {
    let mut covered_to_ms = from_ms;
    // The end of the window without an event is unknown too.
    let rest = Span { state: State::Unknown, from_ms, to_ms: Some(to_ms) };
    for span in spans.iter().chain([&rest]) {
        let begins_ms = span.from_ms.max(covered_to_ms);
        let ends_ms = span.to_ms.map_or(to_ms, |ends_ms| ends_ms.min(to_ms));
        if begins_ms >= ends_ms {
            continue;
        }
        if covered_to_ms < begins_ms {
            each(State::Unknown, covered_to_ms, begins_ms);
        }
        each(span.state, begins_ms, ends_ms);
        covered_to_ms = ends_ms;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::State::{Down, Paused, Unknown, Up};
    use super::*;

    fn totals(spans: &[Span], from_ms: i64, to_ms: i64) -> Totals {
        super::totals(spans, Planned::NONE, from_ms, to_ms)
    }

    fn uptime(spans: &[Span], from_ms: i64, to_ms: i64, unknown: CountAs) -> Uptime {
        let counting = Counting { unknown, ..Counting::default() };
        super::uptime(spans, Planned::NONE, (from_ms, to_ms), counting)
    }

    /// Consecutive events with these lengths in milliseconds.
    fn spans(lengths: &[(State, i64)]) -> Vec<Span> {
        let mut at_ms = 0;
        let mut spans = Vec::new();
        for (state, length_ms) in lengths {
            let from_ms = at_ms;
            at_ms += length_ms;
            spans.push(Span { state: *state, from_ms, to_ms: Some(at_ms) });
        }
        spans
    }

    /// Number, longest and total of the outages.
    fn outages(lengths: &[(State, i64)], unknown: CountAs) -> (u64, u64, u64) {
        let spans = spans(lengths);
        let to_ms = spans.last().and_then(|last| last.to_ms).unwrap_or(0);
        let outages = uptime(&spans, 0, to_ms, unknown).outages;
        (outages.count, outages.longest_ms, outages.total_ms)
    }

    #[test]
    fn names_parse_back() {
        for choice in CountAs::ALL {
            assert_eq!(CountAs::from_word(choice.as_str()), Some(choice));
        }
        assert_eq!(CountAs::from_word("Up"), None);
    }

    #[test]
    fn a_window_without_events_is_unknown() {
        assert_eq!(totals(&[], 0, 10), Totals { unknown_ms: 10, ..Totals::default() });
        let uptime = uptime(&[], 0, 10, CountAs::Exclude);
        assert_eq!((uptime.percent(), uptime.mttr_ms(), uptime.mtbf_ms()), (None, None, None));
        assert_eq!(totals(&[], 10, 10).total(), 0);
        assert_eq!(totals(&[], 10, 0).total(), 0, "a window that ends before it begins is empty");
        assert_eq!(totals(&[], i64::MIN, i64::MAX).unknown_ms, u64::MAX);
    }

    #[test]
    fn an_open_event_lasts_to_the_end_of_the_window() {
        let lasting = [Span { state: Up, from_ms: 4, to_ms: None }];
        assert_eq!(
            totals(&lasting, 0, 10),
            Totals { up_ms: 6, unknown_ms: 4, ..Totals::default() }
        );
        assert_eq!(totals(&lasting, 0, 3).unknown_ms, 3, "the event begins later");
    }

    #[test]
    fn an_outage_ends_with_time_that_counts_as_up() {
        let gap = [(Up, 9), (Down, 2), (Unknown, 3), (Paused, 5), (Down, 1), (Up, 9), (Down, 4)];
        assert_eq!(outages(&gap, CountAs::Exclude), (2, 4, 7), "unknown time does not end it");
        assert_eq!(outages(&gap, CountAs::Down), (2, 6, 10), "unknown time is a part of it");
        assert_eq!(outages(&gap, CountAs::Up), (3, 4, 7), "unknown time ends it");
        let between = [(Up, 5), (Unknown, 3), (Up, 5)];
        assert_eq!(outages(&between, CountAs::Down), (1, 3, 3));
        assert_eq!(outages(&between, CountAs::Exclude), (0, 0, 0));
        let instant = [(Down, 2), (Up, 0), (Down, 2), (Up, 1), (Down, 0)];
        assert_eq!(
            outages(&instant, CountAs::Up),
            (1, 4, 4),
            "a span without length does not count"
        );
    }

    #[test]
    fn means_are_per_outage() {
        let spans = spans(&[(Up, 90), (Down, 2), (Up, 100), (Down, 8), (Unknown, 50)]);
        let uptime = uptime(&spans, 0, 250, CountAs::Exclude);
        assert_eq!(uptime.percent(), Some(95.0));
        assert_eq!((uptime.mttr_ms(), uptime.mtbf_ms()), (Some(5.0), Some(95.0)));
        let counting = Counting { unknown: CountAs::Down, ..Counting::default() };
        let strict = Uptime { counting, ..uptime };
        assert_eq!((strict.up_ms(), strict.down_ms()), (190, 60));
    }

    /// The state of the oldest event that covers the millisecond `at_ms`.
    fn at(spans: &[Span], at_ms: i64) -> State {
        let covers = |span: &&Span| {
            span.from_ms <= at_ms && span.to_ms.is_none_or(|ends_ms| at_ms < ends_ms)
        };
        spans.iter().find(covers).map_or(Unknown, |span| span.state)
    }

    /// The uptime, computed for each millisecond.
    fn naive(
        spans: &[Span],
        planned: &[(i64, i64)],
        window: std::ops::Range<i64>,
        counting: Counting,
    ) -> Uptime {
        let mut naive = Uptime { counting, ..Uptime::default() };
        // Length of each outage; the last outage is open until the next time that counts as up.
        let (mut lengths, mut is_open) = (Vec::new(), false);
        for at_ms in window {
            let state = at(spans, at_ms);
            let is_planned =
                planned.iter().any(|(from_ms, to_ms)| (*from_ms..*to_ms).contains(&at_ms));
            let sum = match state {
                Up => &mut naive.totals.up_ms,
                Paused => &mut naive.totals.paused_ms,
                Down | Unknown if is_planned => &mut naive.totals.planned_ms,
                Down => &mut naive.totals.down_ms,
                Unknown => &mut naive.totals.unknown_ms,
            };
            *sum += 1;
            let (is_up, is_down) = match state {
                Up => (true, false),
                Paused => (false, false),
                Down | Unknown if is_planned => {
                    (counting.planned == CountAs::Up, counting.planned == CountAs::Down)
                }
                Down => (false, true),
                Unknown => (counting.unknown == CountAs::Up, counting.unknown == CountAs::Down),
            };
            if is_down && !is_open {
                lengths.push(0);
                is_open = true;
            }
            if is_down {
                *lengths.last_mut().unwrap() += 1;
            }
            is_open &= !is_up;
        }
        naive.outages.count = lengths.len() as u64;
        naive.outages.longest_ms = lengths.iter().copied().max().unwrap_or(0);
        naive.outages.total_ms = lengths.iter().sum();
        naive
    }

    fn any_state() -> impl Strategy<Value = State> {
        prop::sample::select(&[Up, Down, Unknown, Paused][..])
    }

    /// Ordered events, some with gaps between them, without length or overlapping; the last may be
    /// open.
    fn any_spans() -> impl Strategy<Value = Vec<Span>> {
        let step = prop_oneof![2 => Just(0_i64), 3 => 0..30_i64, 1 => -10..0_i64];
        let length = prop_oneof![1 => Just(0_i64), 4 => 0..40_i64];
        let pieces = prop::collection::vec((any_state(), step, length), 0..14);
        (pieces, -20..40_i64, any::<bool>()).prop_map(|(pieces, begins_ms, lasts)| {
            let mut at_ms = begins_ms;
            let mut spans = Vec::new();
            for (state, step_ms, length_ms) in pieces {
                at_ms += step_ms;
                spans.push(Span { state, from_ms: at_ms, to_ms: Some(at_ms + length_ms) });
                at_ms += length_ms;
            }
            spans.sort_by_key(|span| span.from_ms);
            if let Some(last) = spans.last_mut().filter(|_| lasts) {
                last.to_ms = None;
            }
            spans
        })
    }

    proptest! {
        #[test]
        fn the_uptime_agrees_with_a_naive_computation(
            spans in any_spans(),
            from_ms in 0..120_i64,
            length_ms in 0..120_i64,
            unknown in prop::sample::select(&CountAs::ALL[..]),
            counted in prop::sample::select(&CountAs::ALL[..]),
            spans_planned in prop::collection::vec((-20..160_i64, 0..50_i64), 0..4),
        ) {
            let to_ms = from_ms + length_ms;
            let counting = Counting { unknown, planned: counted };
            let spans_planned: Vec<(i64, i64)> =
                spans_planned.iter().map(|(begin, length)| (*begin, begin + length)).collect();
            let planned = Planned::new(spans_planned.iter().copied());
            let uptime = super::uptime(&spans, &planned, (from_ms, to_ms), counting);
            prop_assert_eq!(uptime, naive(&spans, &spans_planned, from_ms..to_ms, counting));
            prop_assert_eq!(uptime.totals, super::totals(&spans, &planned, from_ms, to_ms));
            let same = Uptime { totals: uptime.totals.with_planned(counted), ..uptime };
            prop_assert_eq!(same.totals.total(), length_ms as u64);
            prop_assert_eq!((same.up_ms(), same.down_ms()), (uptime.up_ms(), uptime.down_ms()));
            let events_alone = totals(&spans, from_ms, to_ms);
            prop_assert_eq!(events_alone.planned_ms, 0);
            prop_assert_eq!(uptime.totals.up_ms, events_alone.up_ms);
            prop_assert_eq!(uptime.totals.paused_ms, events_alone.paused_ms);
            prop_assert_eq!(uptime.totals.total(), length_ms as u64);
            prop_assert_eq!(uptime.down_ms(), uptime.outages.total_ms);
        }

        /// Spans may be in any order, and may end before they begin.
        #[test]
        fn the_totals_always_add_up_to_the_window(
            spans in prop::collection::vec((any_state(), any::<i64>(), any::<Option<i64>>()), 0..8),
            spans_planned in prop::collection::vec(any::<(i64, i64)>(), 0..8),
            from_ms in any::<i64>(),
            to_ms in any::<i64>(),
        ) {
            let planned = Planned::new(spans_planned);
            let span = |(state, from_ms, to_ms)| Span { state, from_ms, to_ms };
            let spans: Vec<Span> = spans.into_iter().map(span).collect();
            let expected = if from_ms < to_ms { to_ms.abs_diff(from_ms) } else { 0 };
            for unknown in CountAs::ALL {
                let counting = Counting { unknown, planned: unknown };
                let uptime = super::uptime(&spans, &planned, (from_ms, to_ms), counting);
                prop_assert_eq!(uptime.totals.total(), expected);
            }
        }
    }
}
