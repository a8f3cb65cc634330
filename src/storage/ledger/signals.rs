//! Signals of alerts: what a result of a service with marks is noted for.

use std::time::Duration;

use crate::domain::alert::runs::reached;
use crate::domain::alert::{AlertKind, Edge, Facts, Marks, Runs, certificate};
use crate::domain::{Outcome, State, Tally, Tick};
use crate::storage::batch::NewSignal;

/// A recorded result, with the tally of its service before and after it.
pub struct Result<'a> {
    outcome: &'a Outcome,
    state: State,
    /// Unix milliseconds, as stored.
    at_ms: i64,
    /// As stored.
    response_time: Duration,
    before: &'a Tally,
    after: &'a Tally,
}

impl<'a> Result<'a> {
    pub fn new(outcome: &'a Outcome, tick: &Tick, before: &'a Tally, after: &'a Tally) -> Self {
        let Tick { state, at_ms, response_time } = *tick;
        Self { outcome, state, at_ms, response_time, before, after }
    }
}

/// The runs after `result`; adds what they reach to `signals`.
pub fn observe(
    result: &Result<'_>,
    marks: &Marks,
    runs: Runs,
    signals: &mut Vec<NewSignal>,
) -> Runs {
    flapping(result, marks, signals);
    let is_up = match result.state {
        State::Up => true,
        State::Down => false,
        State::Unknown | State::Paused => return runs.broken(),
    };
    let mut after = runs.with_result(is_up, marks);
    crossed(result, marks, runs, after, signals);
    if is_up {
        after = speed(result, marks, after, signals);
    }
    expiry(result, marks, after, signals)
}

/// Signals a change of the flag; of a result that changes no event, too.
pub fn flapping(result: &Result<'_>, marks: &Marks, signals: &mut Vec<NewSignal>) {
    let (before, after) = (result.before.is_flapping, result.after.is_flapping);
    if marks.flapping && before != after {
        let edge = if after { Edge::Begin } else { Edge::End };
        signals.push(result.signal(AlertKind::Flapping, edge, 1, result.at_ms));
    }
}

/// Results in a row that count: failures while a downtime is open, successes while an uptime is.
fn effective(runs: Runs, tally: &Tally) -> (u32, u32) {
    match tally.latest.filter(|latest| latest.open).map(|latest| latest.state) {
        Some(State::Down) => (runs.failures(), 0),
        Some(State::Up) => (0, runs.successes()),
        _ => (0, 0),
    }
}

fn crossed(
    result: &Result<'_>,
    marks: &Marks,
    before: Runs,
    after: Runs,
    signals: &mut Vec<NewSignal>,
) {
    let (failures_before, successes_before) = effective(before, result.before);
    let (failures, successes) = effective(after, result.after);
    let since_ms = result.after.latest.map_or(result.at_ms, |latest| latest.started_at_ms);
    if let Some(count) = reached(&marks.failures, failures_before, failures) {
        signals.push(result.signal(AlertKind::Down, Edge::Begin, count, since_ms));
    }
    // Without any failure, no alert can be open: the first results of a service signal nothing.
    let may_be_open = result.after.down_count() > 0;
    if let Some(count) = reached(&marks.successes, successes_before, successes)
        && may_be_open
    {
        signals.push(result.signal(AlertKind::Down, Edge::End, count, since_ms));
    }
}

/// Failures are neither slow nor fast: they leave the run as it is.
fn speed(result: &Result<'_>, marks: &Marks, runs: Runs, signals: &mut Vec<NewSignal>) -> Runs {
    let Some((limit_ms, results)) = marks.degraded else { return runs };
    let is_slow = result.response_time > Duration::from_millis(limit_ms.into());
    let after = runs.with_speed(!is_slow, results);
    let slow = |runs: Runs| runs.slow.min(0).unsigned_abs();
    let fast = |runs: Runs| runs.slow.max(0).unsigned_abs();
    if reached(&[results], slow(runs), slow(after)).is_some() {
        signals.push(result.signal(AlertKind::Degraded, Edge::Begin, results, result.at_ms));
    }
    if reached(&[results], fast(runs), fast(after)).is_some() {
        signals.push(result.signal(AlertKind::Degraded, Edge::End, results, result.at_ms));
    }
    after
}

fn expiry(result: &Result<'_>, marks: &Marks, runs: Runs, signals: &mut Vec<NewSignal>) -> Runs {
    let details = &result.outcome.details;
    let expires_at = details.verified_chain_expires_at.or(details.certificate_expires_at);
    let Some(expires_at) = expires_at.filter(|_| !marks.certificate_days.is_empty()) else {
        return runs;
    };
    let (after, signal) =
        certificate::observe(runs, &marks.certificate_days, expires_at, result.at_ms);
    if let Some((edge, days)) = signal {
        signals.push(result.signal(AlertKind::Certificate, edge, days, result.at_ms));
    }
    after
}

impl Result<'_> {
    fn signal(&self, kind: AlertKind, edge: Edge, count: u32, since_ms: i64) -> NewSignal {
        let service_id = self.outcome.service_id;
        let facts = self.facts();
        NewSignal { service_id, kind, edge, count, at_ms: self.at_ms, since_ms, facts }
    }

    /// Without name, group and URL, which the dispatcher fills in.
    fn facts(&self) -> Facts {
        let failure = self.outcome.failure.as_ref();
        Facts {
            reason: failure.map_or("", |failure| failure.reason.as_str()).to_owned(),
            detail: failure.map_or("", |failure| failure.detail.as_str()).to_owned(),
            http_status: self.outcome.http_status,
            response_time_ms: u64::try_from(self.response_time.as_millis()).ok(),
            ..Facts::default()
        }
    }
}

#[cfg(test)]
mod tests;
