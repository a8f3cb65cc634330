//! The signals of a ledger against a model that looks at the whole history.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use crate::domain::alert::{AlertKind, Edge, Marks};
use crate::domain::{
    Failure, Outcome, Reason, ServiceId, State, Tally, Thresholds, Tick, Verdict, rollup, sample,
};
use crate::storage::batch::{Entry, NewMetric, NewSignal, Stored};
use crate::storage::ledger::Ledger;

fn id() -> ServiceId {
    ServiceId::new(7).unwrap()
}

/// A result, one a second: `u`p, `s`low, `d`own, `?` unknown, `h`ole.
fn outcome(letter: char, nth: usize) -> Outcome {
    let failure = match letter {
        'u' | 's' => None,
        'h' => Some(Failure::new(Reason::LocalConfig, "no variable")),
        _ => Some(Failure::new(Reason::Timeout, "no answer")),
    };
    Outcome {
        failure,
        network_down: letter == '?',
        response_time: Duration::from_millis(if letter == 's' { 900 } else { 100 }),
        ..sample::outcome(id().get(), nth as i64 * 1_000)
    }
}

type Summary = (AlertKind, Edge, u32, i64, i64);

fn summary(signal: &NewSignal) -> Summary {
    (signal.kind, signal.edge, signal.count, signal.at_ms, signal.since_ms)
}

