//! Buffers outcomes, parks them while the buffer is full, or drops them. Slots are acknowledged
//! then, clients after the commit.

use std::time::Instant;

use slog::error;

use super::queued::{Ack, Reply};
use super::{Phase, Recorder};
use crate::actors::messages::probing::{EndedProbe, ProbesFinished};
use crate::actors::messages::recording::RecordReply;
use crate::actors::self_check::decision::may_be_local_network;
use crate::domain::{Outcome, Verdict};
use crate::metrics::RecordResult;

impl Recorder {
    /// Receives an outcome. Its slot is acknowledged now, or once the buffer has room; its client
    /// after the commit.
    pub(super) fn receive(&mut self, mut outcome: Outcome, ack: Ack, ended: &mut Vec<EndedProbe>) {
        if self.outdated.contains(&outcome) {
            self.telemetry.outcomes(RecordResult::Outdated, 1);
            // A report is never outdated.
            return drop(ack.taken(ended));
        }
        self.move_in_flight(&mut outcome);
        let id = outcome.service_id;
        let outcome = match self.phase {
            // A local fault that no loss of the network explains tells the self-check nothing.
            Phase::Open
                if outcome.verdict() == Verdict::Local && !may_be_local_network(&outcome) =>
            {
                Some(outcome)
            }
            Phase::Open => self.self_check.admit(outcome, Instant::now()),
            Phase::Closing | Phase::Closed => Some(outcome),
        };
        let Some(outcome) = outcome else {
            self.observations.pending(id);
            if let Some(client) = ack.taken(ended) {
                self.reports.hold(id, client);
            }
            return;
        };
        if outcome.verdict() == Verdict::Local {
            self.observations.failed(&outcome);
            // A client reports no local fault.
            return drop(ack.taken(ended));
        }
        if self.buffer.has_room() || self.phase == Phase::Closed || self.store_failure().is_some() {
            let client = ack.taken(ended);
            self.buffer_or_drop(outcome, client);
        } else {
            self.observations.pending(id);
            self.parked.push_back((outcome, ack));
        }
    }

    /// Passes probes whose outcomes are acknowledged to the pool.
    pub(super) fn finish_probes(&self, ended: Vec<EndedProbe>) {
        if let Some(links) = self.links.as_ref().filter(|_| !ended.is_empty()) {
            links.pool.do_send(ProbesFinished(ended));
        }
    }

    /// Buffers parked outcomes as far as there is room; drops them when the store fails.
    pub(super) fn unpark(&mut self) {
        self.buffer_released();
        let failing = self.store_failure().is_some();
        let mut ended = Vec::new();
        while self.buffer.has_room() || failing {
            let Some((outcome, ack)) = self.parked.pop_front() else { break };
            self.observations.decided(outcome.service_id);
            let client = ack.taken(&mut ended);
            self.buffer_or_drop(outcome, client);
        }
        self.finish_probes(ended);
        self.buffer_holes();
    }

    /// Buffers the outcome, and its client waits for the commit; or drops it, and the client learns
    /// that.
    pub(super) fn buffer_or_drop(&mut self, outcome: Outcome, client: Option<Reply<RecordReply>>) {
        if self.outdated.contains(&outcome) {
            return self.telemetry.outcomes(RecordResult::Outdated, 1);
        }
        if !self.owned.contains(outcome.service_id) {
            // It waited while its service was given back.
            return self.telemetry.outcomes(RecordResult::Fenced, 1);
        }
        if self.buffer.has_room() && self.phase != Phase::Closed {
            self.update_last_result(&outcome);
            let (id, now) = (outcome.service_id, Instant::now());
            let hole = self.observe(&outcome, now);
            let due = now + self.commit_window.wait(hole.as_ref().unwrap_or(&outcome));
            let position = match hole {
                Some(hole) => self.buffer.push_behind_hole(hole, outcome, due),
                None => self.buffer.push(outcome, due),
            };
            self.commit_window.buffered(id, position);
            if let Some(client) = client {
                self.reports.wait(position, id, client);
            }
            return;
        }
        if let Some(client) = client {
            // The client may have gone.
            let _ = client.send(RecordReply::Dropped);
        }
        self.observations.dropped(&outcome);
        self.telemetry.outcomes(RecordResult::Dropped, 1);
        if self.phase == Phase::Closed {
            return;
        }
        if self.dropped == 0 {
            error!(self.log,
                "the buffer is full; outcomes are dropped until the store takes writes again";
                "buffered" => self.buffer.len());
        }
        self.dropped += 1;
    }
}
