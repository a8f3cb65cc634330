//! Carries out the self-check: queries the canaries, sets its timer, and buffers what it releases.

use std::time::Instant;

use actix::prelude::*;
use slog::{info, warn};

use super::Recorder;
use crate::actors::messages::alerting::OwnStateChanged;
use crate::actors::messages::probing::RestartHeartbeatWaits;
use crate::actors::messages::recording::AreCanariesDead;
use crate::actors::self_check::decision::NetworkChange;
use crate::clock::unix_ms;
use crate::domain::alert::AlertKind;
use crate::domain::{Outcome, Verdict};

impl Recorder {
    /// Queries the canaries if that is due, and sets the timer of the next decision.
    pub(super) fn run_self_check(&mut self, context: &mut Context<Self>) {
        let now = Instant::now();
        if self.self_check.wants_query(now)
            && let Some(links) = &self.links
        {
            self.self_check.query_begins(now);
            let query = links.canaries.send(AreCanariesDead).into_actor(self);
            context.spawn(query.map(|dead, recorder, context| {
                // An actor that does not answer does not prove that the network is gone.
                let dead = dead.unwrap_or(false);
                let change = recorder.self_check.query_ends(dead, Instant::now());
                recorder.log_network_change(change);
                recorder.decide_self_check(false);
                recorder.run_self_check(context);
                recorder.start_next_write(context);
            }));
        }
        if self.self_check_timer.is_some() {
            return;
        }
        let Some(due) = self.self_check.due(now) else { return };
        let wait = due.saturating_duration_since(now);
        self.self_check_timer = Some(context.run_later(wait, |recorder, context| {
            recorder.self_check_timer = None;
            recorder.decide_self_check(false);
            recorder.run_self_check(context);
            recorder.start_next_write(context);
        }));
    }

    /// Decides about held outcomes and buffers those that are released. `at_once` releases all of
    /// them, whatever the time.
    pub(super) fn decide_self_check(&mut self, at_once: bool) {
        let (released, change) = self.self_check.decide(Instant::now(), at_once);
        self.log_network_change(change);
        for outcome in released {
            if outcome.verdict() == Verdict::Local {
                self.observations.decided(outcome.service_id);
                self.observations.failed(&outcome);
            } else {
                self.released.push_back(outcome);
            }
        }
        self.buffer_released();
    }

    /// Buffers released outcomes as far as there is room; drops them when the store fails.
    pub(super) fn buffer_released(&mut self) {
        let failing = self.store_failure().is_some();
        while self.buffer.has_room() || failing {
            let Some(outcome) = self.released.pop_front() else { return };
            self.observations.decided(outcome.service_id);
            let client = self.reports.release(&outcome);
            self.buffer_or_drop(outcome, client);
        }
    }

    /// An unknown outcome removes the last result: a gauge with an old value would be believed.
    pub(super) fn update_last_result(&self, outcome: &Outcome) {
        if outcome.verdict() == Verdict::Unknown {
            self.last_results.clear(outcome.service_id);
        } else {
            self.last_results.update(outcome);
        }
    }

    fn notify_connectivity(&self, detail: Option<String>) {
        let changed = OwnStateChanged { kind: AlertKind::Connectivity, detail };
        self.notify_dispatcher(|dispatcher| dispatcher.own.do_send(changed));
    }

    fn log_network_change(&self, change: Option<NetworkChange>) {
        match change {
            None => {}
            Some(NetworkChange::Lost) => {
                let detail = "most probes fail and no canary answers".to_owned();
                self.notify_connectivity(Some(detail));
                self.telemetry.cut_off_since_ms.set(unix_ms());
                self.telemetry.cut_off.set(1);
                warn!(
                    self.log,
                    "the local network is down: most probes fail and no canary answers; \
                    failures are unknown until a canary answers again"
                );
            }
            Some(NetworkChange::Back) => {
                self.notify_connectivity(None);
                self.telemetry.cut_off.set(0);
                info!(self.log, "the local network is up again");
                if let Some(links) = &self.links {
                    links.heartbeat_waits.do_send(RestartHeartbeatWaits);
                }
            }
        }
    }
}
