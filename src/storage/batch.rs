//! One commit as values: what the ledger computes and a store writes.

use std::collections::BTreeMap;

use crate::domain::alert::{AlertKind, Edge, Facts, Marks, Runs};
use crate::domain::history::facts::FactsSince;
use crate::domain::live::LastResult;
use crate::domain::{Failure, ServiceId, State, StoredTick, Tally, Thresholds};

/// The stored state of a service, in memory so that a commit reads nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Entry {
    /// Whether the service lives and is enabled; ticks of other services are not stored.
    pub is_watched: bool,
    /// Whether the service has a metric row.
    pub has_metric: bool,
    pub thresholds: Thresholds,
    pub tally: Tally,
    /// Default for a service without marks.
    pub runs: Runs,
    /// The newest facts.
    pub facts: Option<FactsSince>,
    /// Row of the newest event. Without a metric row, which another program may have deleted, it
    /// is the row of the open event.
    pub latest_event_id: Option<i64>,
    /// Row of the newest tick, fresh or sealed.
    pub latest_tick_id: Option<i64>,
    /// Unix milliseconds of the newest imported tick, until the first result after the import.
    pub unwatched_from_ms: Option<i64>,
    /// Ticks that this process has stored since the last sealing began.
    pub fresh_run: u32,
}

/// The fresh ticks of all services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Number of ticks, computed from their ids; this program leaves no id out.
    pub ticks: u64,
    /// Greater than the id of every tick so far.
    pub next_id: i64,
    pub is_sealing: bool,
}

/// What one commit writes: all of it, or nothing.
#[derive(Debug)]
pub struct Batch<'g> {
    /// Unix milliseconds of the commit; becomes the liveness mark.
    pub now_ms: i64,
    /// In the order in which they were recorded.
    pub ticks: Vec<NewTick>,
    /// Stored events that end. At most one for each service.
    pub ended: Vec<EndedEvent>,
    /// Events that begin, in order. At most one for each service stays open, and the store ends
    /// `ended` before it writes them.
    pub begun: Vec<NewEvent<'g>>,
    /// By id, so that a page with rows of several services is written once.
    pub metrics: BTreeMap<ServiceId, NewMetric>,
    /// In the order in which they were made.
    pub signals: Vec<NewSignal>,
    /// Whether metrics may have a [`relayed_seq`](NewMetric::relayed_seq).
    pub relays: bool,
    /// In the order in which they were recorded.
    pub facts: Vec<NewFacts>,
    /// Rows of the inbox that the outcomes came from.
    pub taken: Vec<i64>,
}

/// A [`Signal`](crate::domain::alert::Signal) without its id.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSignal {
    pub service_id: ServiceId,
    pub kind: AlertKind,
    pub edge: Edge,
    pub count: u32,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// Unix milliseconds.
    pub since_ms: i64,
    pub facts: Facts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewFacts {
    pub service_id: ServiceId,
    pub since: FactsSince,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewTick {
    pub service_id: ServiceId,
    pub id: i64,
    /// Row of the previous tick of the service.
    pub previous_id: Option<i64>,
    /// Number of the tick, counted from the first one of its service.
    pub seq: u64,
    pub tick: StoredTick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedEvent {
    pub id: i64,
    /// Unix milliseconds. An event that began later ends at its own start.
    pub at_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewEvent<'g> {
    pub service_id: ServiceId,
    pub state: State,
    pub failure: Option<&'g Failure>,
    /// Unix milliseconds.
    pub started_ms: i64,
    /// Unix milliseconds, for an event that ends within the batch.
    pub ended_ms: Option<i64>,
}

/// A metric row after the commit.
#[derive(Debug, Clone, Copy)]
pub struct NewMetric {
    pub entry: Entry,
    /// Index of the newest event in [`Batch::begun`], if the service has one there; otherwise the
    /// newest event is unchanged.
    pub begun: Option<usize>,
    /// Whether `unwatched_from_ms` of the row is to be cleared.
    pub clears_unwatched: bool,
    /// Whether `entry.runs` differs from the row.
    pub changes_runs: bool,
    /// The newest tick of the batch.
    pub result: Option<LastResult>,
    /// Number of the newest tick that is relayed, if the row does not have it.
    pub relayed_seq: Option<u64>,
}

impl NewMetric {
    pub fn new(entry: Entry) -> Self {
        Self {
            entry,
            begun: None,
            clears_unwatched: false,
            changes_runs: false,
            result: None,
            relayed_seq: None,
        }
    }

    /// The state of the newest result, up (`true`) or down, if another result with that state
    /// would begin no event and no signal of an alert, except for one about a certificate.
    pub fn settled_state(&self, marks: Option<&Marks>) -> Option<bool> {
        let state = self.result?.state;
        let tally = &self.entry.tally;
        let lasts = tally.latest.is_some_and(|latest| latest.open && latest.state == state);
        // A single slow result may begin an alert.
        let is_watched_closely = marks.is_some_and(|marks| matches!(marks.degraded, Some((_, 1))));
        let is_settled = lasts
            && tally.streak.is_none()
            && !tally.is_flapping
            && !self.changes_runs
            && !is_watched_closely;
        match state {
            State::Up | State::Down => is_settled.then_some(state == State::Up),
            State::Unknown | State::Paused => None,
        }
    }
}

/// What a store reports about a stored batch.
#[derive(Debug, Default)]
pub struct Stored {
    /// Row of each event in [`Batch::begun`].
    pub event_ids: Vec<i64>,
}
