//! A batch as arrays, one a column.

use std::borrow::Cow;

use super::cold::alerting::alert_rows::NewSignalRow;
use super::cold::facts::FactsRow;
use crate::domain::alert;
use crate::domain::{PHASES, State, StoredTick};
use crate::storage::batch::{Batch, NewMetric};

/// The rows of `service_ticks`.
#[derive(Debug, Default)]
pub struct Ticks {
    pub service_id: Vec<i64>,
    pub seq: Vec<i64>,
    pub at_ms: Vec<i64>,
    pub unphased_us: Vec<Option<i64>>,
    pub phases_us: [Vec<Option<i32>>; PHASES],
    pub state: Vec<i16>,
    pub http_status: Vec<Option<i16>>,
    pub failure: Vec<Option<&'static str>>,
}

impl Ticks {
    pub fn of(batch: &Batch<'_>) -> Self {
        let mut columns = Self::with_capacity(batch.ticks.len());
        for new in &batch.ticks {
            columns.push(new.service_id.get(), new.seq, &new.tick);
        }
        columns
    }

    pub fn with_capacity(rows: usize) -> Self {
        Self {
            service_id: Vec::with_capacity(rows),
            seq: Vec::with_capacity(rows),
            at_ms: Vec::with_capacity(rows),
            unphased_us: Vec::with_capacity(rows),
            phases_us: std::array::from_fn(|_| Vec::with_capacity(rows)),
            state: Vec::with_capacity(rows),
            http_status: Vec::with_capacity(rows),
            failure: Vec::with_capacity(rows),
        }
    }

    /// Adds a tick and its number.
    pub fn push(&mut self, service_id: i64, seq: u64, tick: &StoredTick) {
        self.service_id.push(service_id);
        self.seq.push(seq.cast_signed());
        self.at_ms.push(tick.at_ms);
        let phases =
            tick.phases_us.map(|phases| phases.map(|us| i32::try_from(us).unwrap_or(i32::MAX)));
        let phased: u64 =
            phases.unwrap_or_default().into_iter().map(|us| u64::from(us.cast_unsigned())).sum();
        let unphased_us = tick.response_time_us.wrapping_sub(phased).cast_signed();
        self.unphased_us.push((unphased_us != 0).then_some(unphased_us));
        for (nth, column) in self.phases_us.iter_mut().enumerate() {
            column.push(phases.map(|phases| phases[nth]));
        }
        self.state.push(state_number(tick.state));
        self.http_status.push(tick.http_status.and_then(|status| i16::try_from(status).ok()));
        self.failure.push(tick.reason.map(|reason| reason.as_str()));
    }
}

/// The number of a state in `service_ticks`.
pub fn state_number(state: State) -> i16 {
    match state {
        State::Up => 0,
        State::Down => 1,
        State::Unknown => 2,
        State::Paused => 3,
    }
}

/// The state with this number; an unknown number, which another program wrote, is unknown.
pub fn state_of(number: i16) -> State {
    match number {
        0 => State::Up,
        1 => State::Down,
        _ => State::Unknown,
    }
}

/// The events that end.
#[derive(Debug, Default)]
pub struct Ended {
    pub id: Vec<i64>,
    pub at_ms: Vec<i64>,
}

impl Ended {
    pub fn of(batch: &Batch<'_>) -> Self {
        let (id, at_ms) = batch.ended.iter().map(|event| (event.id, event.at_ms)).unzip();
        Self { id, at_ms }
    }
}

/// The events that begin.
#[derive(Debug, Default)]
pub struct Begun<'b> {
    /// Their order, from 1.
    pub nth: Vec<i32>,
    pub service_id: Vec<i64>,
    pub event: Vec<&'static str>,
    pub failure: Vec<Option<&'static str>>,
    pub failure_detail: Vec<Option<Cow<'b, str>>>,
    pub started_ms: Vec<i64>,
    pub ended_ms: Vec<Option<i64>>,
}

impl<'b> Begun<'b> {
    pub fn of(batch: &Batch<'b>) -> Self {
        let mut columns = Self::default();
        for (nth, event) in (1..).zip(&batch.begun) {
            columns.nth.push(nth);
            columns.service_id.push(event.service_id.get());
            columns.event.push(event.state.event());
            columns.failure.push(event.failure.map(|failure| failure.reason.as_str()));
            let detail = event.failure.map(|failure| without_nul(&failure.detail));
            columns.failure_detail.push(detail);
            columns.started_ms.push(event.started_ms);
            columns.ended_ms.push(event.ended_ms);
        }
        columns
    }
}

/// A text that PostgreSQL can store.
pub fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) }
}

/// Rows of `service_metrics`.
#[derive(Debug)]
pub struct Metrics {
    pub service_id: Vec<i64>,
    pub tick_count: Vec<i64>,
    pub up_count: Vec<i64>,
    pub unknown_count: Vec<i64>,
    pub response_time_sum_ns: Vec<i64>,
    /// The newest event before the batch, for a new row.
    pub latest_event_id: Vec<Option<i64>>,
    /// The newest event in [`Begun::nth`]; `None` if that is unchanged.
    pub begun: Vec<Option<i32>>,
    pub known_is_up: Vec<Option<bool>>,
    pub streak_is_up: Vec<Option<bool>>,
    pub streak_count: Vec<Option<i64>>,
    pub streak_since_ms: Vec<Option<i64>>,
    pub recent_states: Vec<i64>,
    pub is_flapping: Vec<bool>,
    pub clears_unwatched: Vec<bool>,
    /// Index in [`Runs`] from 1; `None` if the runs are unchanged.
    pub runs: Vec<Option<i32>>,
    /// The cursor of remote write, if it changes. Empty without remote write.
    pub relayed_seq: Vec<Option<i64>>,
}

