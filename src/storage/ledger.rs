//! The ledger: the tally of each service in memory, and what a group of outcomes makes of it.
//!
//! An outcome with a local fault is a hole: it makes no tick, and begins an unknown event at its
//! start, from which on the service has no results.
//!
//! Pure but for [`Ledger::commit`], which reads missing entries from the store and has it write
//! the batch. A batch holds copies of the entries, which become the ledger's once it is stored.
//!
//! A commit whose answer is lost may be stored. Its caller commits the same outcomes again, in the
//! same order but perhaps in other groups; before that, the store says whether they are stored, and
//! those that are stored are left out.

mod kept;
mod signals;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::alert::{AlertMarks, Marks, Runs};
use crate::domain::history::facts::ProbeFacts;
use crate::domain::live::{LastResult, NewestEvent, ServiceUpdate};
use crate::domain::time::step_back::StepBack;
use crate::domain::{
    EventBegan, EventChange, EventFailure, Failure, IdMap, LatestEvent, Outcome, ServiceId,
    ShardSet, State, StoredTick, Tick, Verdict, rollup,
};
use crate::storage::batch::{
    Batch, EndedEvent, Entry, NewEvent, NewFacts, NewMetric, NewTick, Stored,
};
use crate::storage::error::StorageError;
use crate::storage::port::StoreWrite;
use crate::storage::relayed::RelayedSeqs;
use kept::KeptEntry;

/// Result of one commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Number of ticks that are stored.
    pub recorded: usize,
    /// The services of outcomes that are not stored, since the service was deleted or paused during
    /// the probe; one entry an outcome.
    pub orphaned: Vec<ServiceId>,
    /// The events that began, in order.
    pub began: Vec<EventBegan>,
    /// What changed of each service, in order.
    pub updates: Vec<(ServiceId, ServiceUpdate)>,
    /// The services whose next result changes nothing unless its state is another one, with their
    /// state: up (`true`) or down. See [`NewMetric::settled_state`].
    pub settled: Vec<(ServiceId, bool)>,
    /// Number of signals of alerts.
    pub signals: usize,
    /// The ticks that are stored, in order; empty unless they are [relayed](Ledger::relay).
    pub ticks: Vec<NewTick>,
    /// Outcomes that are not stored, since they contradict the store, and how. Filled in by the
    /// caller that commits them one by one.
    pub refused: Vec<(ServiceId, String)>,
}

impl Committed {
    /// Adds the result of a later commit.
    pub fn extend(&mut self, later: Self) {
        self.recorded += later.recorded;
        self.orphaned.extend(later.orphaned);
        self.began.extend(later.began);
        if !self.settled.is_empty() {
            let updated: HashSet<ServiceId> = later.updates.iter().map(|(id, _)| *id).collect();
            self.settled.retain(|(id, _)| !updated.contains(id));
        }
        self.updates.extend(later.updates);
        self.settled.extend(later.settled);
        self.signals += later.signals;
        self.ticks.extend(later.ticks);
        self.refused.extend(later.refused);
    }
}

/// The entries of the services that this process has written to.
///
/// Bound: one entry of about 90 bytes for each living service that is probed. Invariant: an entry
/// equals the stored rows.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: IdMap<KeptEntry>,
    /// Id of the next tick; `None` until it is read from the rows.
    next_tick_id: Option<i64>,
    fresh: Fresh,
    /// Of the services whose runs are signalled.
    marks: AlertMarks,
    /// Probes that began before this moment, in unix milliseconds, change no event: the process
    /// stalled until then, and that time is recorded as unknown.
    not_before_ms: Option<i64>,
    /// The newest commit, while it is unknown whether it is stored.
    in_doubt: Option<Unanswered>,
    /// What is stored although its commit failed: the first outcomes of the next groups.
    stored_ahead: Unanswered,
    /// Whether events may have been moved since the last call of [`Ledger::take_has_moved`].
    has_moved: bool,
    /// The cursors of remote write; `None` without it.
    relayed: Option<RelayedSeqs>,
}

