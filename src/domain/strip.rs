//! Strips: adjacent pieces of time, one bar each, with the time in each state.
//!
//! A bar tells downtime by its height as well as by its colour. Bars in a row that look the same
//! are one run, which is one path of the image.

use crate::domain::history::planned::Planned;
use crate::domain::history::timeline::{self, Span, Totals};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Shares of downtime from which on a bar is higher.
const MORE_SHARE: f64 = 0.05;
const MOST_SHARE: f64 = 0.25;

/// Share of a slot that must be observed, or the bar is hatched.
const OBSERVED_SHARE: f64 = 0.9;

/// A piece of time with what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Unix milliseconds.
    pub from_ms: i64,
    /// Unix milliseconds, exclusive.
    pub to_ms: i64,
    pub totals: Totals,
}

/// How a slot looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bar {
    /// No downtime.
    Up,
    /// No downtime, in the part of the slot that was observed.
    PartlyObserved,
    /// Nothing is known of the slot.
    Unobserved,
    /// Planned time, and no downtime.
    Planned,
    /// Some downtime.
    Down,
    /// At least 5 % downtime.
    DownMore,
    /// At least 25 % downtime.
    DownMost,
}

impl Bar {
    pub const ALL: [Self; 7] = [
        Self::Up,
        Self::PartlyObserved,
        Self::Unobserved,
        Self::Planned,
        Self::Down,
        Self::DownMore,
        Self::DownMost,
    ];
}

/// Bars in a row that look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub bar: Bar,
    /// Position of the first bar.
    pub first: usize,
    pub count: usize,
}

/// A sum over a strip.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    pub slots: usize,
    /// Slots with downtime.
    pub down: usize,
    /// Slots of which nothing is known.
    pub unobserved: usize,
    pub down_ms: u64,
}

impl Slot {
    pub fn bar(&self) -> Bar {
        let Totals { up_ms, down_ms, planned_ms, .. } = self.totals;
        let known_ms = up_ms.saturating_add(down_ms);
        if down_ms > 0 {
            let share = down_ms as f64 / known_ms as f64;
            return match share {
                _ if share >= MOST_SHARE => Bar::DownMost,
                _ if share >= MORE_SHARE => Bar::DownMore,
                _ => Bar::Down,
            };
        }
        let length_ms = self.to_ms.saturating_sub(self.from_ms) as f64;
        match () {
            () if planned_ms > 0 => Bar::Planned,
            () if known_ms == 0 => Bar::Unobserved,
            () if (known_ms as f64) < OBSERVED_SHARE * length_ms => Bar::PartlyObserved,
            () => Bar::Up,
        }
    }
}

/// The last `count` days (UTC) up to `now_ms`, oldest first. Today ends now.
pub fn days(spans: &[Span], planned: &Planned, count: usize, now_ms: i64) -> Vec<Slot> {
    let today_ms = now_ms.div_euclid(DAY_MS) * DAY_MS;
    slots(spans, planned, (DAY_MS, count), today_ms + DAY_MS, now_ms)
}

/// The last `count` hours up to `now_ms`, oldest first. The last one ends now.
pub fn hours(spans: &[Span], planned: &Planned, count: usize, now_ms: i64) -> Vec<Slot> {
    slots(spans, planned, (HOUR_MS, count), now_ms, now_ms)
}

/// `count` slots of `length_ms` before `end_ms`, cut off at `now_ms`. `spans` are ordered and do
/// not overlap.
fn slots(
    spans: &[Span],
    planned: &Planned,
    (length_ms, count): (i64, usize),
    end_ms: i64,
    now_ms: i64,
) -> Vec<Slot> {
    let slot = |nth: usize| {
        let from_ms = end_ms - (count - nth) as i64 * length_ms;
        let to_ms = (from_ms + length_ms).min(now_ms);
        let before = |at_ms: i64| spans.partition_point(|span| span.from_ms < at_ms);
        let first = before(from_ms).saturating_sub(1);
        let overlapping = &spans[first..before(to_ms).max(first)];
        let totals = timeline::totals(overlapping, planned, from_ms, to_ms);
        Slot { from_ms, to_ms, totals }
    };
    (0..count).map(slot).collect()
}

