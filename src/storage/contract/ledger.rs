//! Commits of the ledger.

use std::time::Duration;

use proptest::prelude::*;

use super::fixture::{Fixture, Kind, for_each_store};
use crate::domain::access::GroupLimit;
use crate::domain::audit::AuditSource;
use crate::domain::{
    Event, Failure, Outcome, PageRequest, Reason, ServiceEvent, ServiceId, State, Thresholds,
    Window, sample,
};
use crate::spec::Patch;
use crate::storage::history::uptime::GetSpans;
use crate::storage::ledger::Ledger;
use crate::storage::port::{Query, StoreRead};
use crate::storage::records::{Change, GetService, ListEvents, ListNewestEvents};

for_each_store!(
    a_change_of_state_ends_the_old_event_where_the_new_one_begins,
    changes_of_state_within_a_group_are_events,
    an_outcome_of_a_deleted_service_is_not_stored,
    groups_of_any_size_give_the_same_rows,
    a_hole_is_unknown_from_its_start_to_the_next_result,
    a_service_without_a_result_can_be_unknown,
    the_event_of_a_streak_begins_after_a_hole,
    an_outdated_outcome_is_neither_tick_nor_event,
    the_newest_events_are_those_of_living_services,
    entries_of_many_services_are_those_of_each,
);

/// In any order, with neighbours and gaps among their ids.
fn entries_of_many_services_are_those_of_each(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 60);
    let ids = f.ids.clone();
    let result = |nth: usize| {
        let mut result = outcome(ids[nth], !nth.is_multiple_of(3), 1_000 + nth as i64);
        result.details.certificate_expires_at = nth.is_multiple_of(4).then_some(86_400);
        result
    };
    // The last ones have no results.
    f.commit(&(0..50).map(result).collect::<Vec<_>>(), 10_000);
    f.commit(&[outcome(ids[2], false, 20_000)], 20_000);
    f.writer.define(Change::Delete(ids[5]), &AuditSource::COMMAND, 30_000).unwrap();
    let pause = Patch::new([("enabled".to_owned(), false.into())].into_iter().collect()).unwrap();
    f.writer.define(Change::Update(ids[6], pause), &AuditSource::COMMAND, 30_000).unwrap();
    let unknown = ServiceId::new(9_999).unwrap();
    let asked = [59, 0, 4, 5, 3, 2, 6, 13, 21, 30, 31, 33, 48, 49, 50].map(|nth| ids[nth]);
    let asked = [&asked[..], &[unknown]].concat();
    let together = f.writer.entries(&asked).unwrap();
    let alone = |id: &ServiceId| f.writer.entries(&[*id]).unwrap().remove(0);
    assert_eq!(together, asked.iter().map(alone).collect::<Vec<_>>());
    let entries = || asked.iter().zip(&together);
    let unwatched = entries().filter(|(_, entry)| !entry.is_watched).map(|(id, _)| *id);
    assert_eq!(unwatched.collect::<Vec<_>>(), [ids[5], ids[6], unknown]);
    let of = |nth: usize| entries().find(|(id, _)| **id == ids[nth]).unwrap().1;
    let counts = |nth| (of(nth).tally.tick_count, of(nth).tally.up_count);
    assert_eq!([counts(2), counts(3), counts(50)], [(2, 1), (1, 0), (0, 0)]);
    let expiries = |nth| of(nth).facts.map(|since| since.facts.certificate_expires_at);
    assert_eq!([expiries(48), expiries(4)], [Some(Some(86_400)); 2]);
    assert_eq!(of(2).tally.latest.map(|latest| latest.state), Some(State::Down));
}

fn the_newest_events_are_those_of_living_services(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 3);
    let [one, other, deleted] = f.ids[..] else { unreachable!() };
    f.commit(&up_down_up(one), 10_000);
    f.commit(&[outcome(deleted, true, 9_000), outcome(other, true, 3_000)], 10_000);
    f.writer.define(Change::Delete(deleted), &AuditSource::COMMAND, 10_000).unwrap();
    let mut newest = |limit| {
        let events = ListNewestEvents(limit).run(&mut *f.reader).unwrap();
        let event = |it: ServiceEvent| (it.service_id, it.event.state, it.event.started_ms);
        events.into_iter().map(event).collect::<Vec<_>>()
    };
    let all = [
        (one, State::Up, 4_000),
        (other, State::Up, 3_000),
        (one, State::Down, 2_000),
        (one, State::Up, 0),
    ];
    assert_eq!(newest(10), all);
    assert_eq!(newest(2), all[..2]);
    let window = Window { from_ms: 2_500, to_ms: 3_500 };
    let query = GetSpans { ids: vec![one, other, deleted], window };
    let spans = query.run(&mut *f.reader).unwrap();
    let states = |id| spans.get(&id).map(|it| it.events.iter().map(|span| span.state).collect());
    assert_eq!(states(one), Some(vec![State::Down]));
    assert_eq!(states(other), Some(vec![State::Up]));
    assert_eq!(GetSpans { ids: Vec::new(), window }.run(&mut *f.reader).unwrap().len(), 0);
}

