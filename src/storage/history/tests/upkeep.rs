//! Retention: what is too old goes, all else stays, and the file shrinks.

use super::*;
use crate::domain::history::timeline::Span;
use crate::storage::history::gaps;
use crate::storage::history::rollups::{DAY_S, HOUR_S, within};
use crate::storage::history::uptime::spans;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

/// Ten days of a service that is down in the first hour of each; sealed once a day.
fn ten_days(f: &mut Fixture) -> Vec<StoredTick> {
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

#[test]
fn what_is_too_old_goes_and_all_else_stays() {
    let mut f = fixture(1);
    let (id, ticks) = (f.ids[0], ten_days(&mut f));
    let now_ms = START_MS + 10 * DAY_MS;
    let before = f.usage();
    f.retain(Retention { ticks: days(20), rollups: days(20) }, now_ms);
    assert_eq!(f.usage(), before, "nothing is as old");

    f.retain(Retention { ticks: days(3), rollups: days(5) }, now_ms);
    f.must_be_whole();
    let kept: Vec<_> = listed(&ticks).into_iter().take(72).collect();
    assert_eq!(f.ticks(id), kept);
    // It began at noon: the day that holds the cutoff is kept as a whole, and the last one is not over yet.
    assert_eq!(within(&mut f.reader, id, HOUR_S, Window::ALL).unwrap().len(), 132);
    assert_eq!(within(&mut f.reader, id, DAY_S, Window::ALL).unwrap().len(), 5);
    let events = spans(&mut f.reader, id, Window::ALL).unwrap();
    // The uptime that was there at the cutoff ended an instant later.
    assert_eq!(events.len(), 11);
    assert_eq!(events[0].to_ms, Some(now_ms - 5 * DAY_MS));

    f.retain(Retention { ticks: days(0), rollups: days(0) }, now_ms + 9 * DAY_MS);
    f.must_be_whole();
    assert_eq!(f.ticks(id), []);
    let usage = f.usage();
    assert_eq!([usage.chunks, usage.rollups, usage.sealed_bytes, usage.events], [0, 0, 0, 1]);
    let newest = spans(&mut f.reader, id, Window::ALL).unwrap();
    assert_eq!((newest[0].state, newest[0].to_ms), (State::Up, None));

    // And it goes on with the next number.
    let next = plain(State::Up, now_ms + 9 * DAY_MS);
    f.commit(&[outcome(id, &next)], next.at_ms);
    assert_eq!(f.ticks(id), [(241, next)]);
    f.seal(12, next.at_ms);
    assert_eq!(f.ticks(id), [(241, next)]);
    assert_eq!(f.usage().events, 1);
    f.must_be_whole();
}

#[test]
fn the_file_shrinks_when_most_of_it_goes() {
    let mut f = fixture(2);
    ten_days(&mut f);
    // Chunks of another service that nobody opens, twelve megabytes of them.
    let stuff = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120) \
        INSERT INTO service_tick_chunks (service_id, first_seq, from_ms, to_ms, tick_count, up_count, down_count, data) \
        SELECT 2, i, 1000 * i, 1000 * i, 1, 1, 0, randomblob(100000) FROM n; \
        INSERT INTO service_metrics (service_id, tick_count, up_count, response_time_sum_ns, created_at, updated_at) \
        VALUES (2, 120, 120, 0, 0, 0); \
        UPDATE history SET chunk_count = chunk_count + 120, sealed_tick_count = sealed_tick_count + 120, \
            sealed_byte_count = sealed_byte_count + 12000000";
    f.connection.batch_execute(stuff).unwrap();
    let fold = "PRAGMA wal_checkpoint(TRUNCATE)";
    f.connection.batch_execute(fold).unwrap();
    let file = std::path::PathBuf::from(f.store.path());
    let size = || file.metadata().unwrap().len();
    let (full, usage) = (size(), f.usage());
    assert_eq!(usage.file_bytes, full);
    assert!(full > 12_000_000 && usage.free_bytes < 100_000, "{usage:?}");

    f.retain(Retention { ticks: days(400), rollups: days(400) }, START_MS + 10 * DAY_MS);
    f.connection.batch_execute(fold).unwrap();
    let usage = f.usage();
    f.must_be_whole();
    assert_eq!((usage.chunks, usage.sealed_ticks), (20, 240));
    // What is free and below 2048 pages stays for what comes next.
    assert!(size() < 2_048 * 4_096 + 1_000_000, "{} of {full} bytes", size());
    assert_eq!(usage.file_bytes, size());
    assert!(usage.free_bytes < 2_048 * 4_096 && usage.free_bytes > 1_000_000, "{usage:?}");
}

