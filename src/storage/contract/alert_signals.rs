//! Signals of alerts: made with their tick, or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fixture::{Fixture, Kind, for_each_store, outcome, plain};
use super::ledger::outcome as result;
use crate::domain::alert::{
    Alert, AlertKind, AlertState, Edge, Facts, Marks, Runs, Settlement, Severity, Signal,
};
use crate::domain::audit::AuditSource;
use crate::domain::time::step_back::StepBack;
use crate::domain::{Definition, ServiceId, State, sample};
use crate::spec::Patch;
use crate::storage::batch::{Batch, Entry, NewMetric, NewSignal};
use crate::storage::error::StorageError;
use crate::storage::ledger::Ledger;
use crate::storage::records::{Change, FilePlan};

for_each_store!(
    a_run_is_signalled_with_its_tick_and_once,
    runs_go_on_when_the_rows_are_read_again,
    a_commit_that_fails_leaves_no_signal,
    an_id_of_a_signal_is_never_given_twice,
    pausing_or_removing_a_service_signals_its_open_alert,
    a_file_that_pauses_or_removes_services_signals_their_alerts,
    signals_move_when_the_clock_is_set_back,
    runs_of_a_service_without_marks_are_not_stored,
);

/// A ledger of the fixture in which each service has these marks.
fn with_marks(f: &mut Fixture, marks: Marks) {
    let marks = Arc::new(marks);
    f.ledger.set_marks(f.ids.iter().map(|id| (*id, Arc::clone(&marks))).collect());
}

fn down(failures: &[u32]) -> Marks {
    Marks { failures: failures.to_vec(), successes: vec![2], ..Marks::default() }
}

fn signals(f: &mut Fixture) -> Vec<Signal> {
    f.reader.alert_signals(1_000).unwrap()
}

/// Kind, edge, count, time and begin of each signal.
fn summaries(f: &mut Fixture) -> Vec<(AlertKind, Edge, u32, i64, i64)> {
    let summary =
        |signal: &Signal| (signal.kind, signal.edge, signal.count, signal.at_ms, signal.since_ms);
    signals(f).iter().map(summary).collect()
}

/// An alert that fires since 0.
pub fn firing(id: i64, service_id: Option<ServiceId>, kind: AlertKind) -> Alert {
    Alert {
        id,
        service_id,
        kind,
        severity: Severity::Critical,
        state: AlertState::Firing,
        since_ms: 0,
        fired_ms: Some(1),
        acknowledged: None,
        resolved_ms: None,
        cause: None,
        count: 2,
        suppressed_by: None,
        facts: Facts { name: format!("name {id}"), ..Facts::default() },
    }
}

fn a_run_is_signalled_with_its_tick_and_once(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 2);
    let (id, other) = (f.ids[0], f.ids[1]);
    with_marks(&mut f, down(&[2, 3]));
    let done = f.commit(&[result(id, false, 1_000), result(other, true, 1_500)], 2_000);
    assert_eq!((done.signals, signals(&mut f)), (0, vec![]));
    let done = f.commit(&[result(id, false, 2_000)], 0);
    assert_eq!(done.signals, 1);
    let done = f.commit(&[result(id, false, 3_000), result(id, false, 4_000)], 0);
    assert_eq!(done.signals, 1, "only the third reaches a mark");
    f.commit(&[result(id, true, 5_000), result(id, true, 6_000), result(id, true, 7_000)], 0);
    let (down, begin) = (AlertKind::Down, Edge::Begin);
    let expected = [
        (down, begin, 2, 2_000, 1_000),
        (down, begin, 3, 3_000, 1_000),
        (down, Edge::End, 2, 6_000, 5_000),
    ];
    assert_eq!(summaries(&mut f), expected);
    let first = signals(&mut f).remove(0);
    assert_eq!(first.service_id, id);
    let facts = Facts {
        reason: "status".to_owned(),
        detail: "500 Internal Server Error".to_owned(),
        http_status: Some(500),
        response_time_ms: Some(1),
        ..Facts::default()
    };
    assert_eq!(first.facts, facts);
    assert_eq!(f.reader.alert_signals(2).unwrap().len(), 2);
    f.assert_consistent();
}