/// A group whose commit failed, and which is stored or may be.
#[derive(Debug, Default)]
struct Unanswered {
    /// Number of its outcomes.
    outcomes: usize,
    /// What its commit would have reported.
    committed: Committed,
}

/// The ticks that are not sealed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fresh {
    /// Ticks of all services.
    pub ticks: u64,
    /// Ticks of the service that has most, of those that this process has stored since the last
    /// sealing began.
    pub longest_run: u32,
    /// Whether a sealing is in progress; a previous process may have begun it.
    pub is_sealing: bool,
}

/// A group as a batch, and the rest of what its commit means.
#[derive(Debug)]
pub struct Draft<'g> {
    pub batch: Batch<'g>,
    /// What the commit reports.
    pub committed: Committed,
}

impl Ledger {
    /// Stores `group` as one transaction: tick, metric and event of an outcome together. Sets the
    /// liveness mark to `now_ms`, with an empty group too. After an error the ledger is empty,
    /// since only the rows tell whether the transaction was stored. After `Unavailable`, the next
    /// groups must begin with the outcomes of this one, in the same order.
    ///
    /// What is later than `now_ms` becomes `now_ms`, the start of an outcome as well as what is
    /// stored: a result is never compared with an event of the future.
    pub fn commit(
        &mut self,
        store: &mut dyn StoreWrite,
        group: &[Outcome],
        now_ms: i64,
    ) -> Result<Committed, StorageError> {
        self.settle(store)?;
        let stored = self.stored_ahead.outcomes.min(group.len());
        let committed = self.try_commit(store, &group[stored..], now_ms);
        let committed = committed.inspect_err(|_| self.forget_all())?;
        self.stored_ahead.outcomes -= stored;
        if self.stored_ahead.outcomes > 0 {
            return Ok(committed);
        }
        let mut all = std::mem::take(&mut self.stored_ahead.committed);
        all.extend(committed);
        Ok(all)
    }

    /// Finds out whether the commit in doubt is stored.
    fn settle(&mut self, store: &mut dyn StoreWrite) -> Result<(), StorageError> {
        if self.in_doubt.is_some() {
            let is_stored = store.settle()?;
            if let Some(Unanswered { outcomes, committed }) = self.in_doubt.take()
                && is_stored
            {
                self.stored_ahead.outcomes += outcomes;
                self.stored_ahead.committed.extend(committed);
            }
        }
        Ok(())
    }

    fn try_commit(
        &mut self,
        store: &mut dyn StoreWrite,
        group: &[Outcome],
        now_ms: i64,
    ) -> Result<Committed, StorageError> {
        let first_tick_id = match self.next_tick_id {
            Some(id) => id,
            None => {
                let extent = store.fresh_extent()?;
                self.fresh.ticks = extent.ticks;
                self.fresh.is_sealing = extent.is_sealing;
                extent.next_id
            }
        };
        let mut metrics = self.read_metrics(store, group)?;
        let newest = metrics.values().filter_map(|metric| metric.entry.tally.latest);
        // A stall whose end lies ahead was a step of the clock that was undone.
        self.not_before_ms = self.not_before_ms.map(|at_ms| at_ms.min(now_ms));
        if newest.map(|latest| latest.started_at_ms).max() > Some(now_ms) {
            self.step_back(store, &[StepBack::cut(now_ms)])?;
            metrics = self.read_metrics(store, group)?;
        }
        let draft = self.draft(metrics, group, first_tick_id, now_ms);
        let stored = store.commit(&draft.batch).inspect_err(|error| {
            if matches!(error, StorageError::Unavailable(_)) {
                let recorded = draft.batch.ticks.len();
                let signals = draft.batch.signals.len();
                let ticks = self.reported_ticks(&draft.batch);
                let committed = Committed { recorded, signals, ticks, ..draft.committed.clone() };
                self.in_doubt = Some(Unanswered { outcomes: group.len(), committed });
            }
        })?;
        self.next_tick_id = Some(first_tick_id + draft.batch.ticks.len() as i64);
        Ok(self.adopt(draft, &stored))
    }

