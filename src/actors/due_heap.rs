//! Which service is due next, of many.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::actors::monotonic_time::MonotonicTime;
use crate::domain::ServiceId;

/// Stale items that stay, beside a quarter of the services.
const STALE_LEAST: usize = 64;

/// An item for each service and the time at which it is due. When that changes, the old item stays
/// and is stale: the owner recognises it, since its time is not the one that the service has. Items
/// of one service with the same time stand for each other. Bound: a quarter more items than
/// services, and [`STALE_LEAST`].
#[derive(Debug, Default)]
pub struct DueHeap(BinaryHeap<Reverse<(MonotonicTime, ServiceId)>>);

impl DueHeap {
    pub fn push(&mut self, due: MonotonicTime, id: ServiceId) {
        if self.0.len() == self.0.capacity() {
            // Twice the size would leave up to half of it unused.
            self.0.reserve_exact(self.0.len() / 8 + STALE_LEAST);
        }
        self.0.push(Reverse((due, id)));
    }

    pub fn first(&self) -> Option<(MonotonicTime, ServiceId)> {
        self.0.peek().map(|Reverse(item)| *item)
    }

    pub fn pop(&mut self) -> Option<(MonotonicTime, ServiceId)> {
        self.0.pop().map(|Reverse(item)| item)
    }

    /// Whether there are so many stale items that the owner replaces all by the current ones, given
    /// the number of its services.
    pub fn is_stale(&self, services: usize) -> bool {
        self.0.len() > services + services / 4 + STALE_LEAST
    }

    /// Replaces all items.
    pub fn replace(&mut self, current: impl Iterator<Item = (MonotonicTime, ServiceId)>) {
        self.0.clear();
        self.0.extend(current.map(Reverse));
        self.0.shrink_to(self.0.len() + self.0.len() / 4 + STALE_LEAST);
    }

    #[cfg(test)]
    pub fn items(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_heap_has_little_room_that_is_not_used() {
        let now = MonotonicTime::from(Instant::now());
        let item = |nth: u32| (now + Duration::from_secs(nth.into()), ServiceId::new(7).unwrap());
        let mut heap = DueHeap::default();
        for nth in (0..100_000).rev() {
            let (due, id) = item(nth);
            heap.push(due, id);
        }
        assert_eq!((heap.first(), size_of_val(&item(0))), (Some(item(0)), 16));
        assert!(heap.0.capacity() <= 100_000 * 9 / 8 + 64, "{}", heap.0.capacity());
        assert!(!heap.is_stale(80_000) && heap.is_stale(79_900));
        heap.replace([item(5), item(3)].into_iter());
        assert!(heap.0.capacity() <= 66, "{}", heap.0.capacity());
        assert_eq!([heap.pop(), heap.pop(), heap.pop()], [Some(item(3)), Some(item(5)), None]);
    }
}
