//! Drafts of groups, without a store.

use super::*;
use crate::domain::{Reason, sample};

fn id() -> ServiceId {
    ServiceId::new(7).unwrap()
}

fn result(is_up: bool, at_ms: i64) -> Outcome {
    let failure = (!is_up).then(|| Failure::new(Reason::Status, "500"));
    Outcome { failure, ..sample::outcome(id().get(), at_ms) }
}

/// The draft of `group`, whose service has `entry`.
fn draft<'g>(ledger: &Ledger, entry: Entry, group: &'g [Outcome]) -> Draft<'g> {
    let metrics = BTreeMap::from([(id(), NewMetric::new(entry))]);
    ledger.draft(metrics, group, 100, 9_000)
}

fn watched() -> Entry {
    Entry { is_watched: true, ..Entry::default() }
}

/// A service that is up since 0, with the event 5 and the tick 50.
fn up() -> Entry {
    let latest = LatestEvent { state: State::Up, started_at_ms: 0, open: true };
    let mut entry = Entry { has_metric: true, ..watched() };
    (entry.latest_event_id, entry.latest_tick_id) = (Some(5), Some(50));
    (entry.tally.latest, entry.tally.known_is_up) = (Some(latest), Some(true));
    entry
}

fn begun(draft: &Draft<'_>) -> Vec<(State, i64, Option<i64>)> {
    let events = draft.batch.begun.iter();
    events.map(|event| (event.state, event.started_ms, event.ended_ms)).collect()
}

#[test]
fn an_event_that_ends_within_the_batch_is_written_with_its_end() {
    let group = [result(false, 1_000), result(true, 2_000)];
    let draft = draft(&Ledger::default(), up(), &group);
    assert_eq!(draft.batch.ended, [EndedEvent { id: 5, at_ms: 1_000 }]);
    let expected = [(State::Down, 1_000, Some(2_000)), (State::Up, 2_000, None)];
    assert_eq!(begun(&draft), expected);
    let ids: Vec<_> = draft.batch.ticks.iter().map(|tick| (tick.previous_id, tick.id)).collect();
    assert_eq!(ids, [(Some(50), 100), (Some(100), 101)]);
}

#[test]
fn a_stored_batch_becomes_the_entries() {
    let mut ledger = Ledger::default();
    let group = [result(false, 1_000), result(true, 2_000)];
    let draft = draft(&ledger, up(), &group);
    let committed = ledger.adopt(draft, &Stored { event_ids: vec![6, 7] });
    assert_eq!((committed.recorded, committed.began.len()), (2, 2));
    let (metrics, missing) = ledger.metrics_of(&group);
    assert_eq!(missing, []);
    let entry = metrics[&id()].entry;
    assert_eq!((entry.latest_event_id, entry.latest_tick_id), (Some(7), Some(101)));
    assert_eq!(ledger.fresh(), Fresh { ticks: 2, longest_run: 2, is_sealing: false });
}

#[test]
fn a_result_without_a_change_writes_no_event() {
    let group = [result(true, 1_000)];
    let draft = draft(&Ledger::default(), up(), &group);
    assert_eq!((draft.batch.ended.len(), draft.batch.begun.len()), (0, 0));
    assert_eq!(draft.batch.metrics[&id()].begun, None);
}

#[test]
fn results_of_services_that_are_not_watched_are_counted() {
    let group = [result(true, 1_000)];
    let draft = draft(&Ledger::default(), Entry::default(), &group);
    assert_eq!(draft.committed.orphaned, [id()]);
    assert_eq!((draft.batch.ticks.len(), draft.batch.metrics.len()), (0, 0));
}

#[test]
fn the_first_result_after_an_import_ends_what_was_open_there() {
    let group = [result(true, 9_000)];
    let entry = Entry { unwatched_from_ms: Some(3_000), ..up() };
    let draft = draft(&Ledger::default(), entry, &group);
    assert_eq!(draft.batch.ended, [EndedEvent { id: 5, at_ms: 3_000 }]);
    let expected = [(State::Unknown, 3_000, Some(9_000)), (State::Up, 9_000, None)];
    assert_eq!(begun(&draft), expected);
    assert!(draft.batch.metrics[&id()].clears_unwatched);
    assert_eq!(draft.committed.began.len(), 1, "the gap is not reported");
}

#[test]
fn a_probe_that_began_before_a_stall_changes_no_event() {
    let mut ledger = Ledger::default();
    ledger.stalled(5_000);
    let group = [result(false, 4_000), result(false, 6_000)];
    let draft = draft(&ledger, up(), &group);
    assert_eq!(begun(&draft), [(State::Down, 6_000, None)]);
    assert_eq!(draft.batch.ticks.len(), 2);
}