fn an_outdated_outcome_is_neither_tick_nor_event(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 2);
    let id = f.ids[0];
    let outdated = |id| Outcome { is_outdated: true, ..outcome(id, false, 2_000) };
    f.commit(&[outcome(id, true, 1_000), outdated(id), outdated(f.ids[1])], 3_000);
    assert_eq!(periods(&mut f, id), [(State::Up, 1_000, None)]);
    assert_eq!((f.ticks(id).len(), f.ticks(f.ids[1]).len()), (1, 0));
    f.assert_consistent();
}

/// From `at_ms` on, the service has no results.
fn hole(service_id: ServiceId, reason: Reason, at_ms: i64) -> Outcome {
    let failure = Some(Failure::new(reason, "a detail"));
    Outcome { failure, ..sample::outcome(service_id.get(), at_ms) }
}

fn a_hole_is_unknown_from_its_start_to_the_next_result(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = f.ids[0];
    let began = f.commit(
        &[
            outcome(id, true, 1_000),
            outcome(id, true, 2_000),
            hole(id, Reason::LocalConfig, 2_000),
            hole(id, Reason::Dropped, 2_000),
            outcome(id, true, 90_000),
            hole(id, Reason::Missed, 1),
        ],
        100_000,
    );
    let states: Vec<_> = began.began.iter().map(|event| event.state).collect();
    assert_eq!(states, [State::Up, State::Unknown, State::Up, State::Unknown]);
    assert_eq!((began.recorded, began.orphaned.len()), (3, 0), "a hole is no tick");
    let expected = [
        (State::Unknown, 90_000, None),
        (State::Up, 90_000, Some(90_000)),
        (State::Unknown, 2_000, Some(90_000)),
        (State::Up, 1_000, Some(2_000)),
    ];
    assert_eq!(periods(&mut f, id), expected, "never before the event that it ends");
    let reasons: Vec<_> = events(&mut *f.reader, id)
        .into_iter()
        .map(|event| event.failure.map(|failure| failure.reason.as_str().to_owned()))
        .collect();
    let word = |word: &str| Some(word.to_owned());
    assert_eq!(reasons, [word("missed"), None, word("local_config"), None]);
    f.seal(1_000, 100_000);
    f.assert_consistent();
    f.writer.define(Change::Delete(id), &AuditSource::COMMAND, 100_000).unwrap();
    f.ledger.forget(id);
    let deleted = f.commit(&[hole(id, Reason::Missed, 95_000)], 101_000);
    assert_eq!((deleted.orphaned.len(), deleted.began.len()), (0, 0));
    f.assert_consistent();
}

fn a_service_without_a_result_can_be_unknown(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = f.ids[0];
    f.commit(&[hole(id, Reason::LocalResolver, 5_000)], 60_000);
    assert_eq!(periods(&mut f, id), [(State::Unknown, 5_000, None)]);
    let record = GetService(id).run(&mut *f.reader).unwrap();
    assert!(!record.tally.unwrap().has_ticks());
    f.assert_consistent();
    f.ledger = Ledger::default();
    f.commit(&[outcome(id, false, 61_000)], 62_000);
    let expected = [(State::Down, 61_000, None), (State::Unknown, 5_000, Some(61_000))];
    assert_eq!(periods(&mut f, id), expected);
    f.seal(1_000, 70_000);
    f.assert_consistent();
}

fn the_event_of_a_streak_begins_after_a_hole(kind: Kind) {
    let thresholds = Thresholds { failure: 2, success: 1, confirm_interval: None };
    let mut f = Fixture::with_thresholds(kind.open(), &[thresholds]);
    let id = f.ids[0];
    f.commit(
        &[
            outcome(id, true, 1_000),
            outcome(id, false, 2_000),
            hole(id, Reason::Missed, 2_000),
            outcome(id, false, 60_000),
            outcome(id, false, 61_000),
        ],
        70_000,
    );
    let expected = [
        (State::Down, 60_000, None),
        (State::Unknown, 2_000, Some(60_000)),
        (State::Up, 1_000, Some(2_000)),
    ];
    assert_eq!(periods(&mut f, id), expected);
}

pub fn outcome(service_id: ServiceId, up: bool, at_ms: i64) -> Outcome {
    Outcome {
        response_time: Duration::from_micros(1_500),
        http_status: Some(if up { 200 } else { 500 }),
        failure: (!up).then(|| Failure::new(Reason::Status, "500 Internal Server Error")),
        ..sample::outcome(service_id.get(), at_ms)
    }
}

/// The events of a service, newest first.
pub fn events(rows: &mut dyn StoreRead, id: ServiceId) -> Vec<Event> {
    let page = PageRequest { page: 1, limit: 1_000 };
    let (service_id, window) = (Some(id), Window::ALL);
    let groups = GroupLimit::NONE;
    let list = ListEvents { service_id, window, state: None, reason: None, groups, page };
    list.run(rows).unwrap().items.into_iter().map(|item| item.event).collect()
}

