//! Follows the clocks: notes stalls and steps of the wall clock, and moves what the recorder holds
//! when the wall clock was set back.

use std::time::Instant;

use slog::warn;

use super::Recorder;
use super::pending_clock::push_step;
use crate::actors::messages::alerting::AlertTimesMoved;
use crate::actors::messages::store::ClockNotes;
use crate::clock;
use crate::domain::Outcome;
use crate::domain::time::step_back::StepBack;
use crate::domain::time::timestamp;
use crate::storage::records::{Gap, SetBack};

impl Recorder {
    /// A heartbeat. Time in which the process stalled, or that the wall clock skipped, is a gap in
    /// the history, like the time between two runs of the process.
    pub(super) fn watch_clocks(&mut self) {
        let change = self.clock_watch.heartbeat(clock::read().into());
        self.pending_clock.add(&change);
        if change.unobserved.is_some() {
            self.observations.stalled(Instant::now());
        }
        for step in &change.back {
            self.move_outcomes(step);
            self.observations.move_back(step);
        }
    }

    /// Moves the outcomes that are not committed. Those of the commit under way follow if it fails.
    fn move_outcomes(&mut self, step: &StepBack) {
        let parked = self.parked.iter_mut().map(|(outcome, _)| outcome);
        let outcomes = self.buffer.waiting_mut().chain(parked).chain(&mut self.released);
        for outcome in outcomes.chain(self.self_check.held_mut()) {
            outcome.started_at_ms = step.moved(outcome.started_at_ms);
        }
        if self.store.is_writing() {
            push_step(&mut self.steps_since_commit, *step);
        }
    }

    /// Moves the outcomes of a commit that failed by the steps since it began.
    pub(super) fn move_failed(&self, group: &mut [Outcome]) {
        for step in &self.steps_since_commit {
            for outcome in group.iter_mut() {
                outcome.started_at_ms = step.moved(outcome.started_at_ms);
            }
        }
    }

    /// An outcome of a probe that began before the wall clock was set back: its start is counted
    /// from its end.
    pub(super) fn move_in_flight(&self, outcome: &mut Outcome) {
        let now_ms = self.clock_watch.last().wall_ms_at(Instant::now());
        if outcome.started_at_ms > now_ms {
            let took_ms = i64::try_from(outcome.response_time.as_millis()).unwrap_or(i64::MAX);
            outcome.started_at_ms = now_ms.saturating_sub(took_ms).max(0);
        }
    }

    /// The notes of a commit are in the store.
    pub(super) fn clock_noted(
        &mut self,
        notes: &ClockNotes,
        set_back: Option<SetBack>,
        gap: Option<Gap>,
    ) {
        self.pending_clock.noted(notes);
        if let Some(SetBack { by_ms, services }) = set_back {
            warn!(self.log,
                "the wall clock was set back; events and results that lay in the future were moved";
                "by_seconds" => by_ms as f64 / 1e3, "services" => services);
            self.notify_dispatcher(|to| to.clock.do_send(AlertTimesMoved));
        }
        if let Some(Gap { from_ms, services }) = gap {
            warn!(self.log,
                "the process stalled, or the clock was set forward; that time is unknown";
                "since" => timestamp::to_rfc3339(from_ms), "services" => services);
        }
    }
}
