//! A walk through the store: service by service, each from its first tick that is not relayed.

use std::collections::{HashSet, VecDeque};

use crate::domain::ServiceId;
use crate::storage::history::rows::Unrelayed;
use crate::storage::history::unrelayed::{NumberedTick, UnrelayedTicks};

/// Services that one query reads.
const READ_SERVICES: usize = 256;

/// Position of a walk. Bound: a list of services, and the ticks of one query.
#[derive(Debug, Default)]
pub struct Walk {
    /// The last service that was listed.
    after: i64,
    /// Whether every service was listed.
    is_listed: bool,
    /// To be read.
    services: VecDeque<Unrelayed>,
    /// Being read.
    requested: Vec<Unrelayed>,
    /// Read, and to be relayed.
    ticks: VecDeque<NumberedTick>,
}

/// What a walk needs next.
#[derive(Debug, Clone, PartialEq)]
pub enum WalkStep {
    List {
        after: i64,
    },
    Read(Vec<Unrelayed>),
    /// Ticks wait to be relayed.
    Relay,
    Done,
}

impl Walk {
    pub fn next(&mut self) -> WalkStep {
        if !self.ticks.is_empty() {
            WalkStep::Relay
        } else if !self.services.is_empty() || !self.requested.is_empty() {
            if self.requested.is_empty() {
                let count = self.services.len().min(READ_SERVICES);
                self.requested = self.services.drain(..count).collect();
            }
            WalkStep::Read(self.requested.clone())
        } else if !self.is_listed {
            WalkStep::List { after: self.after }
        } else {
            WalkStep::Done
        }
    }

    /// The next services: `rows`, of which `behind` are to be read. `is_last` when no others
    /// follow.
    pub fn listed(&mut self, rows: &[Unrelayed], behind: Vec<Unrelayed>, is_last: bool) {
        self.after = rows.last().map_or(self.after, |last| last.service_id.get());
        self.is_listed = is_last;
        self.services.extend(behind);
    }

    /// The ticks of the services that were requested. Returns the services that have none left:
    /// retention has deleted them.
    pub fn read(&mut self, UnrelayedTicks { ticks, rest }: UnrelayedTicks) -> Vec<Unrelayed> {
        let mut requested = std::mem::take(&mut self.requested);
        let with_ticks = ticks.iter().map(|tick| tick.service_id);
        let left: HashSet<ServiceId> =
            with_ticks.chain(rest.iter().map(|service| service.service_id)).collect();
        requested.retain(|service| !left.contains(&service.service_id));
        self.ticks.extend(ticks);
        for service in rest.into_iter().rev() {
            self.services.push_front(service);
        }
        requested
    }

    pub fn pop(&mut self) -> Option<NumberedTick> {
        self.ticks.pop_front()
    }
}