fn runs_go_on_when_the_rows_are_read_again(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = f.ids[0];
    let marks = Marks { degraded: Some((1, 3)), certificate_days: vec![14, 7], ..down(&[3]) };
    let slow = |at_ms| {
        let mut slow = result(id, true, at_ms);
        slow.details.certificate_expires_at = Some(at_ms / 1_000 + 86_400 * 10);
        slow
    };
    let group = [
        slow(1_000),
        slow(2_000),
        result(id, false, 3_000),
        result(id, false, 4_000),
        slow(5_000),
        result(id, false, 6_000),
        result(id, false, 7_000),
        result(id, false, 8_000),
    ];
    for outcome in &group {
        f.ledger = Ledger::default();
        with_marks(&mut f, marks.clone());
        f.commit(std::slice::from_ref(outcome), 0);
    }
    let expected = [
        (AlertKind::Certificate, Edge::Begin, 10, 1_000, 1_000),
        (AlertKind::Degraded, Edge::Begin, 3, 5_000, 5_000),
        (AlertKind::Down, Edge::Begin, 3, 8_000, 6_000),
    ];
    assert_eq!(summaries(&mut f), expected);
    let runs =
        Runs { results: -3, slow: -3, certificate_step: Some(14), certificate_fine_since_ms: None };
    assert_eq!(f.writer.entries(&[id]).unwrap()[0].runs, runs);
    let mut renewed = result(id, true, 9_000);
    renewed.details.certificate_expires_at = Some(86_400 * 100);
    f.commit(&[renewed], 0);
    let runs = f.writer.entries(&[id]).unwrap()[0].runs;
    assert_eq!((runs.certificate_step, runs.certificate_fine_since_ms), (Some(14), Some(9_000)));
}

/// A batch that is refused, since the row of the metric is missing.
fn refused(id: ServiceId) -> Batch<'static> {
    let entry = Entry { has_metric: true, is_watched: true, ..Entry::default() };
    Batch {
        now_ms: 1_000,
        ticks: Vec::new(),
        ended: Vec::new(),
        begun: Vec::new(),
        metrics: BTreeMap::from([(id, NewMetric::new(entry))]),
        signals: vec![NewSignal {
            service_id: id,
            kind: AlertKind::Down,
            edge: Edge::Begin,
            count: 1,
            at_ms: 1_000,
            since_ms: 1_000,
            facts: Facts::default(),
        }],
        relays: false,
        facts: Vec::new(),
        taken: Vec::new(),
    }
}

fn a_commit_that_fails_leaves_no_signal(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let mut batch = refused(f.ids[0]);
    let error = f.writer.commit(&batch).unwrap_err();
    assert!(matches!(error, StorageError::Conflict(_)), "{error:?}");
    assert_eq!(signals(&mut f), []);
    batch.metrics.clear();
    f.writer.commit(&batch).unwrap();
    assert_eq!(signals(&mut f).len(), 1);
}

fn an_id_of_a_signal_is_never_given_twice(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = f.ids[0];
    with_marks(&mut f, down(&[1]));
    f.commit(&[result(id, false, 1_000)], 0);
    let first = signals(&mut f)[0].id;
    let settlement = Settlement { signals: vec![first], ..Settlement::default() };
    f.writer.settle_alerts(&settlement).unwrap();
    f.commit(&[result(id, true, 2_000), result(id, false, 3_000)], 0);
    // The same settlement again, after an answer that was lost.
    f.writer.settle_alerts(&settlement).unwrap();
    let left = signals(&mut f);
    assert_eq!(left.len(), 1);
    assert!(left[0].id > first);
}