#[test]
fn the_newest_event_of_a_deleted_service_stays() {
    let mut f = fixture(1);
    let id = f.ids[0];
    for (nth, state) in [State::Up, State::Down, State::Up].into_iter().enumerate() {
        let tick = plain(state, START_MS + nth as i64);
        f.commit(&[outcome(id, &tick)], tick.at_ms);
    }
    apply(&mut f.connection, Change::Delete(id), START_MS + 9).unwrap();
    f.retain(Retention { ticks: days(0), rollups: days(0) }, START_MS + DAY_MS);
    let left = spans(&mut f.reader, id, Window::ALL).unwrap();
    let newest = Span { state: State::Up, from_ms: START_MS + 2, to_ms: Some(START_MS + 9) };
    assert_eq!(left, [newest]);
    f.must_be_whole();
}

/// What the roll-up of the hour from `start_ms` on says of its time: up, down, unknown.
fn hour(f: &mut Fixture, nth: usize, start_ms: i64) -> [u64; 3] {
    let window = Window { from_ms: start_ms, to_ms: start_ms + 1 };
    let id = f.ids[nth];
    let totals = within(&mut f.reader, id, HOUR_S, window).unwrap()[0].totals();
    [totals.up_ms, totals.down_ms, totals.unknown_ms]
}

const MINUTE_MS: i64 = 60_000;

/// Two services that are up from noon on, and down by one tick of two at half past twelve; sealed at one.
fn half_down() -> Fixture {
    let mut f = fixture_with(&[Thresholds { failure: 2, ..Thresholds::default() }; 2]);
    for (state, minute) in [(State::Up, 0), (State::Down, 30)] {
        let tick = plain(state, START_MS + minute * MINUTE_MS);
        let group = [outcome(f.ids[0], &tick), outcome(f.ids[1], &tick)];
        f.commit(&group, tick.at_ms);
    }
    f.seal(12, START_MS + HOUR_MS);
    assert_eq!(hour(&mut f, 0, START_MS), [3_600_000, 0, 0]);
    f
}

#[test]
fn an_event_that_is_dated_back_changes_the_hours_that_are_sealed() {
    let mut f = half_down();
    let tick = plain(State::Down, START_MS + 90 * MINUTE_MS);
    f.commit(&[outcome(f.ids[0], &tick)], tick.at_ms);
    f.must_be_whole();
    assert!(f.begin_sealing());
    // Behind the sealing, and of a service that has no part in it.
    f.commit(&[outcome(f.ids[1], &tick)], tick.at_ms);
    f.seal_rest(12, tick.at_ms);
    assert_eq!(f.ledger.fresh().ticks, 1);
    f.must_be_whole();
    f.seal(12, tick.at_ms);
    for nth in 0..2 {
        assert_eq!(hour(&mut f, nth, START_MS), [1_800_000, 1_800_000, 0]);
    }
    f.must_be_whole();
}

#[test]
fn a_clock_that_is_set_back_leaves_no_hour_as_it_was() {
    let mut f = half_down();
    let tick = plain(State::Down, START_MS - 30 * MINUTE_MS);
    f.commit(&[outcome(f.ids[0], &tick)], tick.at_ms);
    f.seal(12, tick.at_ms);
    f.must_be_whole();
    // The sealed hour is yet to come by that clock; when it has, all of it is told anew.
    let tick = plain(State::Unknown, START_MS + 45 * MINUTE_MS);
    f.commit(&[outcome(f.ids[0], &tick)], tick.at_ms);
    f.seal(12, START_MS + HOUR_MS);
    assert_eq!(hour(&mut f, 0, START_MS), [1_800_000, 900_000, 900_000]);
    f.must_be_whole();
}

#[test]
fn what_comes_of_a_streak_over_a_gap_begins_behind_it() {
    let thresholds = Thresholds { failure: 2, success: 2, confirm_interval: None };
    let mut f = fixture_with(&[thresholds; 2]);
    let (new, gone) = (f.ids[0], f.ids[1]);
    let say = |f: &mut Fixture, id: ServiceId, state: State, minute: i64| {
        let tick = plain(state, START_MS + minute * MINUTE_MS);
        f.commit(&[outcome(id, &tick)], tick.at_ms);
    };
    say(&mut f, new, State::Down, 0);
    for (minute, state) in
        [State::Down, State::Down, State::Unknown, State::Up].into_iter().enumerate()
    {
        say(&mut f, gone, state, minute as i64);
    }
    f.ledger = Ledger::default();
    gaps::close(&mut f.connection, START_MS + HOUR_MS).unwrap();
    for minute in [60, 61] {
        say(&mut f, new, State::Down, minute);
        say(&mut f, gone, State::Up, minute);
    }
    for (id, state) in [(new, State::Down), (gone, State::Up)] {
        let newest = spans(&mut f.reader, id, Window::ALL).unwrap().pop();
        assert_eq!(newest, Some(Span { state, from_ms: START_MS + HOUR_MS, to_ms: None }));
    }
}

