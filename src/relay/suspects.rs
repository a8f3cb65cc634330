//! Services whose newest ticks were refused.

use std::collections::HashMap;

use crate::domain::ServiceId;
use crate::relay::positions::RelayTick;

/// Bound: one entry a service.
#[derive(Debug)]
pub struct Suspects {
    services: HashMap<ServiceId, Suspect>,
    /// After so many refusals one after the other, ticks are passed over.
    run: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Suspect {
    /// Ticks that were refused or passed over one after the other.
    refused: u64,
    /// Ticks before this one are passed over.
    skip_to: u64,
}

impl Suspects {
    pub fn new(run: u64) -> Self {
        Self { services: HashMap::new(), run }
    }

    pub fn contains(&self, id: ServiceId) -> bool {
        self.services.contains_key(&id)
    }

    /// Whether the tick is to be passed over without an attempt.
    pub fn skips(&self, tick: &RelayTick) -> bool {
        self.services.get(&tick.service_id).is_some_and(|suspect| tick.seq < suspect.skip_to)
    }

    /// The receiver refused the tick.
    pub fn refused(&mut self, tick: &RelayTick) {
        let suspect = self.services.entry(tick.service_id).or_default();
        suspect.refused += 1;
        if suspect.refused >= self.run {
            suspect.skip_to = tick.seq + 1 + suspect.refused / 8;
        }
    }

    /// The tick was passed over.
    pub fn passed_over(&mut self, tick: &RelayTick) {
        self.services.entry(tick.service_id).or_default().refused += 1;
    }

    /// The receiver accepted the newest tick of the service.
    pub fn accepted(&mut self, id: ServiceId) {
        self.services.remove(&id);
    }
}
