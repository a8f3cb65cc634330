//! A budget of memory for responses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::error::ApiError;
use crate::api::text::SharedText;
use crate::api::transport::Connections;

/// Bytes of one permit.
const UNIT: usize = 1024;

/// Most responses that are computed at once: more would only wait for the readers of the store.
const COMPUTING: usize = 4;

/// Most texts that are packed at once.
const PACKING: usize = 2;

/// How long a request waits for memory before it is refused.
const WAIT: Duration = Duration::from_secs(1);

/// Memory of a response while it is computed, as a multiple of its text: rows, views and JSON.
const COMPUTING_FACTOR: usize = 3;

/// First estimate of the text of one item, in bytes.
const ITEM_BYTES: usize = 1024;

/// What the items of a response are; each kind has its own estimate.
#[derive(Debug, Clone, Copy)]
pub enum Items {
    Services,
    Events,
    Ticks,
    Buckets,
    Uptimes,
    Alerts,
    Deliveries,
    Changes,
}

/// Bounds the memory of large responses, from the query until the last client has taken the last
/// byte. A text that several clients read counts once. Clones share the budget.
#[derive(Debug, Clone)]
pub struct ResponseBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    total: usize,
    units: Arc<Semaphore>,
    computing: Arc<Semaphore>,
    /// Estimated bytes of one item, from the responses so far, by [`Items`].
    item_bytes: [AtomicUsize; 8],
    /// Texts that are being packed.
    packing: Arc<Semaphore>,
    connections: Connections,
}

/// Memory that is reserved for a packed text.
pub struct PackedReservation {
    budget: ResponseBudget,
    units: OwnedSemaphorePermit,
    _packing: OwnedSemaphorePermit,
}

impl PackedReservation {
    /// The packed `text`, which is at most as long as it was reserved.
    pub fn hold(self, text: Vec<u8>) -> SharedText {
        let Self { budget, mut units, .. } = self;
        let unused = units.num_permits().saturating_sub(budget.units(text.len()) as usize);
        drop(units.split(unused));
        SharedText::new(text, units)
    }
}

/// Memory that is reserved for a response which is being computed.
pub struct Reservation {
    kind: Items,
    count: usize,
    expected_bytes: usize,
    units: OwnedSemaphorePermit,
    _computing: OwnedSemaphorePermit,
}

impl Reservation {
    /// Estimated length of the text, in bytes.
    pub fn expected_bytes(&self) -> usize {
        self.expected_bytes
    }
}

impl ResponseBudget {
    /// A budget of `bytes`. While it is short, slow readers of `connections` are closed.
    pub fn new(bytes: usize, connections: Connections) -> Self {
        // `acquire_many` takes 32 bits.
        let total = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self(Arc::new(Shared {
            total,
            units: Arc::new(Semaphore::new(total)),
            computing: Arc::new(Semaphore::new(COMPUTING)),
            item_bytes: std::array::from_fn(|_| AtomicUsize::new(ITEM_BYTES)),
            packing: Arc::new(Semaphore::new(PACKING)),
            connections,
        }))
    }

    /// Reserves the memory for a response of at most `count` items; 503 when there is none.
    pub async fn reserve(&self, kind: Items, count: usize) -> Result<Reservation, ApiError> {
        let reserved = async {
            let computing = Arc::clone(&self.0.computing).acquire_owned().await.ok()?;
            let item_bytes = self.0.item_bytes[kind as usize].load(Ordering::Relaxed);
            let expected_bytes = count * item_bytes;
            let estimate = expected_bytes * COMPUTING_FACTOR;
            let units = Arc::clone(&self.0.units);
            let units = match Arc::clone(&units).try_acquire_many_owned(self.units(estimate)) {
                Ok(units) => units,
                Err(_) => {
                    self.0.connections.close_slow_readers(Instant::now());
                    units.acquire_many_owned(self.units(estimate)).await.ok()?
                }
            };
            Some(Reservation { kind, count, expected_bytes, units, _computing: computing })
        };
        tokio::time::timeout(WAIT, reserved).await.ok().flatten().ok_or_else(exhausted)
    }

    /// The computed `text`, which holds its part of the reservation until its last copy is dropped.
    pub fn hold(&self, reservation: Reservation, text: Vec<u8>) -> Result<SharedText, ApiError> {
        let Reservation { kind, count, mut units, .. } = reservation;
        let shared = &self.0;
        let item_bytes = &shared.item_bytes[kind as usize];
        let known = item_bytes.load(Ordering::Relaxed);
        item_bytes.store(next_estimate(known, text.len(), count), Ordering::Relaxed);
        let needed = self.units(text.len()) as usize;
        let reserved = units.num_permits();
        if needed > reserved {
            let missing = u32::try_from(needed - reserved).unwrap_or(u32::MAX);
            let more = Arc::clone(&shared.units).try_acquire_many_owned(missing);
            units.merge(more.map_err(|_| exhausted())?);
        } else {
            drop(units.split(reserved - needed));
        }
        Ok(SharedText::new(text, units))
    }