    /// Copies of the entries of the services of `group`.
    fn read_metrics(
        &self,
        store: &mut dyn StoreWrite,
        group: &[Outcome],
    ) -> Result<BTreeMap<ServiceId, NewMetric>, StorageError> {
        let (mut metrics, missing) = self.metrics_of(group);
        if !missing.is_empty() {
            for (id, entry) in missing.iter().zip(store.entries(&missing)?) {
                metrics.insert(*id, NewMetric::new(entry));
            }
        }
        Ok(metrics)
    }

    /// Copies of the entries of the services of `group`; default entries for those that the second
    /// value lists, which are not in memory.
    fn metrics_of(&self, group: &[Outcome]) -> (BTreeMap<ServiceId, NewMetric>, Vec<ServiceId>) {
        let mut metrics = BTreeMap::new();
        let mut missing = Vec::new();
        for outcome in group.iter().filter(|outcome| !outcome.is_outdated) {
            let id = outcome.service_id;
            metrics.entry(id).or_insert_with(|| match self.entries.get(id) {
                Some(kept) => NewMetric::new(kept.get()),
                None => {
                    missing.push(id);
                    NewMetric::new(Entry::default())
                }
            });
        }
        (metrics, missing)
    }

    /// What storing `group` means for its services, whose entries are in `metrics`.
    fn draft<'g>(
        &self,
        mut metrics: BTreeMap<ServiceId, NewMetric>,
        group: &'g [Outcome],
        first_tick_id: i64,
        now_ms: i64,
    ) -> Draft<'g> {
        let batch = Batch {
            now_ms,
            ticks: Vec::with_capacity(group.len()),
            ended: Vec::new(),
            begun: Vec::new(),
            metrics: BTreeMap::new(),
            signals: Vec::new(),
            relays: self.relayed.is_some(),
            facts: Vec::new(),
            taken: group.iter().filter_map(|outcome| outcome.inbox_id).collect(),
        };
        let mut draft = Draft { batch, committed: Committed::default() };
        let mut all_watched = true;
        for outcome in group.iter().filter(|outcome| !outcome.is_outdated) {
            let Some(metric) = metrics.get_mut(&outcome.service_id) else { continue };
            if metric.entry.is_watched {
                let is_late = self.not_before_ms.is_some_and(|ms| outcome.started_at_ms < ms);
                let marks = self.marks.get(outcome.service_id).map(Arc::as_ref);
                draft.record(metric, outcome, first_tick_id, is_late, marks);
            } else {
                all_watched = false;
                if outcome.verdict() != Verdict::Local {
                    draft.committed.orphaned.push(outcome.service_id);
                }
            }
        }
        if !all_watched {
            metrics.retain(|_, metric| metric.entry.is_watched);
        }
        if let Some(relayed) = &self.relayed {
            // A new row has no cursor.
            for (id, metric) in metrics.iter_mut().filter(|(_, metric)| metric.entry.has_metric) {
                metric.relayed_seq = relayed.unsaved(*id);
            }
        }
        draft.batch.metrics = metrics;
        draft.committed.updates = updates(&draft.batch);
        draft.committed.settled = self.settled(&draft.batch);
        draft
    }

    fn settled(&self, batch: &Batch<'_>) -> Vec<(ServiceId, bool)> {
        let metrics = batch.metrics.iter();
        let settled = metrics.filter_map(|(id, metric)| {
            let marks = self.marks.get(*id).map(Arc::as_ref);
            Some((*id, metric.settled_state(marks)?))
        });
        settled.collect()
    }

    /// Takes the entries of a stored batch over.
    fn adopt(&mut self, draft: Draft<'_>, stored: &Stored) -> Committed {
        let Draft { mut batch, mut committed } = draft;
        committed.recorded = batch.ticks.len();
        committed.signals = batch.signals.len();
        self.fresh.ticks += committed.recorded as u64;
        if self.relayed.is_some() {
            committed.ticks = std::mem::take(&mut batch.ticks);
        }
        for (id, metric) in batch.metrics {
            if let (Some(relayed), Some(seq)) = (&self.relayed, metric.relayed_seq) {
                relayed.saved(id, seq);
            }
            let begun = metric.begun.and_then(|nth| stored.event_ids.get(nth).copied());
            let entry = Entry {
                has_metric: true,
                latest_event_id: begun.or(metric.entry.latest_event_id),
                ..metric.entry
            };
            self.fresh.longest_run = self.fresh.longest_run.max(entry.fresh_run);
            self.entries.insert(id, KeptEntry::new(&entry));
        }
        committed
    }

    fn reported_ticks(&self, batch: &Batch<'_>) -> Vec<NewTick> {
        if self.relayed.is_some() { batch.ticks.clone() } else { Vec::new() }
    }

    /// From now on, commits report their ticks and store these cursors.
    pub fn relay(&mut self, relayed: RelayedSeqs) {
        self.relayed = Some(relayed);
    }

    /// This instance was ended, and owns nothing: what it could not commit is given up.
    pub fn fenced(&mut self) {
        self.forget_all();
        self.in_doubt = None;
        self.stored_ahead = Unanswered::default();
        self.not_before_ms = None;
    }

    /// Drops the entries of the services of `shards`, to which another instance may write, and the
    /// number of fresh ticks.
    pub fn forget_shards(&mut self, shards: &ShardSet) {
        self.entries.retain(|id, _| !shards.contains(id));
        self.next_tick_id = None;
    }

    /// Drops the entry of `id`, whose service was changed or deleted.
    pub fn forget(&mut self, id: ServiceId) {
        self.entries.remove(id);
    }

    /// Drops all entries and the next id: they are read from the rows again.
    pub fn forget_all(&mut self) {
        self.entries.clear();
        self.next_tick_id = None;
    }

    /// This process stalled until `until_ms`, and the gap is stored. The result of a probe that
    /// began before is stored without changing an event, which would cover the gap.
    pub fn stalled(&mut self, until_ms: i64) {
        self.entries.clear();
        self.not_before_ms = Some(until_ms);
    }

    /// Moves everything that is stored, since the wall clock was set back, in one transaction.
    /// Returns the number of services whose events changed. After an error the ledger is empty.
    pub fn step_back(
        &mut self,
        store: &mut dyn StoreWrite,
        steps: &[StepBack],
    ) -> Result<usize, StorageError> {
        self.has_moved = true;
        let moved = store.step_back(steps).inspect_err(|_| self.forget_all())?;
        self.entries.clear();
        for step in steps {
            self.not_before_ms = self.not_before_ms.map(|at_ms| step.moved(at_ms));
        }
        Ok(moved)
    }

    /// Whether [`step_back`](Self::step_back) may have moved events since the last call.
    pub fn take_has_moved(&mut self) -> bool {
        std::mem::take(&mut self.has_moved)
    }

    /// The runs of these services are signalled from the next commit on.
    pub fn set_marks(&mut self, marks: AlertMarks) {
        self.marks = marks;
    }

    pub fn marks_mut(&mut self) -> &mut AlertMarks {
        &mut self.marks
    }

    /// As of the last commit.
    pub fn fresh(&self) -> Fresh {
        self.fresh
    }

    /// A sealing is in progress, or has ended.
    pub fn sealing(&mut self, is_sealing: bool) {
        if is_sealing && !self.fresh.is_sealing {
            self.fresh.longest_run = 0;
            self.entries.values_mut().for_each(KeptEntry::reset_fresh_run);
        }
        self.fresh.is_sealing = is_sealing;
    }

    /// `ticks` ticks were sealed.
    pub fn sealed(&mut self, ticks: u64) {
        self.fresh.ticks = self.fresh.ticks.saturating_sub(ticks);
    }
}