#[test]
fn the_check_notices_what_somebody_else_has_done() {
    let mut f = fixture(1);
    ten_days(&mut f);
    let fresh = plain(State::Up, START_MS + 10 * DAY_MS);
    f.commit(&[outcome(f.ids[0], &fresh)], fresh.at_ms);
    for damage in [
        "DELETE FROM service_tick_chunks WHERE first_seq = 25; \
            UPDATE history SET chunk_count = chunk_count - 1, sealed_tick_count = sealed_tick_count - 12",
        "UPDATE service_tick_chunks SET first_seq = first_seq - 1 WHERE first_seq = 25",
        "UPDATE service_tick_chunks SET data = x'01' WHERE first_seq = 25",
        "UPDATE service_rollups SET response_sum_us = response_sum_us + 1 WHERE step_s = 86400",
        "UPDATE service_rollups SET up_ms = up_ms - 1, down_ms = down_ms + 1 WHERE step_s = 3600",
        "DELETE FROM service_rollups WHERE start_s = (SELECT min(start_s) FROM service_rollups)",
        "UPDATE service_events SET date_ended_ms = date_ended_ms - 1",
        "UPDATE service_metrics SET latest_tick_id = latest_tick_id - 1",
        "DELETE FROM service_ticks",
        "UPDATE history SET sealed_byte_count = sealed_byte_count + 1",
        "INSERT INTO sealing_ticks SELECT id - 1, 0, NULL, TRUE, FALSE, NULL, NULL, 0, 0, 0, 0, 0, 0, 0 FROM service_ticks",
        "UPDATE history SET sealing_tick_count = 1",
    ] {
        f.must_be_whole();
        let undone: Result<(), StorageError> = f.connection.transaction(|connection| {
            connection.batch_execute(damage)?;
            assert_ne!(check(connection)?.problems, [""; 0], "{damage}");
            Err(StorageError::Busy)
        });
        assert_eq!(undone, Err(StorageError::Busy));
    }
}

#[test]
fn a_standstill_is_unknown_but_for_what_began_behind_it() {
    let mut f = fixture(2);
    let (quiet, gone) = (f.ids[0], f.ids[1]);
    for id in [quiet, gone] {
        f.commit(&[outcome(id, &plain(State::Up, START_MS))], START_MS);
    }
    let from_ms = START_MS + MINUTE_MS;
    let behind = plain(State::Down, START_MS + HOUR_MS);
    f.commit(&[outcome(gone, &behind)], behind.at_ms);
    let gap = gaps::stood_still(&mut f.connection, from_ms, behind.at_ms + 1_000).unwrap();
    assert_eq!(gap, Some(gaps::Gap { from_ms, services: 1 }));
    let newest = |f: &mut Fixture, id| spans(&mut f.reader, id, Window::ALL).unwrap().pop();
    let unknown = Span { state: State::Unknown, from_ms, to_ms: None };
    assert_eq!(newest(&mut f, quiet), Some(unknown));
    let down = Span { state: State::Down, from_ms: behind.at_ms, to_ms: None };
    assert_eq!(newest(&mut f, gone), Some(down));
    f.must_be_whole();
}

#[test]
fn a_probe_that_began_before_a_standstill_does_not_claim_it() {
    let mut f = fixture(1);
    let id = f.ids[0];
    f.commit(&[outcome(id, &plain(State::Up, START_MS))], START_MS);
    let (from_ms, to_ms) = (START_MS + MINUTE_MS, START_MS + HOUR_MS);
    gaps::stood_still(&mut f.connection, from_ms, to_ms).unwrap();
    f.ledger.stood_still(to_ms);
    let in_flight = plain(State::Down, from_ms - 100);
    f.commit(&[outcome(id, &in_flight)], to_ms + 10);
    let newest = |f: &mut Fixture| spans(&mut f.reader, id, Window::ALL).unwrap().pop();
    let unknown = Span { state: State::Unknown, from_ms, to_ms: None };
    assert_eq!(newest(&mut f), Some(unknown));
    assert_eq!(f.ticks(id).len(), 2, "it is kept");
    let next = plain(State::Up, to_ms + 1_000);
    f.commit(&[outcome(id, &next)], next.at_ms);
    assert_eq!(newest(&mut f), Some(Span { state: State::Up, from_ms: next.at_ms, to_ms: None }));
    f.must_be_whole();
}
