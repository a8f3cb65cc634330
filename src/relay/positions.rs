//! Ticks on their way, and how far each service has come.

use std::collections::HashMap;

use crate::domain::{ServiceId, StoredTick};
use crate::metrics::tick_samples;
use crate::storage::history::unrelayed::NumberedTick;

/// A tick on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RelayTick {
    pub service_id: ServiceId,
    pub seq: u64,
    pub tick: StoredTick,
    /// Not later than a tick that was sent before it: a series must ascend.
    pub is_late: bool,
}

impl RelayTick {
    pub fn has_samples(&self) -> bool {
        !self.is_late && tick_samples::has_samples(&self.tick)
    }

    pub fn samples(&self) -> usize {
        if self.is_late { 0 } else { tick_samples::count(&self.tick) }
    }
}

/// The newest tick of a service that has left the queue or the store.
#[derive(Debug, Clone, Copy)]
struct Position {
    seq: u64,
    /// Time of the newest sample, in unix milliseconds.
    at_ms: i64,
}

/// The positions of services. Bound: one entry a service.
#[derive(Debug, Default)]
pub struct Positions(HashMap<ServiceId, Position>);

/// Whether a tick is the next one of its service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Admission {
    Next(RelayTick),
    /// It has left before.
    Known,
    /// Ticks before it are missing.
    BehindGap,
}

impl Positions {
    /// Number of the newest tick of the service that has left; 0 when that is unknown.
    pub fn newest(&self, id: ServiceId) -> u64 {
        self.0.get(&id).map_or(0, |position| position.seq)
    }

    /// Moves on to `tick`. Ticks may be missing before it when `skips`: they were deleted.
    pub fn admit(&mut self, tick: NumberedTick, skips: bool) -> Admission {
        let NumberedTick { service_id, seq, tick } = tick;
        let known = self.0.get(&service_id).copied();
        match known {
            Some(position) if seq <= position.seq => return Admission::Known,
            Some(position) if !skips && seq > position.seq + 1 => return Admission::BehindGap,
            _ => {}
        }
        let newest_ms = known.map_or(i64::MIN, |position| position.at_ms);
        let has_samples = tick_samples::has_samples(&tick);
        let is_late = has_samples && tick.at_ms <= newest_ms;
        let at_ms = if has_samples { newest_ms.max(tick.at_ms) } else { newest_ms };
        self.0.insert(service_id, Position { seq, at_ms });
        Admission::Next(RelayTick { service_id, seq, tick, is_late })
    }

    /// The ticks up to `seq` are deleted.
    pub fn skip_to(&mut self, id: ServiceId, seq: u64) {
        self.0.entry(id).or_insert(Position { seq, at_ms: i64::MIN }).seq = seq;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::State;

    #[test]
    fn samples_of_a_service_ascend() {
        let mut positions = Positions::default();
        let mut admit = |seq, at_ms, state| {
            let tick = StoredTick {
                at_ms,
                state,
                response_time_us: 0,
                phases_us: None,
                http_status: None,
                reason: None,
            };
            let service_id = ServiceId::new(1).unwrap();
            match positions.admit(NumberedTick { service_id, seq, tick }, false) {
                Admission::Next(tick) => Some((tick.is_late, tick.samples())),
                Admission::Known | Admission::BehindGap => None,
            }
        };
        assert_eq!(admit(5, 100, State::Up), Some((false, 2)));
        assert_eq!(admit(5, 100, State::Up), None);
        assert_eq!(admit(7, 100, State::Up), None);
        assert_eq!(admit(6, 100, State::Down), Some((true, 0)));
        // A tick without samples is in the way of no sample.
        assert_eq!(admit(7, 300, State::Unknown), Some((false, 0)));
        assert_eq!(admit(8, 200, State::Up), Some((false, 2)));
    }
}