impl<'g> Draft<'g> {
    /// Adds `outcome` to the batch. `is_late` means that the probe began before a stall that is
    /// recorded as unknown; `marks` are those of its service.
    fn record(
        &mut self,
        metric: &mut NewMetric,
        outcome: &'g Outcome,
        first_tick_id: i64,
        is_late: bool,
        marks: Option<&Marks>,
    ) {
        let state = match outcome.verdict() {
            Verdict::Up => State::Up,
            Verdict::Down => State::Down,
            Verdict::Unknown => State::Unknown,
            Verdict::Local => {
                set_runs(metric, marks.map(|_| metric.entry.runs.broken()));
                return self.begin_hole(metric, outcome);
            }
        };
        let service_id = outcome.service_id;
        let mut stored = stored_tick(outcome, state);
        stored.at_ms = stored.at_ms.min(self.batch.now_ms);
        let id = first_tick_id + self.batch.ticks.len() as i64;
        let previous_id = metric.entry.latest_tick_id.replace(id);
        let seq = metric.entry.tally.recorded() + 1;
        self.batch.ticks.push(NewTick { service_id, id, previous_id, seq, tick: stored });
        metric.entry.fresh_run += 1;
        let StoredTick { at_ms, response_time_us, .. } = stored;
        metric.result = Some(LastResult { state, at_ms, response_time_us });
        // Without connectivity, the probe learned nothing.
        if state != State::Unknown
            && let Some(since) = ProbeFacts::of(outcome).after(metric.entry.facts, at_ms)
        {
            metric.entry.facts = Some(since);
            self.batch.facts.push(NewFacts { service_id, since });
        }

        // As stored, so that the sum stays that of the ticks.
        let response_time = Duration::from_micros(stored.response_time_us);
        let tick = Tick { state, at_ms: stored.at_ms, response_time };
        if let Some(from_ms) = metric.entry.unwatched_from_ms.take() {
            metric.clears_unwatched = true;
            self.end_imported(metric, service_id, from_ms);
        }
        let Entry { tally: before, thresholds, .. } = metric.entry;
        if is_late {
            metric.entry.tally = before.with_tick(&tick);
            if let Some(marks) = marks {
                let after = &metric.entry.tally;
                let result = signals::Result::new(outcome, &tick, &before, after);
                signals::flapping(&result, marks, &mut self.batch.signals);
            }
            return;
        }
        let (after, change) = rollup(&before, &tick, &thresholds);
        let runs = marks.map(|marks| {
            let result = signals::Result::new(outcome, &tick, &before, &after);
            signals::observe(&result, marks, metric.entry.runs, &mut self.batch.signals)
        });
        set_runs(metric, runs);
        if let EventChange::Begins { state, at_ms } = change {
            self.begin_with(metric, outcome, state, at_ms);
        }
        metric.entry.tally = after;
    }

