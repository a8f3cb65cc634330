//! The samples of ticks and of events.

use crate::domain::history::facts::{FactsSince, holding_at};
use crate::domain::{Span, State, StoredTick};
use crate::promql::{Point, STALE, is_stale};

use super::family::{Fact, Family};

/// Interval of the samples of [`Family::Up`].
pub const MINUTE_MS: i64 = 60_000;

/// Adds the samples of further ticks to a series. A tick that is not later than the one before is
/// left out; an unknown one ends the series until the next.
pub fn add_ticks(points: &mut Vec<Point>, family: Family, ticks: &[StoredTick]) {
    points.reserve(ticks.len());
    for tick in ticks {
        let value = match tick.state {
            State::Up => family.value(tick, true),
            State::Down => family.value(tick, false),
            State::Unknown => Some(STALE),
            State::Paused => None,
        };
        let Some(value) = value else { continue };
        if points.last().is_none_or(|point| point.at_ms < tick.at_ms) {
            points.push(Point { at_ms: tick.at_ms, value });
        }
    }
}

/// As [`add_ticks`], for a fact: its value at each tick, as long as it has one; then the series
/// ends. `facts` are in order.
pub fn add_facts(points: &mut Vec<Point>, fact: Fact, ticks: &[StoredTick], facts: &[FactsSince]) {
    for tick in ticks {
        let value = match tick.state {
            State::Up | State::Down => {
                holding_at(facts, tick.at_ms).and_then(|facts| fact.value(&facts))
            }
            State::Unknown => None,
            State::Paused => continue,
        };
        let last = points.last();
        if last.is_some_and(|last| last.at_ms >= tick.at_ms) {
            continue;
        }
        match value {
            Some(value) => points.push(Point { at_ms: tick.at_ms, value }),
            None if last.is_some_and(|last| !is_stale(last.value)) => {
                points.push(Point { at_ms: tick.at_ms, value: STALE });
            }
            None => {}
        }
    }
}

/// The newest whole minute at or before `at_ms`.
pub fn minute(at_ms: i64) -> i64 {
    at_ms.div_euclid(MINUTE_MS) * MINUTE_MS
}

/// 1 or 0 at each of the `minutes`, by the events of a service. Where an event that is neither up
/// nor down begins, the series ends.
pub fn points_of_events(spans: &[Span], minutes: impl Iterator<Item = i64>) -> Vec<Point> {
    let mut points = Vec::new();
    for at_ms in minutes {
        let after = spans.partition_point(|span| span.from_ms <= at_ms);
        let span = after.checked_sub(1).map(|index| spans[index]);
        let span = span.filter(|span| span.to_ms.is_none_or(|to_ms| at_ms < to_ms));
        let value = match span.map(|span| span.state) {
            Some(State::Up) => 1.0,
            Some(State::Down) => 0.0,
            Some(State::Unknown | State::Paused) => STALE,
            None => continue,
        };
        points.push(Point { at_ms, value });
    }
    points
}

/// Stale markers at the starts of events that are neither up nor down, among `points`.
pub fn with_ends(mut points: Vec<Point>, spans: &[Span], after_ms: i64, to_ms: i64) -> Vec<Point> {
    let is_end = |span: &&Span| matches!(span.state, State::Unknown | State::Paused);
    let inside = |span: &&Span| span.from_ms > after_ms && span.from_ms <= to_ms;
    let ends: Vec<i64> =
        spans.iter().filter(is_end).filter(inside).map(|span| span.from_ms).collect();
    if ends.is_empty() {
        return points;
    }
    points.extend(ends.into_iter().map(|at_ms| Point { at_ms, value: STALE }));
    points.sort_by_key(|point| point.at_ms);
    points.dedup_by_key(|point| point.at_ms);
    points
}
