//! Retention deletes what is too old and nothing else; roll-ups follow events that are dated back.

use std::time::Duration;

use super::fixture::{Fixture, Kind, START_MS, for_each_store, listed, outcome, plain};
use crate::domain::audit::AuditSource;
use crate::domain::{Retention, Span, State, StoredTick, Thresholds, Window};
use crate::storage::history::rows::{DAY_S, HOUR_S};
use crate::storage::history::slice::SLICE;
use crate::storage::history::uptime::spans;
use crate::storage::records::Change;

for_each_store!(
    retention_deletes_what_is_too_old_and_nothing_else,
    the_newest_event_of_a_deleted_service_is_not_deleted,
    an_event_that_is_dated_back_changes_sealed_hours,
    a_clock_that_is_set_back_changes_sealed_hours,
);

pub const HOUR_MS: i64 = 3_600_000;
pub const DAY_MS: i64 = 24 * HOUR_MS;

pub fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

/// Ages in days of ticks and of roll-ups; attempts to deliver live as long as roll-ups.
fn retention(ticks: u64, rollups: u64) -> Retention {
    let (ticks, rollups) = (days(ticks), days(rollups));
    Retention { ticks, rollups, deliveries: rollups }
}

/// Ten days of a service that is down in the first hour of each day; sealed once a day.
pub fn ten_days(f: &mut Fixture) -> Vec<StoredTick> {
    let id = f.ids[0];
    let mut ticks = Vec::new();
    for hour in 0..240 {
        let state = if hour % 24 == 0 { State::Down } else { State::Up };
        let tick = plain(state, START_MS + hour * HOUR_MS);
        f.commit(&[outcome(id, &tick)], tick.at_ms + 1);
        ticks.push(tick);
        if hour % 24 == 23 {
            f.seal(12, tick.at_ms + 2);
        }
    }
    ticks
}

fn retention_deletes_what_is_too_old_and_nothing_else(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let (id, ticks) = (f.ids[0], ten_days(&mut f));
    let now_ms = START_MS + 10 * DAY_MS;
    let before = f.usage();
    f.retain(retention(20, 20), now_ms);
    assert_eq!(f.usage(), before, "nothing is too old");

    f.retain(retention(3, 5), now_ms);
    f.assert_consistent();
    let newest: Vec<_> = listed(&ticks).into_iter().take(72).collect();
    assert_eq!(f.ticks(id), newest);
    // It began at noon: the day of the cutoff is whole, and the last day is not over.
    assert_eq!(f.reader.rollups(id, HOUR_S, Window::ALL).unwrap().len(), 132);
    assert_eq!(f.reader.rollups(id, DAY_S, Window::ALL).unwrap().len(), 5);
    let events = spans(&mut *f.reader, id, Window::ALL).unwrap();
    // The uptime at the cutoff ended just after it.
    assert_eq!(events.len(), 11);
    assert_eq!(events[0].to_ms, Some(now_ms - 5 * DAY_MS));

    f.retain(retention(0, 0), now_ms + 9 * DAY_MS);
    f.assert_consistent();
    assert_eq!(f.ticks(id), []);
    let usage = f.usage();
    assert_eq!([usage.chunks, usage.rollups, usage.sealed_bytes, usage.events], [0, 0, 0, 1]);
    let newest = spans(&mut *f.reader, id, Window::ALL).unwrap();
    assert_eq!((newest[0].state, newest[0].to_ms), (State::Up, None));

    // The next tick has the next number.
    let next = plain(State::Up, now_ms + 9 * DAY_MS);
    f.commit(&[outcome(id, &next)], next.at_ms);
    assert_eq!(f.ticks(id), [(241, next)]);
    f.seal(12, next.at_ms);
    assert_eq!(f.ticks(id), [(241, next)]);
    assert_eq!(f.usage().events, 1);
    f.assert_consistent();
}