    /// Begins an unknown event at the start of `hole`, from which on the service has no results. A
    /// streak ends: its event would cover the hole.
    fn begin_hole(&mut self, metric: &mut NewMetric, hole: &'g Outcome) {
        let before = metric.entry.tally;
        metric.entry.tally.streak = None;
        if before.latest.is_some_and(|latest| latest.open && latest.state == State::Unknown) {
            return;
        }
        let newest_ms = before.latest.map_or(i64::MIN, |latest| latest.started_at_ms);
        let mut at_ms = hole.started_at_ms.min(self.batch.now_ms).max(newest_ms);
        if let Some(from_ms) = metric.entry.unwatched_from_ms.take() {
            metric.clears_unwatched = true;
            at_ms = from_ms.max(newest_ms);
        }
        self.begin_with(metric, hole, State::Unknown, at_ms);
        metric.entry.tally.latest =
            Some(LatestEvent { state: State::Unknown, started_at_ms: at_ms, open: true });
    }

    /// Begins an event that `outcome` decides, and notes it for the subscribers.
    fn begin_with(
        &mut self,
        metric: &mut NewMetric,
        outcome: &'g Outcome,
        state: State,
        at_ms: i64,
    ) {
        let before = metric.entry.tally;
        let failure = outcome.failure.as_ref();
        self.committed.began.push(EventBegan {
            service_id: outcome.service_id,
            state,
            before: before.latest.map(|latest| latest.state),
            known_before: before
                .known_is_up
                .map(|is_up| if is_up { State::Up } else { State::Down }),
            failure: failure.cloned(),
        });
        self.begin(metric, outcome.service_id, state, failure, at_ms);
    }