fn pausing_or_removing_a_service_signals_its_open_alert(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 4);
    let ids = f.ids.clone();
    with_marks(&mut f, down(&[1]));
    f.commit(&ids.iter().map(|id| result(*id, false, 1_000)).collect::<Vec<_>>(), 0);
    // The alert of the first is open, that of the second has ended; the signals of the others are
    // not settled.
    let settled: Vec<i64> = signals(&mut f)[..2].iter().map(|signal| signal.id).collect();
    let ended = Alert {
        state: AlertState::Resolved,
        resolved_ms: Some(5),
        ..firing(2, Some(ids[1]), AlertKind::Down)
    };
    let settlement = Settlement {
        signals: settled,
        alerts: vec![firing(1, Some(ids[0]), AlertKind::Down), ended],
        ..Settlement::default()
    };
    f.writer.settle_alerts(&settlement).unwrap();
    let pause = [("enabled".to_owned(), false.into())].into_iter().collect();
    let pause = Patch::new(pause).unwrap();
    f.writer.define(Change::Update(ids[0], pause.clone()), &AuditSource::COMMAND, 7_000).unwrap();
    f.writer.define(Change::Update(ids[1], pause), &AuditSource::COMMAND, 7_500).unwrap();
    f.writer.define(Change::Delete(ids[2]), &AuditSource::COMMAND, 8_000).unwrap();
    let gone: Vec<_> = signals(&mut f).into_iter().filter(|one| one.edge == Edge::Gone).collect();
    let gone: Vec<_> = gone
        .iter()
        .map(|one| (one.service_id, one.kind, one.at_ms, one.facts.reason.as_str()))
        .collect();
    let down = AlertKind::Down;
    assert_eq!(gone, [(ids[0], down, 7_000, "paused"), (ids[2], down, 8_000, "removed")]);
    let runs = f.writer.entries(&[ids[3]]).unwrap()[0].runs;
    assert_eq!(runs.results, -1);
    let resume = [("enabled".to_owned(), true.into())].into_iter().collect();
    f.writer
        .define(Change::Update(ids[0], Patch::new(resume).unwrap()), &AuditSource::COMMAND, 9_000)
        .unwrap();
    assert_eq!(f.writer.entries(&ids[..1]).unwrap()[0].runs.results, 0, "a pause ends the run");
}

fn a_file_that_pauses_or_removes_services_signals_their_alerts(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 0);
    let add = ["a", "b", "c"].map(sample::definition).to_vec();
    let plan = FilePlan { add, ..FilePlan::default() };
    f.ids = f.writer.define_all(&mut |_| Ok(plan.clone()), &AuditSource::COMMAND, 0).unwrap().added;
    let ids = f.ids.clone();
    with_marks(&mut f, down(&[1]));
    f.commit(&ids.iter().map(|id| result(*id, false, 1_000)).collect::<Vec<_>>(), 0);
    let paused = Definition { enabled: false, ..sample::definition("b") };
    let plan =
        FilePlan { change: vec![(ids[1], paused)], remove: vec![ids[0]], ..FilePlan::default() };
    f.writer.define_all(&mut |_| Ok(plan.clone()), &AuditSource::COMMAND, 2_000).unwrap();
    let gone = signals(&mut f).into_iter().filter(|signal| signal.edge == Edge::Gone);
    let gone: Vec<_> = gone.map(|signal| (signal.service_id, signal.facts.reason)).collect();
    assert_eq!(gone, [(ids[0], "removed".to_owned()), (ids[1], "paused".to_owned())]);
}

fn signals_move_when_the_clock_is_set_back(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = f.ids[0];
    with_marks(&mut f, down(&[2]));
    f.commit(&[result(id, false, 1_000_000), result(id, false, 2_000_000)], 0);
    let step = StepBack { by_ms: 1_500_000, to_ms: 600_000, after_ms: 600_000 };
    f.ledger.step_back(&mut *f.writer, &[step]).unwrap();
    let expected = [(AlertKind::Down, Edge::Begin, 2, 500_000, 0)];
    assert_eq!(summaries(&mut f), expected, "the downtime lasts for a million milliseconds");
}

fn runs_of_a_service_without_marks_are_not_stored(kind: Kind) {
    let mut f = Fixture::new(kind.open(), 1);
    let id = f.ids[0];
    with_marks(&mut f, down(&[5]));
    f.commit(&[result(id, false, 1_000), result(id, false, 2_000)], 0);
    assert_eq!(f.writer.entries(&[id]).unwrap()[0].runs.results, -2);
    f.ledger.marks_mut().remove(id);
    f.commit(&[outcome(id, &plain(State::Down, 3_000))], 0);
    assert_eq!(f.writer.entries(&[id]).unwrap()[0].runs, Runs::default());
    assert_eq!(signals(&mut f), []);
}
