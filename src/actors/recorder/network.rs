//! Carries the decisions on our own network: asks the canaries, keeps the time, and records what is released.

use std::time::Instant;

use actix::prelude::*;
use slog::{info, warn};

use super::Recorder;
use crate::actors::outage::NetworkChange;
use crate::actors::sentinel::AreCanariesDead;
use crate::domain::{Outcome, Verdict};

impl Recorder {
    /// Does what is due: a check of the canaries, a decision; and sets the timer for the next.
    pub(super) fn watch_network(&mut self, context: &mut Context<Self>) {
        let now = Instant::now();
        if self.outage.wants_check(now)
            && let Some(sentinel) = &self.sentinel
        {
            self.outage.check_begins(now);
            let asked = sentinel.send(AreCanariesDead).into_actor(self);
            context.spawn(asked.map(|dead, recorder, context| {
                // A sentinel that does not answer is no proof of an outage.
                let dead = dead.unwrap_or(false);
                let change = recorder.outage.check_ends(dead, Instant::now());
                recorder.tell_network(change);
                recorder.settle_network(false);
                recorder.watch_network(context);
                recorder.pump(context);
            }));
        }
        if self.network_timer.is_some() {
            return;
        }
        let Some(due) = self.outage.due(now) else { return };
        let wait = due.saturating_duration_since(now);
        self.network_timer = Some(context.run_later(wait, |recorder, context| {
            recorder.network_timer = None;
            recorder.settle_network(false);
            recorder.watch_network(context);
            recorder.pump(context);
        }));
    }

    /// Decides what is to be decided (`at_once`: whatever the time), and records what was held.
    pub(super) fn settle_network(&mut self, at_once: bool) {
        let (released, change) = self.outage.decide(Instant::now(), at_once);
        self.tell_network(change);
        let kept = released.into_iter().filter(|outcome| outcome.verdict() != Verdict::Local);
        self.released.extend(kept);
        self.admit_released();
    }

    /// Lets in what was held, as far as there is room; a store that fails has it dropped and counted.
    pub(super) fn admit_released(&mut self) {
        let failing = self.trouble().is_some();
        while self.buffer.has_room() || failing {
            let Some(outcome) = self.released.pop_front() else { return };
            self.note(&outcome);
            self.admit_or_drop(outcome);
        }
    }

    /// Shows an outcome on the board. One that says nothing takes the last one off: a gauge that stands is believed.
    pub(super) fn note(&mut self, outcome: &Outcome) {
        if outcome.verdict() == Verdict::Unknown {
            self.board.forget(outcome.service_id);
        } else {
            self.board.note(outcome);
        }
    }

    fn tell_network(&mut self, change: Option<NetworkChange>) {
        match change {
            None => {}
            Some(NetworkChange::Lost) => {
                self.telemetry.cut_off.set(1);
                warn!(
                    self.log,
                    "our own network is gone: most probes fail and no canary answers; \
                    what fails is unknown until one answers again"
                );
            }
            Some(NetworkChange::Back) => {
                self.telemetry.cut_off.set(0);
                info!(self.log, "our own network is back");
            }
        }
    }
}
