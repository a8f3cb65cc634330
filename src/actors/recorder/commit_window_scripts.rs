//! Random results of two services go through the commit window and the ledger: none that the window
//! lets wait begins an event or a signal of an alert.
//!
//! `PROPTEST_CASES` sets the number of scripts.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::commit_window::CommitWindow;
use crate::domain::alert::Marks;
use crate::domain::{Failure, Outcome, Reason, Thresholds, sample};
use crate::storage::contract::fixture::{Fixture, Kind, START_MS};
use crate::storage::ledger::Committed;

/// Scripts unless `PROPTEST_CASES` is set.
const CASES: u32 = 24;

const SERVICES: usize = 2;
const WINDOW: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);

/// Response time above which a result is slow, if a service is watched for that.
const SLOW_MS: u32 = 100;

#[derive(Debug, Clone, Copy)]
enum Found {
    Fast,
    Slow,
    Down,
    Unknown,
    /// No result, by a fault of the monitor.
    Hole,
}

/// One outcome, and whether a commit follows.
#[derive(Debug, Clone, Copy)]
struct Step {
    nth: usize,
    found: Found,
    is_scheduled: bool,
    commits: bool,
}

fn any_step() -> impl Strategy<Value = Step> {
    let found = prop_oneof![
        8 => Just(Found::Fast),
        2 => Just(Found::Slow),
        4 => Just(Found::Down),
        1 => Just(Found::Unknown),
        1 => Just(Found::Hole),
    ];
    (0..SERVICES, found, prop::bool::weighted(0.9), prop::bool::weighted(0.7))
        .prop_map(|(nth, found, is_scheduled, commits)| Step { nth, found, is_scheduled, commits })
}

/// Equal steps, since a run must be long to settle a service.
fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let runs = prop::collection::vec((any_step(), 1usize..6), 1..10);
    runs.prop_map(|runs| runs.into_iter().flat_map(|(step, count)| vec![step; count]).collect())
}

fn any_marks() -> impl Strategy<Value = Option<Marks>> {
    let marks = (1u32..4, 1u32..4, any::<bool>(), prop::option::of(1u32..3));
    let marks = marks.prop_map(|(failures, successes, flapping, slow)| Marks {
        failures: vec![failures, failures + 2],
        successes: vec![successes],
        flapping,
        degraded: slow.map(|results| (SLOW_MS, results)),
        certificate_days: Vec::new(),
    });
    prop::option::of(marks)
}

fn outcome(fixture: &Fixture, step: &Step, at_ms: i64) -> Outcome {
    let failure = |reason| Some(Failure::new(reason, "a failure"));
    let took_ms = if matches!(step.found, Found::Slow) { u64::from(SLOW_MS) * 2 } else { 1 };
    Outcome {
        response_time: Duration::from_millis(took_ms),
        failure: match step.found {
            Found::Fast | Found::Slow => None,
            Found::Down | Found::Unknown => failure(Reason::Timeout),
            Found::Hole => failure(Reason::LocalFault),
        },
        network_down: matches!(step.found, Found::Unknown),
        scheduled_every: step.is_scheduled.then_some(MINUTE),
        ..sample::outcome(fixture.ids[step.nth].get(), at_ms)
    }
}

/// Runs a script. Returns how many results the window let wait.
fn run(thresholds: Thresholds, marks: Option<Marks>, steps: &[Step]) -> usize {
    let store = Kind::Sqlite.open();
    let mut fixture = Fixture::with_thresholds(store, &[thresholds; SERVICES]);
    if let Some(marks) = marks.map(Arc::new) {
        let marks = fixture.ids.iter().map(|id| (*id, Arc::clone(&marks)));
        fixture.ledger.set_marks(marks.collect());
    }
    let mut window = CommitWindow::new(WINDOW);
    let (mut group, mut pushed, mut waited) = (Vec::new(), 0, 0);
    for (step, nth) in steps.iter().zip(1..) {
        let now_ms = START_MS + nth * 1_000;
        let outcome = outcome(&fixture, step, now_ms);
        let waits = window.wait(&outcome) == WINDOW;
        waited += usize::from(waits);
        pushed += 1;
        window.buffered(outcome.service_id, pushed);
        group.push((outcome, waits));
        if !step.commits {
            continue;
        }
        // One by one, which shows what each of them changes.
        let mut all = Committed::default();
        for (outcome, waits) in group.drain(..) {
            let committed = fixture.commit(&[outcome], now_ms);
            let changes = !committed.began.is_empty() || committed.signals > 0;
            assert!(!(waits && changes), "step {nth} waits: {committed:?}");
            all.extend(committed);
        }
        window.committed(&all, pushed);
    }
    waited
}

#[test]
fn no_result_that_waits_begins_an_event_or_a_signal() {
    let cases = env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = ProptestConfig {
        source_file: Some(file!()),
        ..ProptestConfig::with_cases(cases.unwrap_or(CASES))
    };
    proptest!(config, |(
        failure in 1u32..4,
        success in 1u32..4,
        marks in any_marks(),
        steps in any_steps(),
    )| {
        run(Thresholds { failure, success, confirm_interval: None }, marks, &steps);
    });
}

#[test]
fn results_of_a_state_that_lasts_wait_whatever_alerts_there_are() {
    let step = |found| Step { nth: 0, found, is_scheduled: true, commits: true };
    let marks = Marks {
        failures: vec![3],
        successes: vec![2],
        flapping: true,
        degraded: Some((SLOW_MS, 2)),
        certificate_days: vec![14],
    };
    for marks in [None, Some(marks)] {
        for found in [Found::Fast, Found::Down] {
            let waited = run(Thresholds::default(), marks.clone(), &[step(found); 20]);
            assert!((16..20).contains(&waited), "{found:?}: {waited} of 20 waited");
        }
    }
}
