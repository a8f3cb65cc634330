//! Carries out what [`observation`](super::observation) finds: holes for the next commit, the
//! metric, the last results, and the log.

use std::collections::HashMap;
use std::time::Instant;

use slog::{info, warn};

use super::observation::{LOGGED_MOST, Unobserved, allowance};
use super::{Phase, Recorder};
use crate::clock;
use crate::domain::time::timestamp;
use crate::domain::{Definition, Outcome, Reason, ServiceId};

impl Recorder {
    /// A service was added or changed.
    pub(super) fn watch_observations(&mut self, id: ServiceId, definition: &Definition) {
        let allowance = allowance(definition, &self.defaults);
        self.observations.watch(id, allowance, clock::unix_ms(), Instant::now());
    }

    /// `outcome` is about to be buffered. Returns the hole that goes before it.
    pub(super) fn observe(&mut self, outcome: &Outcome, now: Instant) -> Option<Outcome> {
        let started = now.checked_sub(outcome.response_time).unwrap_or(now);
        let observed = self.observations.recorded(outcome, started);
        if observed.is_back {
            self.back.push(outcome.service_id);
        }
        observed.hole
    }

    /// Finds the services that became unobserved.
    pub(super) fn check_observations(&mut self) {
        if self.phase != Phase::Open {
            return;
        }
        let unobserved = self.observations.overdue(Instant::now());
        for service in &unobserved {
            self.last_results.clear(service.id);
        }
        self.log_unobserved(&unobserved);
        self.log_back();
        for (reason, count) in self.observations.unobserved() {
            self.telemetry.unobserved(*reason, *count);
        }
        self.buffer_holes();
    }

    /// Buffers holes as far as there is room.
    pub(super) fn buffer_holes(&mut self) {
        while self.buffer.has_room()
            && self.phase != Phase::Closed
            && let Some(hole) = self.observations.next_hole()
        {
            let due = Instant::now() + self.commit_window.wait(&hole);
            let id = hole.service_id;
            let position = self.buffer.push(hole, due);
            self.commit_window.buffered(id, position);
        }
    }

    /// Name servers that fail are logged once for all services by the prober that found it.
    fn log_unobserved(&self, unobserved: &[Unobserved]) {
        let unobserved = unobserved.iter();
        let unobserved: Vec<&Unobserved> =
            unobserved.filter(|service| service.failure.reason != Reason::LocalResolver).collect();
        if unobserved.len() <= LOGGED_MOST {
            for Unobserved { id, since_ms, failure } in unobserved {
                let name = self.last_results.name(*id).map(|name| name.to_string());
                warn!(self.log, "service cannot be probed and is unknown";
                    "service_id" => id.get(),
                    "name" => name.unwrap_or_default(),
                    "since" => timestamp::to_rfc3339(*since_ms),
                    "reason" => failure.reason.as_str(), "detail" => &failure.detail);
            }
            return;
        }
        let mut by_reason: HashMap<Reason, (usize, &Unobserved)> = HashMap::new();
        for service in unobserved {
            by_reason.entry(service.failure.reason).or_insert((0, service)).0 += 1;
        }
        for (reason, (count, first)) in by_reason {
            warn!(self.log, "services cannot be probed and are unknown"; "services" => count,
                "since" => timestamp::to_rfc3339(first.since_ms),
                "reason" => reason.as_str(), "detail" => &first.failure.detail);
        }
    }

    fn log_back(&mut self) {
        let back = std::mem::take(&mut self.back);
        if back.count > LOGGED_MOST {
            info!(self.log, "services are probed again"; "services" => back.count);
            return;
        }
        for id in back.first {
            let name = self.last_results.name(id).map(|name| name.to_string());
            info!(self.log, "service is probed again"; "service_id" => id.get(),
                "name" => name.unwrap_or_default());
        }
    }

    /// The fault when more than half of the watched services cannot be probed. A registry that does
    /// not answer is no fault of this program or its machine.
    pub(super) fn observation_failure(&self) -> Option<String> {
        let unobserved = self.observations.unobserved().iter();
        let unobserved = unobserved.filter(|(reason, _)| **reason != Reason::LocalRegistry);
        let count: usize = unobserved.clone().map(|(_, count)| count).sum();
        let watched = self.observations.watched();
        if 2 * count <= watched {
            return None;
        }
        let (reason, _) = unobserved.max_by_key(|(_, count)| **count)?;
        let advice = match reason {
            Reason::Missed => ": no prober was free in time, see RUNNER_POOL_SIZE",
            _ => "",
        };
        let reason = reason.as_str();
        Some(format!("{count} of {watched} services cannot be probed: {reason}{advice}"))
    }
}