/// State, start and end of each event, newest first.
fn periods(f: &mut Fixture, id: ServiceId) -> Vec<(State, i64, Option<i64>)> {
    let events = events(&mut *f.reader, id);
    events.iter().map(|event| (event.state, event.started_ms, event.ended_ms)).collect()
}

/// Two ticks up, two down, one up, a second apart.
fn up_down_up(id: ServiceId) -> Vec<Outcome> {
    let ticks = [true, true, false, false, true].into_iter().enumerate();
    ticks.map(|(nth, up)| outcome(id, up, nth as i64 * 1_000)).collect()
}

const UP_DOWN_UP: [(State, i64, Option<i64>); 3] =
    [(State::Up, 4_000, None), (State::Down, 2_000, Some(4_000)), (State::Up, 0, Some(2_000))];

fn a_change_of_state_ends_the_old_event_where_the_new_one_begins(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = f.ids[0];
    for outcome in up_down_up(id) {
        f.commit(&[outcome], 0);
    }
    assert_eq!(periods(&mut f, id), UP_DOWN_UP);
    let failure = events(&mut *f.reader, id)[1].failure.clone().unwrap();
    assert_eq!(failure.reason.as_str(), "status");
    let tally = GetService(id).run(&mut *f.reader).unwrap().tally.unwrap();
    assert_eq!((tally.tick_count, tally.up_count), (5, 3));
}

fn changes_of_state_within_a_group_are_events(kind: Kind) {
    for forgets in [false, true] {
        let mut f = Fixture::new(kind.open(), 2);
        let id = f.ids[0];
        let group = up_down_up(id);
        let mut began = f.commit(&group[..1], 0).began;
        if forgets {
            f.ledger = Ledger::default();
        }
        began.extend(f.commit(&group[1..], 0).began);
        assert_eq!(periods(&mut f, id), UP_DOWN_UP);
        let states: Vec<_> = began.iter().map(|event| (event.before, event.state)).collect();
        let (up, down) = (State::Up, State::Down);
        assert_eq!(states, [(None, up), (Some(up), down), (Some(down), up)]);
        f.commit(&[outcome(id, false, 5_000)], 0);
        assert_eq!(periods(&mut f, id)[..2], [(down, 5_000, None), (up, 4_000, Some(5_000))]);
        f.assert_consistent();
    }
}

fn an_outcome_of_a_deleted_service_is_not_stored(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 2);
    let (id, other) = (f.ids[0], f.ids[1]);
    f.commit(&[outcome(id, true, 0)], 0);
    f.writer.define(Change::Delete(id), &AuditSource::COMMAND, 500).unwrap();
    f.ledger.forget(id);
    let group = [outcome(id, false, 1_000), outcome(other, true, 1_000)];
    let done = f.commit(&group, 0);
    assert_eq!((done.recorded, done.orphaned), (1, vec![id]));
    let spans = f.reader.spans(&[id], Window::ALL).unwrap().remove(&id).unwrap();
    assert_eq!(spans.iter().map(|span| span.to_ms).collect::<Vec<_>>(), [Some(500)]);
}

/// Whatever the groups, and whether the ledger has the entries or reads them: the rows equal a
/// recount.
fn groups_of_any_size_give_the_same_rows(kind: Kind) {
    let config = ProptestConfig { source_file: Some(file!()), ..ProptestConfig::with_cases(40) };
    let group = || prop::collection::vec((0usize..3, any::<bool>()), 0..12);
    proptest!(config, |(groups in prop::collection::vec((group(), any::<bool>()), 1..8))| {
        let mut f = Fixture::new(kind.open(), 3);
        let ids = f.ids.clone();
        let mut all: Vec<Vec<bool>> = vec![Vec::new(); 3];
        let mut at_ms = 0;
        for (group, forgets) in groups {
            let mut outcomes = Vec::new();
            for (nth, up) in group {
                at_ms += 1_000;
                all[nth].push(up);
                outcomes.push(outcome(ids[nth], up, at_ms));
            }
            f.commit(&outcomes, at_ms);
            if forgets {
                f.ledger = Ledger::default();
            }
        }
        for (id, ticks) in ids.iter().zip(&all) {
            let record = GetService(*id).run(&mut *f.reader).unwrap();
            let tally = record.tally.unwrap_or_default();
            prop_assert_eq!(tally.tick_count, ticks.len() as u64);
            prop_assert_eq!(tally.up_count, ticks.iter().filter(|up| **up).count() as u64);
            let sum = Duration::from_micros(1_500) * ticks.len() as u32;
            prop_assert_eq!(tally.response_time_sum, sum);
            let newest = record.latest_event.map(|event| event.state == State::Up);
            prop_assert_eq!(newest, ticks.last().copied());
            let changes = ticks.windows(2).filter(|pair| pair[0] != pair[1]).count();
            let expected = if ticks.is_empty() { 0 } else { changes + 1 };
            prop_assert_eq!(events(&mut *f.reader, *id).len(), expected);
        }
    });
}
