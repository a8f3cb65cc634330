//! Spreads services over their intervals. Pure.

use std::time::Duration;

use crate::domain::ServiceId;

/// From this many services on, a block of services with consecutive ids is due together; and the
/// largest block.
const BLOCKS_AT_LEAST: u64 = 1_024;
const BLOCK_LIMIT: u64 = 64;

/// Spreads services evenly over their interval, by id. Few services with consecutive ids are due
/// far apart. With many services, blocks of consecutive ids are due one after the other: their rows
/// share a page of the store, and a commit that touches a page for each result writes fifty times
/// as much. Block sizes are powers of two, so a restart finds the same grid unless the number of
/// services has passed a power of two meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// Services in a block.
    block: u64,
    /// From one service of a block to the next, as a fraction of the interval in units of 2^-64.
    step: u64,
}

impl Default for Spread {
    fn default() -> Self {
        Self::of(0)
    }
}

impl Spread {
    /// The spread of so many services.
    pub fn of(services: usize) -> Self {
        let size = (services as u64).max(BLOCKS_AT_LEAST).next_power_of_two();
        Self { block: (size / BLOCKS_AT_LEAST).min(BLOCK_LIMIT), step: u64::MAX / size }
    }

    /// The phase of a service. Multiples of the golden ratio are spread as evenly as possible,
    /// whatever their number (Knuth, The Art of Computer Programming 3, section 6.4).
    pub fn phase(self, id: ServiceId, interval: Duration) -> Duration {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let id = id.get().cast_unsigned();
        let within = (id % self.block).wrapping_mul(self.step);
        let part = (id / self.block).wrapping_mul(GOLDEN).wrapping_add(within);
        Duration::from_nanos(((u128::from(part) * interval.as_nanos()) >> 64) as u64)
    }

    /// Time from `wall_ms` (unix milliseconds) to the next slot of a service.
    pub fn until_grid(self, id: ServiceId, interval: Duration, wall_ms: i64) -> Duration {
        let interval_ns = interval.as_nanos().max(1);
        let wall_ns = u128::from(wall_ms.max(0).cast_unsigned()) * 1_000_000;
        let ahead = self.phase(id, interval).as_nanos() + interval_ns - wall_ns % interval_ns;
        Duration::from_nanos((ahead % interval_ns) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_ids_are_due_together_only_among_many_services() {
        let apart = |services| {
            let spread = Spread::of(services);
            let phase = |id| {
                spread.phase(ServiceId::new(id).unwrap(), Duration::from_secs(60)).as_secs_f64()
            };
            (phase(1_001) - phase(1_000)).abs()
        };
        assert!(apart(1_000) > 20.0);
        assert!(apart(500_000) < 0.001);
    }
}