impl Metrics {
    /// The rows that exist, or those that do not. Adds their runs to `runs`.
    pub fn of(batch: &Batch<'_>, exist: bool, runs: &mut Runs) -> Self {
        let rows = || batch.metrics.iter().filter(|(_, metric)| metric.entry.has_metric == exist);
        let mut columns = Self::with_capacity(rows().count());
        for (id, metric) in rows() {
            columns.push(id.get(), metric);
            columns.runs.push(metric.changes_runs.then(|| runs.push(&metric.entry.runs)));
            if batch.relays {
                columns.relayed_seq.push(metric.relayed_seq.map(u64::cast_signed));
            }
        }
        columns
    }

    fn with_capacity(rows: usize) -> Self {
        Self {
            service_id: Vec::with_capacity(rows),
            tick_count: Vec::with_capacity(rows),
            up_count: Vec::with_capacity(rows),
            unknown_count: Vec::with_capacity(rows),
            response_time_sum_ns: Vec::with_capacity(rows),
            latest_event_id: Vec::with_capacity(rows),
            begun: Vec::with_capacity(rows),
            known_is_up: Vec::with_capacity(rows),
            streak_is_up: Vec::with_capacity(rows),
            streak_count: Vec::with_capacity(rows),
            streak_since_ms: Vec::with_capacity(rows),
            recent_states: Vec::with_capacity(rows),
            is_flapping: Vec::with_capacity(rows),
            clears_unwatched: Vec::with_capacity(rows),
            runs: Vec::with_capacity(rows),
            relayed_seq: Vec::new(),
        }
    }

    fn push(&mut self, service_id: i64, metric: &NewMetric) {
        let NewMetric { entry, begun, clears_unwatched, .. } = metric;
        let tally = &entry.tally;
        self.service_id.push(service_id);
        self.tick_count.push(tally.tick_count.cast_signed());
        self.up_count.push(tally.up_count.cast_signed());
        self.unknown_count.push(tally.unknown_count.cast_signed());
        // 292 years of response time fit.
        let sum_ns = i64::try_from(tally.response_time_sum.as_nanos()).unwrap_or(i64::MAX);
        self.response_time_sum_ns.push(sum_ns);
        // Without a tally, the entry's event is one that a lost metric referenced.
        self.latest_event_id.push(tally.latest.and(entry.latest_event_id));
        let nth = |index: usize| i32::try_from(index + 1).unwrap_or(i32::MAX);
        self.begun.push(begun.map(nth));
        self.known_is_up.push(tally.known_is_up);
        self.streak_is_up.push(tally.streak.map(|streak| streak.is_up));
        self.streak_count.push(tally.streak.map(|streak| streak.count.into()));
        self.streak_since_ms.push(tally.streak.map(|streak| streak.since_ms));
        self.recent_states.push(tally.recent.bits());
        self.is_flapping.push(tally.is_flapping);
        self.clears_unwatched.push(*clears_unwatched);
    }
}

/// Runs that changed. Without nulls, so that an array finds its elements by their number.
#[derive(Debug, Default)]
pub struct Runs {
    pub results: Vec<i32>,
    pub slow: Vec<i32>,
    /// -1 for none.
    pub certificate_step: Vec<i16>,
    /// -1 for none.
    pub certificate_fine_since_ms: Vec<i64>,
}

impl Runs {
    /// Returns the index from 1.
    fn push(&mut self, runs: &alert::Runs) -> i32 {
        self.results.push(runs.results);
        self.slow.push(runs.slow);
        self.certificate_step.push(runs.certificate_step.unwrap_or(-1));
        self.certificate_fine_since_ms.push(runs.certificate_fine_since_ms.unwrap_or(-1));
        i32::try_from(self.results.len()).unwrap_or(i32::MAX)
    }
}

/// The rows of `service_facts`.
#[derive(Debug, Default)]
pub struct FactColumns {
    pub service_id: Vec<i64>,
    pub at_ms: Vec<i64>,
    pub certificate_expires_at: Vec<Option<i64>>,
    pub tls_version: Vec<Option<String>>,
    pub http_version: Vec<Option<String>>,
    pub redirects: Vec<i32>,
    pub ip_version: Vec<Option<i32>>,
}

impl FactColumns {
    pub fn of(batch: &Batch<'_>) -> Self {
        let mut columns = Self::default();
        for row in batch.facts.iter().map(FactsRow::from) {
            columns.service_id.push(row.service_id);
            columns.at_ms.push(row.at_ms);
            columns.certificate_expires_at.push(row.certificate_expires_at);
            columns.tls_version.push(row.tls_version);
            columns.http_version.push(row.http_version);
            columns.redirects.push(row.redirects);
            columns.ip_version.push(row.ip_version);
        }
        columns
    }
}

/// The rows of `alert_signals`.
#[derive(Debug, Default)]
pub struct Signals {
    /// Their order.
    pub nth: Vec<i32>,
    pub service_id: Vec<i64>,
    pub kind: Vec<&'static str>,
    pub edge: Vec<&'static str>,
    pub amount: Vec<i64>,
    pub at_ms: Vec<i64>,
    pub since_ms: Vec<i64>,
    pub facts: Vec<String>,
}

impl Signals {
    pub fn of(batch: &Batch<'_>) -> Self {
        let mut columns = Self::default();
        for (nth, signal) in (1..).zip(&batch.signals) {
            let row = NewSignalRow::from(signal);
            columns.nth.push(nth);
            columns.service_id.push(row.service_id);
            columns.kind.push(row.kind);
            columns.edge.push(row.edge);
            columns.amount.push(row.amount);
            columns.at_ms.push(row.at_ms);
            columns.since_ms.push(row.since_ms);
            columns.facts.push(row.facts);
        }
        columns
    }
}