fn the_newest_event_of_a_deleted_service_is_not_deleted(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = f.ids[0];
    for (nth, state) in [State::Up, State::Down, State::Up].into_iter().enumerate() {
        let tick = plain(state, START_MS + nth as i64);
        f.commit(&[outcome(id, &tick)], tick.at_ms);
    }
    f.writer.define(Change::Delete(id), &AuditSource::COMMAND, START_MS + 9).unwrap();
    f.retain(retention(0, 0), START_MS + DAY_MS);
    let left = spans(&mut *f.reader, id, Window::ALL).unwrap();
    let newest = Span { state: State::Up, from_ms: START_MS + 2, to_ms: Some(START_MS + 9) };
    assert_eq!(left, [newest]);
    f.assert_consistent();
}

/// Milliseconds up, down and unknown in the roll-up of the hour from `start_ms` on.
fn hour(f: &mut Fixture, nth: usize, start_ms: i64) -> [u64; 3] {
    let window = Window { from_ms: start_ms, to_ms: start_ms + 1 };
    let id = f.ids[nth];
    let totals = f.reader.rollups(id, HOUR_S, window).unwrap()[0].totals;
    [totals.up_ms, totals.down_ms, totals.unknown_ms]
}

pub const MINUTE_MS: i64 = 60_000;

/// Two services that are up from noon on, with one of two ticks of a downtime at half past twelve;
/// sealed at one.
fn half_down(kind: Kind) -> Fixture {
    let mut f = Fixture::with_thresholds(
        kind.open(),
        &[Thresholds { failure: 2, ..Thresholds::default() }; 2],
    );
    for (state, minute) in [(State::Up, 0), (State::Down, 30)] {
        let tick = plain(state, START_MS + minute * MINUTE_MS);
        let group = [outcome(f.ids[0], &tick), outcome(f.ids[1], &tick)];
        f.commit(&group, tick.at_ms);
    }
    f.seal(12, START_MS + HOUR_MS);
    assert_eq!(hour(&mut f, 0, START_MS), [3_600_000, 0, 0]);
    f
}

fn an_event_that_is_dated_back_changes_sealed_hours(kind: Kind) {
    for is_prepared in [false, true] {
        let mut f = half_down(kind);
        let tick = plain(State::Down, START_MS + 90 * MINUTE_MS);
        f.commit(&[outcome(f.ids[0], &tick)], tick.at_ms);
        f.assert_consistent();
        assert!(f.begin_sealing());
        let slice = is_prepared.then(|| f.prepare(12, SLICE).unwrap());
        // After the sealing began, of a service without other fresh ticks.
        f.commit(&[outcome(f.ids[1], &tick)], tick.at_ms);
        if let Some(mut slice) = slice {
            f.publish(&mut slice, usize::MAX, tick.at_ms).unwrap();
        }
        f.seal_rest(12, tick.at_ms);
        let later = if kind.seals_later_ticks() && !is_prepared { 0 } else { 1 };
        assert_eq!(f.ledger.fresh().ticks, later);
        f.assert_consistent();
        assert_eq!(f.begin_sealing(), later > 0);
        if later > 0 {
            f.seal_rest(12, tick.at_ms);
        }
        for nth in 0..2 {
            assert_eq!(hour(&mut f, nth, START_MS), [1_800_000, 1_800_000, 0]);
        }
        f.assert_consistent();
    }
}

fn a_clock_that_is_set_back_changes_sealed_hours(kind: Kind) {
    let mut f = half_down(kind);
    let tick = plain(State::Down, START_MS - 30 * MINUTE_MS);
    f.commit(&[outcome(f.ids[0], &tick)], tick.at_ms);
    f.seal(12, tick.at_ms);
    f.assert_consistent();
    // By that clock the sealed hour lies in the future; its times are computed again once it is
    // over. The first of the two ticks that were down was moved to the time of the second.
    let tick = plain(State::Unknown, START_MS + 45 * MINUTE_MS);
    f.commit(&[outcome(f.ids[0], &tick)], tick.at_ms);
    f.seal(12, START_MS + HOUR_MS);
    assert_eq!(hour(&mut f, 0, START_MS), [0, 2_700_000, 900_000]);
    f.assert_consistent();
}
