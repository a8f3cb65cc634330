//! How services are spread over their intervals. Pure.

use std::time::Duration;

use crate::domain::ServiceId;

/// Services from which on neighbours are due close together, and how many neighbours at most.
const BLOCKS_AT_LEAST: u64 = 1_024;
const BLOCK_LIMIT: u64 = 64;

/// How services are spread over their interval: evenly, by their ids. With few, neighbours are due far apart. With many, blocks
/// of neighbours are due one after the other, since their rows share a page of the store, and a commit that meets a page for each
/// result writes fifty times as much. Blocks are powers of two, so a restart finds the same grid unless the number of
/// services has passed one meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// Services that are due one after the other.
    block: u64,
    /// The part of an interval from one of them to the next, in parts of 2^64.
    step: u64,
}

impl Default for Spread {
    fn default() -> Self {
        Self::of(0)
    }
}

impl Spread {
    /// For so many services.
    pub fn of(services: usize) -> Self {
        let size = (services as u64).max(BLOCKS_AT_LEAST).next_power_of_two();
        Self { block: (size / BLOCKS_AT_LEAST).min(BLOCK_LIMIT), step: u64::MAX / size }
    }

    /// The phase of a service: multiples of the golden ratio are spread as evenly as can be, however many there are (Knuth, The Art
    /// of Computer Programming 3, section 6.4).
    pub fn phase(self, id: ServiceId, interval: Duration) -> Duration {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let id = id.get().cast_unsigned();
        let within = (id % self.block).wrapping_mul(self.step);
        let part = (id / self.block).wrapping_mul(GOLDEN).wrapping_add(within);
        Duration::from_nanos(((u128::from(part) * interval.as_nanos()) >> 64) as u64)
    }

    /// From `wall_ms`, in unix milliseconds, to the next slot of a service.
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
    fn neighbours_are_due_together_only_when_there_are_many() {
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