/// What the ledger signals for groups of these sizes.
fn signalled(
    outcomes: &[Outcome],
    marks: &Marks,
    thresholds: Thresholds,
    sizes: &[usize],
) -> Vec<Summary> {
    let mut ledger = Ledger::default();
    ledger.set_marks([(id(), Arc::new(marks.clone()))].into_iter().collect());
    let mut entry = Entry { is_watched: true, thresholds, ..Entry::default() };
    let (mut all, mut rest, mut sizes) = (Vec::new(), outcomes, sizes.iter().cycle());
    while !rest.is_empty() {
        let (group, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        rest = later;
        let metrics = BTreeMap::from([(id(), NewMetric::new(entry))]);
        let draft = ledger.draft(metrics, group, 100, i64::MAX);
        all.extend(draft.batch.signals.iter().map(summary));
        let signals = draft.batch.signals.len();
        let event_ids = (1..).take(draft.batch.begun.len()).collect();
        assert_eq!(ledger.adopt(draft, &Stored { event_ids }).signals, signals);
        entry = ledger.entries.get(id()).unwrap().get();
    }
    all
}

/// The model: after each result, looks back for how many results in a row of the same kind there
/// are, and whether an event of that kind is open.
fn expected(outcomes: &[Outcome], marks: &Marks, thresholds: Thresholds) -> Vec<Summary> {
    let mut all = Vec::new();
    let mut tally = Tally::default();
    let (mut down_before, mut up_before) = (0, 0);
    let (mut slow_before, mut fast_before) = (0, 0);
    for (nth, outcome) in outcomes.iter().enumerate() {
        let at_ms = outcome.started_at_ms;
        let was_flapping = tally.is_flapping;
        tally = after(tally, outcome, &thresholds);
        let latest = tally.latest.filter(|latest| latest.open);
        let row = |verdict: Verdict| {
            let newest_first = outcomes[..=nth].iter().rev();
            newest_first.take_while(|outcome| outcome.verdict() == verdict).count() as u32
        };
        let open = |state| latest.is_some_and(|latest| latest.state == state);
        let down = if open(State::Down) { row(Verdict::Down) } else { 0 };
        let up = if open(State::Up) { row(Verdict::Up) } else { 0 };
        if marks.flapping && was_flapping != tally.is_flapping {
            let edge = if tally.is_flapping { Edge::Begin } else { Edge::End };
            all.push((AlertKind::Flapping, edge, 1, at_ms, at_ms));
        }
        let since_ms = latest.map_or(0, |latest| latest.started_at_ms);
        let greatest = |marks: &[u32], before: u32, now: u32| {
            marks.iter().copied().filter(|mark| before < *mark && *mark <= now).max()
        };
        if let Some(count) = greatest(&marks.failures, down_before, down) {
            all.push((AlertKind::Down, Edge::Begin, count, at_ms, since_ms));
        }
        let has_failed = outcomes[..=nth].iter().any(|it| it.verdict() == Verdict::Down);
        if let Some(count) = greatest(&marks.successes, up_before, up).filter(|_| has_failed) {
            all.push((AlertKind::Down, Edge::End, count, at_ms, since_ms));
        }
        (down_before, up_before) = (down, up);
        let (slow, fast) = speeds(&outcomes[..=nth]);
        if let Some((_, results)) = marks.degraded {
            if slow_before < results && slow >= results {
                all.push((AlertKind::Degraded, Edge::Begin, results, at_ms, at_ms));
            }
            if fast_before < results && fast >= results {
                all.push((AlertKind::Degraded, Edge::End, results, at_ms, at_ms));
            }
        }
        (slow_before, fast_before) = (slow, fast);
    }
    all
}

/// Slow and fast results in a row, failures left out, since the last one that is neither up nor
/// down.
fn speeds(outcomes: &[Outcome]) -> (u32, u32) {
    let known = outcomes.iter().rev();
    let known = known
        .take_while(|outcome| matches!(outcome.verdict(), Verdict::Up | Verdict::Down))
        .filter(|outcome| outcome.verdict() == Verdict::Up);
    let slow: Vec<bool> =
        known.map(|outcome| outcome.response_time > Duration::from_millis(500)).collect();
    let row = |is_slow| slow.iter().take_while(|slow| **slow == is_slow).count() as u32;
    (row(true), row(false))
}

fn after(tally: Tally, outcome: &Outcome, thresholds: &Thresholds) -> Tally {
    let state = match outcome.verdict() {
        Verdict::Up => State::Up,
        Verdict::Down => State::Down,
        Verdict::Unknown => State::Unknown,
        Verdict::Local => {
            let mut tally = Tally { streak: None, ..tally };
            let newest_ms = tally.latest.map_or(0, |latest| latest.started_at_ms);
            if let Some(latest) = &mut tally.latest {
                if latest.state == State::Unknown {
                    return tally;
                }
                latest.state = State::Unknown;
                latest.started_at_ms = newest_ms.max(outcome.started_at_ms);
            }
            return tally;
        }
    };
    let Outcome { started_at_ms: at_ms, response_time, .. } = *outcome;
    rollup(&tally, &Tick { state, at_ms, response_time }, thresholds).0
}

fn outcomes(letters: &str) -> Vec<Outcome> {
    letters.chars().enumerate().map(|(nth, letter)| outcome(letter, nth)).collect()
}

/// Kind, edge and count of what these results signal.
fn signals(letters: &str, marks: &Marks, failure: u32) -> Vec<(AlertKind, Edge, u32)> {
    let thresholds = Thresholds { failure, success: 1, confirm_interval: None };
    let all = signalled(&outcomes(letters), marks, thresholds, &[2]);
    all.into_iter().map(|(kind, edge, count, ..)| (kind, edge, count)).collect()
}

#[test]
fn each_mark_is_signalled_once_in_a_run() {
    let marks = Marks { failures: vec![2, 4], successes: vec![2], ..Marks::default() };
    let (down, begin, end) = (AlertKind::Down, Edge::Begin, Edge::End);
    let expected = [(down, begin, 2), (down, begin, 4), (down, end, 2)];
    assert_eq!(signals("ddddddduuuu", &marks, 1), expected);
    assert_eq!(signals("dudududud", &marks, 1), []);
    assert_eq!(signals("uuuu?huuuu", &marks, 1), [], "no alert can be open");
}

#[test]
fn failures_count_once_the_downtime_has_begun() {
    let marks = Marks { failures: vec![2, 3, 9], ..Marks::default() };
    let begin = |count| (AlertKind::Down, Edge::Begin, count);
    assert_eq!(signals("uudddd", &marks, 4), [begin(3)], "and not before");
    assert_eq!(signals("udd?dd", &marks, 1), [begin(2), begin(2)], "an unknown result ends a run");
    assert_eq!(signals("uddhdd", &marks, 1), [begin(2), begin(2)], "a hole does, too");
}

#[test]
fn failures_are_neither_slow_nor_fast() {
    let marks = Marks { degraded: Some((500, 3)), ..Marks::default() };
    let degraded = |edge| (AlertKind::Degraded, edge, 3);
    let (begin, end) = (degraded(Edge::Begin), degraded(Edge::End));
    assert_eq!(signals("ssdsdddsuuu", &marks, 1), [begin, end]);
    assert_eq!(signals("ss?s", &marks, 1), []);
}

#[test]
fn flapping_is_signalled_when_its_flag_changes() {
    let marks = Marks { flapping: true, ..Marks::default() };
    let letters = "ud".repeat(15) + &"u".repeat(40);
    let flapping = |edge| (AlertKind::Flapping, edge, 1);
    assert_eq!(signals(&letters, &marks, 1), [flapping(Edge::Begin), flapping(Edge::End)]);
    assert_eq!(signals(&letters, &Marks::default(), 1), []);
}

proptest! {
    #![proptest_config(ProptestConfig {
        source_file: Some(file!()),
        ..ProptestConfig::with_cases(2_000)
    })]

    #[test]
    fn the_ledger_signals_what_the_model_does(
        letters in "[usd?h]{0,12}([ud]{1,3}|d{1,9}|u{1,9}|s{1,5}|[?h]){0,12}",
        failures in prop::collection::btree_set(1u32..8, 0..3),
        successes in prop::collection::btree_set(1u32..6, 0..3),
        slow in prop::option::of(1u32..5),
        flapping in any::<bool>(),
        failure in 1u32..5,
        success in 1u32..4,
        sizes in prop::collection::vec(1usize..9, 1..4),
    ) {
        let marks = Marks {
            failures: failures.into_iter().collect(),
            successes: successes.into_iter().collect(),
            degraded: slow.map(|results| (500, results)),
            flapping,
            ..Marks::default()
        };
        let thresholds = Thresholds { failure, success, confirm_interval: None };
        let outcomes = outcomes(&letters);
        prop_assert_eq!(
            signalled(&outcomes, &marks, thresholds, &sizes),
            expected(&outcomes, &marks, thresholds)
        );
    }
}
