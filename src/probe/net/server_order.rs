//! The order in which the name servers of the system are queried. Pure; time is passed in.

use std::time::{Duration, Instant};

/// With `rotate`, a server that failed gets its turn again after this time.
const ROTATE_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Most time between the queries of two servers.
const DELAY_MAX: Duration = Duration::from_secs(1);

/// The servers that failed stand behind those that answer, until they answer again.
#[derive(Debug)]
pub struct ServerOrder {
    /// Since when each server fails.
    failed_at: Vec<Option<Instant>>,
    rotate: bool,
    next: usize,
}

impl ServerOrder {
    pub fn new(servers: usize, rotate: bool) -> Self {
        Self { failed_at: vec![None; servers], rotate, next: 0 }
    }

    /// The servers of the next look-up, in the order of queries.
    pub fn next_order(&mut self, now: Instant) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.failed_at.len()).collect();
        if self.rotate {
            order.rotate_left(self.next % self.failed_at.len().max(1));
            self.next = self.next.wrapping_add(1);
        }
        let is_old = |at: Instant| self.rotate && now >= at + ROTATE_AGAIN_AFTER;
        // Stable: the order is kept among servers that answer, and among those that failed.
        order.sort_by_key(|server| self.failed_at[*server].is_some_and(|at| !is_old(at)));
        order
    }

    pub fn answered(&mut self, server: usize) {
        self.failed_at[server] = None;
    }

    /// The server failed, or a later one answered before it did.
    pub fn failed(&mut self, server: usize, now: Instant) {
        self.failed_at[server] = Some(now);
    }
}

/// How long one of `servers` is waited for alone, when `left` remains until the deadline.
pub fn delay(timeout: Duration, servers: usize, left: Duration) -> Duration {
    let share = left / u32::try_from(servers).unwrap_or(u32::MAX).saturating_add(1);
    share.min(timeout).min(DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_that_answers_is_preferred_from_then_on() {
        let (mut order, now) = (ServerOrder::new(3, false), Instant::now());
        assert_eq!(order.next_order(now), [0, 1, 2]);
        order.failed(0, now);
        order.answered(1);
        let much_later = now + ROTATE_AGAIN_AFTER * 10;
        assert_eq!(order.next_order(much_later), [1, 2, 0]);
        order.failed(1, now);
        order.failed(2, now);
        assert_eq!(order.next_order(now), [0, 1, 2]);
        order.answered(2);
        assert_eq!(order.next_order(now), [2, 0, 1]);
    }

    #[test]
    fn rotation_begins_with_each_server_in_turn_but_not_with_failed_ones() {
        let (mut order, now) = (ServerOrder::new(3, true), Instant::now());
        let firsts = |order: &mut ServerOrder, at| [(); 3].map(|()| order.next_order(at)[0]);
        assert_eq!(firsts(&mut order, now), [0, 1, 2]);
        order.failed(1, now);
        assert_eq!(firsts(&mut order, now), [0, 2, 2]);
        assert_eq!(firsts(&mut order, now + ROTATE_AGAIN_AFTER), [0, 1, 2]);
    }

    #[test]
    fn every_server_gets_its_turn_before_the_deadline() {
        let secs = Duration::from_secs_f64;
        assert_eq!(delay(secs(5.0), 2, secs(30.0)), secs(1.0));
        assert_eq!(delay(secs(5.0), 3, secs(2.0)), secs(0.5));
        assert_eq!(delay(secs(1.0), 1, secs(0.4)), secs(0.2));
        assert_eq!(delay(secs(5.0), 3, secs(0.0)), secs(0.0));
    }
}
