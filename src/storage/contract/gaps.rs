//! Gaps: periods that the monitor did not observe.

use std::sync::Arc;
use std::time::Duration;

use super::fixture::{Fixture, Kind, START_MS, for_each_store, outcome, plain};
use super::retention::{HOUR_MS, MINUTE_MS};
use crate::domain::audit::AuditSource;
use crate::domain::service::options::Heartbeat;
use crate::domain::{
    Definition, Options, ServiceId, Span, State, Target, Template, Thresholds, Window, sample,
};
use crate::storage::history::uptime::spans;
use crate::storage::ledger::Ledger;
use crate::storage::records::{Change, Gap};

/// Of services that set none.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(15);

for_each_store!(
    the_event_of_a_streak_over_a_gap_begins_after_it,
    a_stall_is_unknown_except_for_later_events,
    a_probe_that_began_before_a_stall_does_not_end_its_gap,
    a_gap_does_not_change_what_an_optional_heartbeat_reported,
    a_commit_leaves_a_mark_that_is_at_most_two_seconds_old,
    a_sealing_keeps_the_mark,
    a_gap_begins_after_the_newest_result_of_its_service,
);

const SECOND_MS: i64 = 1_000;

fn a_commit_leaves_a_mark_that_is_at_most_two_seconds_old(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = f.ids[0];
    let mut now_ms = START_MS;
    // How long before the commit the probe began: also one that took long, and none at all.
    let probes = [Some(0), Some(500), Some(2_000), Some(2_001), Some(30_000), None, Some(1), None];
    for took_ms in probes.into_iter().cycle().take(80) {
        now_ms += 5 * SECOND_MS;
        let tick = |took_ms| outcome(id, &plain(State::Up, now_ms - took_ms));
        let group: Vec<_> = took_ms.map(tick).into_iter().collect();
        f.commit(&group, now_ms);
        let age_ms = now_ms - f.inspect.mark_ms().unwrap();
        assert!((0..=2 * SECOND_MS).contains(&age_ms), "{took_ms:?}: {age_ms} ms");
    }
}

/// Also when the row of an older probe of another service, which was held back, is newer.
fn a_gap_begins_after_the_newest_result_of_its_service(kind: Kind) {
    for is_sealing in [false, true] {
        let mut f = Fixture::new(kind.open(), 2);
        let (seen, held) = (f.ids[0], f.ids[1]);
        let up = |id, at_ms| outcome(id, &plain(State::Up, at_ms));
        f.commit(&[up(seen, START_MS), up(held, START_MS)], START_MS);
        let last_ms = START_MS + 20 * SECOND_MS;
        f.commit(&[up(seen, last_ms), up(held, last_ms - 2 * SECOND_MS)], last_ms);
        if is_sealing {
            assert!(f.begin_sealing());
        }
        f.writer.close_gap(START_MS + HOUR_MS, DEFAULT_INTERVAL).unwrap();
        let newest = spans(&mut *f.reader, seen, Window::ALL).unwrap().pop();
        assert_eq!(newest, Some(Span { state: State::Unknown, from_ms: last_ms, to_ms: None }));
        f.assert_consistent();
    }
}

fn a_sealing_keeps_the_mark(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = f.ids[0];
    let at_ms = |nth: i64| START_MS + nth * SECOND_MS;
    for nth in 0..20 {
        f.commit(&[outcome(id, &plain(State::Up, at_ms(nth)))], at_ms(nth));
    }
    f.seal(4, at_ms(20));
    assert!(f.inspect.mark_ms().unwrap() >= at_ms(19), "no fresh tick is left");
}

fn a_gap_does_not_change_what_an_optional_heartbeat_reported(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let mut job = |name: &str, is_optional| {
        let (token, grace) = (Template::literal("t"), Duration::ZERO);
        let heartbeat = Some(Heartbeat { token, grace, is_optional });
        let definition = Definition {
            target: Target::parse("push://job").unwrap(),
            options: Arc::new(Options { heartbeat, ..Options::default() }),
            ..sample::definition(name)
        };
        f.writer
            .define(Change::Create(Box::new(definition)), &AuditSource::COMMAND, START_MS)
            .unwrap()
            .id
    };
    let (optional, required) = (job("optional", true), job("required", false));
    // A text that not every store can read as JSON.
    let body = Some(Template::literal("\0, optional"));
    let options = Arc::new(Options { body, ..Options::default() });
    let with_nul = Definition { options, ..sample::definition("with NUL") };
    f.writer.define(Change::Create(Box::new(with_nul)), &AuditSource::COMMAND, START_MS).unwrap();
    for id in [optional, required] {
        f.commit(&[outcome(id, &plain(State::Down, START_MS))], START_MS);
    }
    let state = |f: &mut Fixture, id| spans(&mut *f.reader, id, Window::ALL).unwrap().pop();
    let down = Some(Span { state: State::Down, from_ms: START_MS, to_ms: None });
    f.writer.close_gap(START_MS + HOUR_MS, DEFAULT_INTERVAL).unwrap();
    assert_eq!(state(&mut f, optional), down);
    assert_eq!(state(&mut f, required).unwrap().state, State::Unknown);
    f.writer.record_stall(START_MS + MINUTE_MS, START_MS + 2 * HOUR_MS).unwrap();
    assert_eq!(state(&mut f, optional), down);
    f.assert_consistent();
}