    /// Ends the event that was open when the history of the service was imported, at `from_ms`;
    /// unknown begins there.
    fn end_imported(&mut self, metric: &mut NewMetric, service_id: ServiceId, from_ms: i64) {
        let Some(latest) = metric.entry.tally.latest.filter(|latest| latest.open) else { return };
        let started_at_ms = from_ms.max(latest.started_at_ms);
        self.begin(metric, service_id, State::Unknown, None, started_at_ms);
        metric.entry.tally.latest =
            Some(LatestEvent { state: State::Unknown, started_at_ms, open: true });
    }

    /// Ends the open event of the service, if it has one, and begins another at `at_ms`.
    fn begin(
        &mut self,
        metric: &mut NewMetric,
        service_id: ServiceId,
        state: State,
        failure: Option<&'g Failure>,
        at_ms: i64,
    ) {
        let Batch { begun, ended, .. } = &mut self.batch;
        match (metric.begun, metric.entry.latest_event_id) {
            (Some(nth), _) => {
                let event = &mut begun[nth];
                event.ended_ms = Some(at_ms.max(event.started_ms));
            }
            // Without a tally, the id is that of an open event.
            (None, Some(id)) if metric.entry.tally.latest.is_none_or(|latest| latest.open) => {
                ended.push(EndedEvent { id, at_ms });
            }
            (None, _) => {}
        }
        metric.begun = Some(begun.len());
        begun.push(NewEvent { service_id, state, failure, started_ms: at_ms, ended_ms: None });
    }
}

/// What `batch` changes of each of its services.
fn updates(batch: &Batch<'_>) -> Vec<(ServiceId, ServiceUpdate)> {
    let update = |(id, metric): (&ServiceId, &NewMetric)| {
        let begun = metric.begun.and_then(|nth| batch.begun.get(nth));
        let event = begun.map(|event| NewestEvent {
            state: event.state,
            since_ms: event.started_ms,
            failure: event.failure.map(EventFailure::from),
        });
        let NewMetric { entry: Entry { tally, .. }, result, .. } = metric;
        let (is_flapping, totals) = (tally.is_flapping, Some(tally.totals()));
        (*id, ServiceUpdate { event, is_flapping, result: *result, totals })
    };
    batch.metrics.iter().map(update).collect()
}

/// Sets the runs of a service; those of a service without marks are empty.
fn set_runs(metric: &mut NewMetric, runs: Option<Runs>) {
    let runs = runs.unwrap_or_default();
    if runs != metric.entry.runs {
        metric.entry.runs = runs;
        metric.changes_runs = true;
    }
}

/// The tick that the history stores for `outcome`, whose verdict is `state`. Its response time is
/// the sum of its phases, each in whole microseconds, unless it exceeds that by more than rounding.
fn stored_tick(outcome: &Outcome, state: State) -> StoredTick {
    let phases = outcome.phases.named().map(|(_, spent)| micros(spent));
    let phased: u64 = phases.iter().sum();
    let response_time_us = micros(outcome.response_time);
    let is_rounding = response_time_us.abs_diff(phased) < phases.len() as u64;
    StoredTick {
        at_ms: outcome.started_at_ms,
        state,
        response_time_us: if is_rounding { phased } else { response_time_us },
        phases_us: Some(phases),
        http_status: outcome.http_status,
        reason: outcome.failure.as_ref().map(|failure| failure.reason),
    }
}

fn micros(spent: Duration) -> u64 {
    // Far below what the store can hold: an hour is the longest timeout.
    u64::try_from(spent.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