    /// Reserves the memory for a packed text of at most `bytes`; `None` when there is none at once,
    /// or when enough texts are being packed: then the text is sent as it is.
    pub fn reserve_packing(&self, bytes: usize) -> Option<PackedReservation> {
        let packing = Arc::clone(&self.0.packing).try_acquire_owned().ok()?;
        let units = Arc::clone(&self.0.units).try_acquire_many_owned(self.units(bytes)).ok()?;
        Some(PackedReservation { budget: self.clone(), units, _packing: packing })
    }

    /// Extends `held`, the memory of a request body, to `bytes`; 503 when there is none.
    pub fn extend(
        &self,
        held: &mut Option<OwnedSemaphorePermit>,
        bytes: usize,
    ) -> Result<(), ApiError> {
        let known = held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = (self.units(bytes) as usize).saturating_sub(known);
        let units = u32::try_from(missing).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.0.units).try_acquire_many_owned(units);
        let more = more.map_err(|_| exhausted())?;
        match held {
            Some(held) => held.merge(more),
            None => *held = Some(more),
        }
        Ok(())
    }

    /// Permits for `bytes`. A response that is larger than the whole budget takes all of it.
    fn units(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT).min(self.0.total)).unwrap_or(u32::MAX)
    }
}

/// Bytes of one item: at once as large as the largest one, and slowly smaller again.
fn next_estimate(known: usize, text: usize, count: usize) -> usize {
    // A page at the end of a list has fewer items than requested, so its text says little.
    (text / count.max(1)).max(known - known / 16).max(64)
}

fn exhausted() -> ApiError {
    let message = "API_RESPONSE_BYTES_IN_FLIGHT: too many large requests and responses";
    ApiError::unavailable(vec![message.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(bytes: usize) -> ResponseBudget {
        ResponseBudget::new(bytes, Connections::new(1, Duration::from_secs(30)))
    }

    #[actix_web::test]
    async fn a_text_holds_its_memory_until_the_last_copy_is_dropped() {
        let budget = budget(100 * UNIT);
        let reservation = budget.reserve(Items::Services, 10).await.ok().unwrap();
        assert_eq!(budget.0.units.available_permits(), 70);
        let text = budget.hold(reservation, vec![0; 40 * UNIT]).unwrap();
        assert_eq!(budget.0.units.available_permits(), 60, "the text alone");
        let copy = text.clone().into_bytes().split_to(1);
        drop(text);
        assert_eq!(budget.0.units.available_permits(), 60);
        drop(copy);
        assert_eq!(budget.0.units.available_permits(), 100);
        assert_eq!(budget.0.computing.available_permits(), COMPUTING);
    }

    #[actix_web::test]
    async fn without_memory_a_request_is_refused_after_a_while() {
        let budget = budget(10 * UNIT);
        let first = budget.reserve(Items::Services, 1_000).await.ok().unwrap();
        assert!(
            budget.reserve(Items::Services, 1).await.is_err(),
            "the first one has the whole budget"
        );
        let text = budget.hold(first, vec![0; 20 * UNIT]);
        assert!(text.is_ok(), "a response that exceeds the budget is sent alone");
        drop(text);
        let small = budget.reserve(Items::Services, 0).await.ok().unwrap();
        let other = budget.reserve(Items::Services, 0).await.ok().unwrap();
        let held = budget.hold(small, vec![0; 6 * UNIT]).unwrap();
        assert!(budget.hold(other, vec![0; 6 * UNIT]).is_err());
        drop(held);
        assert_eq!(budget.0.units.available_permits(), 10);
    }

    #[actix_web::test]
    async fn a_request_body_takes_memory_as_it_arrives() {
        let budget = budget(10 * UNIT);
        let mut held = None;
        for (bytes, free) in [(1, 9), (UNIT, 9), (UNIT + 1, 8), (10 * UNIT, 0)] {
            budget.extend(&mut held, bytes).unwrap();
            assert_eq!(budget.0.units.available_permits(), free, "{bytes}");
        }
        assert!(budget.extend(&mut None, 1).is_err());
        drop(held);
        assert_eq!(budget.0.units.available_permits(), 10);
    }

    #[test]
    fn the_estimate_grows_at_once_and_shrinks_slowly() {
        assert_eq!(next_estimate(1_024, 10_000_000, 1_000), 10_000);
        assert_eq!(next_estimate(1_600, 100, 100), 1_500);
        assert_eq!(next_estimate(0, 0, 0), 64);
    }
}