fn the_event_of_a_streak_over_a_gap_begins_after_it(kind: Kind) {
    let thresholds = Thresholds { failure: 2, success: 2, confirm_interval: None };
    let mut f = Fixture::with_thresholds(kind.open(), &[thresholds; 2]);
    let (new, other) = (f.ids[0], f.ids[1]);
    let record = |f: &mut Fixture, id: ServiceId, state: State, minute: i64| {
        let tick = plain(state, START_MS + minute * MINUTE_MS);
        f.commit(&[outcome(id, &tick)], tick.at_ms);
    };
    record(&mut f, new, State::Down, 0);
    for (minute, state) in
        [State::Down, State::Down, State::Unknown, State::Up].into_iter().enumerate()
    {
        record(&mut f, other, state, minute as i64);
    }
    f.ledger = Ledger::default();
    f.writer.close_gap(START_MS + HOUR_MS, DEFAULT_INTERVAL).unwrap();
    for minute in [60, 61] {
        record(&mut f, new, State::Down, minute);
        record(&mut f, other, State::Up, minute);
    }
    for (id, state) in [(new, State::Down), (other, State::Up)] {
        let newest = spans(&mut *f.reader, id, Window::ALL).unwrap().pop();
        assert_eq!(newest, Some(Span { state, from_ms: START_MS + HOUR_MS, to_ms: None }));
    }
}

fn a_stall_is_unknown_except_for_later_events(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 2);
    let (quiet, other) = (f.ids[0], f.ids[1]);
    for id in [quiet, other] {
        f.commit(&[outcome(id, &plain(State::Up, START_MS))], START_MS);
    }
    let from_ms = START_MS + MINUTE_MS;
    let later = plain(State::Down, START_MS + HOUR_MS);
    f.commit(&[outcome(other, &later)], later.at_ms);
    let gap = f.writer.record_stall(from_ms, later.at_ms + 1_000).unwrap();
    assert_eq!(gap, Some(Gap { from_ms, services: 1 }));
    let newest = |f: &mut Fixture, id| spans(&mut *f.reader, id, Window::ALL).unwrap().pop();
    let unknown = Span { state: State::Unknown, from_ms, to_ms: None };
    assert_eq!(newest(&mut f, quiet), Some(unknown));
    let down = Span { state: State::Down, from_ms: later.at_ms, to_ms: None };
    assert_eq!(newest(&mut f, other), Some(down));
    f.assert_consistent();
}

fn a_probe_that_began_before_a_stall_does_not_end_its_gap(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = f.ids[0];
    f.commit(&[outcome(id, &plain(State::Up, START_MS))], START_MS);
    let (from_ms, to_ms) = (START_MS + MINUTE_MS, START_MS + HOUR_MS);
    f.writer.record_stall(from_ms, to_ms).unwrap();
    f.ledger.stalled(to_ms);
    let in_flight = plain(State::Down, from_ms - 100);
    f.commit(&[outcome(id, &in_flight)], to_ms + 10);
    let newest = |f: &mut Fixture| spans(&mut *f.reader, id, Window::ALL).unwrap().pop();
    let unknown = Span { state: State::Unknown, from_ms, to_ms: None };
    assert_eq!(newest(&mut f), Some(unknown));
    assert_eq!(f.ticks(id).len(), 2, "the tick is stored");
    let next = plain(State::Up, to_ms + 1_000);
    f.commit(&[outcome(id, &next)], next.at_ms);
    assert_eq!(newest(&mut f), Some(Span { state: State::Up, from_ms: next.at_ms, to_ms: None }));
    f.assert_consistent();
}