/// Bars in a row that look the same, as one run each.
pub fn runs(slots: &[Slot]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (first, slot) in slots.iter().enumerate() {
        let bar = slot.bar();
        match runs.last_mut() {
            Some(run) if run.bar == bar => run.count += 1,
            _ => runs.push(Run { bar, first, count: 1 }),
        }
    }
    runs
}

/// The sum of `slots`.
pub fn summary(slots: &[Slot]) -> Summary {
    let mut summary = Summary { slots: slots.len(), ..Summary::default() };
    for slot in slots {
        summary.down += usize::from(slot.totals.down_ms > 0);
        summary.unobserved += usize::from(slot.bar() == Bar::Unobserved);
        summary.down_ms = summary.down_ms.saturating_add(slot.totals.down_ms);
    }
    summary
}

/// The time in each state over all `slots`.
pub fn sum(slots: &[Slot]) -> Totals {
    let mut sum = Totals::default();
    for Slot { totals, .. } in slots {
        sum.up_ms = sum.up_ms.saturating_add(totals.up_ms);
        sum.down_ms = sum.down_ms.saturating_add(totals.down_ms);
        sum.unknown_ms = sum.unknown_ms.saturating_add(totals.unknown_ms);
        sum.paused_ms = sum.paused_ms.saturating_add(totals.paused_ms);
        sum.planned_ms = sum.planned_ms.saturating_add(totals.planned_ms);
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::history::timeline::Counting;
    use crate::domain::rollup::state::State;

    /// 2026-11-29T12:00:00Z.
    const NOON_MS: i64 = 1_795_953_600_000;

    fn down(from_ms: i64, to_ms: i64) -> Vec<Span> {
        vec![
            Span { state: State::Up, from_ms: 0, to_ms: Some(from_ms) },
            Span { state: State::Down, from_ms, to_ms: Some(to_ms) },
            Span { state: State::Up, from_ms: to_ms, to_ms: None },
        ]
    }

    #[test]
    fn days_begin_at_midnight_and_today_ends_now() {
        let days = days(&down(1, 2), Planned::NONE, 3, NOON_MS);
        let midnight_ms = NOON_MS - 12 * HOUR_MS;
        let bounds: Vec<_> = days.iter().map(|day| (day.from_ms, day.to_ms)).collect();
        assert_eq!(
            bounds,
            [
                (midnight_ms - 2 * DAY_MS, midnight_ms - DAY_MS),
                (midnight_ms - DAY_MS, midnight_ms),
                (midnight_ms, NOON_MS)
            ]
        );
        assert_eq!(runs(&days), [Run { bar: Bar::Up, first: 0, count: 3 }]);
        let first_moment = super::days(&[], Planned::NONE, 1, midnight_ms);
        assert_eq!((first_moment[0].totals.total(), first_moment[0].bar()), (0, Bar::Unobserved));
    }

    #[test]
    fn bars_are_higher_with_more_downtime() {
        let bar = |down_ms| {
            let from_ms = NOON_MS - HOUR_MS;
            hours(&down(from_ms, from_ms + down_ms), Planned::NONE, 1, NOON_MS)[0].bar()
        };
        let share = |percent| HOUR_MS * percent / 100;
        assert_eq!((bar(1), bar(share(5) - 1)), (Bar::Down, Bar::Down));
        assert_eq!((bar(share(5)), bar(share(25) - 1)), (Bar::DownMore, Bar::DownMore));
        assert_eq!((bar(share(25)), bar(share(100))), (Bar::DownMost, Bar::DownMost));
    }

    #[test]
    fn time_that_was_not_observed_is_not_up() {
        let since = |ms| [Span { state: State::Up, from_ms: NOON_MS - ms, to_ms: None }];
        let hour = |spans: &[Span]| hours(spans, Planned::NONE, 1, NOON_MS)[0];
        assert_eq!(hour(&[]).bar(), Bar::Unobserved);
        assert_eq!(hour(&since(HOUR_MS / 2)).bar(), Bar::PartlyObserved);
        assert_eq!(hour(&since(HOUR_MS * 9 / 10)).bar(), Bar::Up);
        let paused = [Span { state: State::Paused, from_ms: 0, to_ms: None }];
        assert_eq!(hour(&paused).bar(), Bar::Unobserved);
        let slots = [hour(&[]), hour(&since(HOUR_MS))];
        let expected = Summary { slots: 2, down: 0, unobserved: 1, down_ms: 0 };
        assert_eq!(summary(&slots), expected);
    }

    #[test]
    fn planned_time_is_neither_up_nor_down() {
        let planned = Planned::new([(NOON_MS - HOUR_MS, NOON_MS)]);
        let all_down = [Span { state: State::Down, from_ms: 0, to_ms: None }];
        let hours = hours(&all_down, &planned, 2, NOON_MS);
        assert_eq!((hours[0].bar(), hours[1].bar()), (Bar::DownMost, Bar::Planned));
        assert_eq!(sum(&hours).planned_ms, HOUR_MS as u64);
    }

    /// Ordered events with gaps between them; the last may be open.
    fn any_spans() -> impl Strategy<Value = Vec<Span>> {
        let state = prop::sample::select(&State::ALL[..]);
        let pieces = prop::collection::vec((state, 0..30 * HOUR_MS, 0..9 * HOUR_MS), 0..200);
        (pieces, any::<bool>()).prop_map(|(pieces, is_open)| {
            let mut at_ms = NOON_MS - 95 * DAY_MS;
            let mut spans = Vec::new();
            for (state, length_ms, gap_ms) in pieces {
                // Three of four events follow without a gap.
                let from_ms = at_ms + if gap_ms % 4 == 0 { gap_ms } else { 0 };
                at_ms = from_ms + length_ms;
                spans.push(Span { state, from_ms, to_ms: Some(at_ms) });
            }
            if let (Some(last), true) = (spans.last_mut(), is_open) {
                last.to_ms = None;
            }
            spans
        })
    }

    proptest! {
        #[test]
        fn each_day_equals_the_uptime_of_that_day(
            spans in any_spans(),
            planned in prop::collection::vec((0..90 * DAY_MS, 0..DAY_MS), 0..5),
            after_ms in 0..DAY_MS,
        ) {
            let now_ms = NOON_MS + after_ms;
            let start_ms = NOON_MS - 90 * DAY_MS;
            let planned =
                planned.iter().map(|(from, length)| (start_ms + from, start_ms + from + length));
            let planned = Planned::new(planned);
            let days = days(&spans, &planned, 90, now_ms);
            for day in &days {
                let window = (day.from_ms, day.to_ms);
                let uptime = timeline::uptime(&spans, &planned, window, Counting::default());
                prop_assert_eq!(day.totals, uptime.totals);
                let is_down =
                    matches!(day.bar(), Bar::Down | Bar::DownMore | Bar::DownMost);
                prop_assert_eq!(is_down, uptime.down_ms() > 0);
            }
            let whole = (days[0].from_ms, now_ms);
            let uptime = timeline::uptime(&spans, &planned, whole, Counting::default());
            prop_assert_eq!(sum(&days), uptime.totals);
        }

        #[test]
        fn runs_cover_every_bar_once(spans in any_spans()) {
            let days = days(&spans, Planned::NONE, 90, NOON_MS);
            let runs = runs(&days);
            let bars = runs.iter().flat_map(|run| std::iter::repeat_n(run.bar, run.count));
            let expected: Vec<Bar> = days.iter().map(Slot::bar).collect();
            prop_assert_eq!(bars.collect::<Vec<_>>(), expected);
            let is_next = |two: &[Run]| {
                two[0].bar != two[1].bar && two[0].first + two[0].count == two[1].first
            };
            prop_assert!(runs.windows(2).all(is_next));
        }
    }
}
