//! Pauses after failed attempts.

use std::time::Duration;

/// Pause after the first failure; each further one doubles it.
const LEAST: Duration = Duration::from_secs(1);
/// Longest pause that this program chooses.
const MOST: Duration = Duration::from_secs(30);
/// Longest pause that a receiver may ask for.
const RETRY_AFTER_MOST: Duration = Duration::from_secs(300);

/// Failures since the last success.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure and returns the pause after it; the receiver's `Retry-After` takes
    /// precedence.
    pub fn failed(&mut self, retry_after: Option<Duration>) -> Duration {
        let own = LEAST.saturating_mul(2u32.saturating_pow(self.failures)).min(MOST);
        self.failures = self.failures.saturating_add(1);
        retry_after.map_or(own, |requested| requested.clamp(LEAST, RETRY_AFTER_MOST))
    }

    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_one_second_to_thirty() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u64> = (0..8).map(|_| backoff.failed(None).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        backoff.succeeded();
        assert_eq!(backoff.failed(None).as_secs(), 1);
    }

    #[test]
    fn the_receiver_may_ask_for_another_pause() {
        let mut backoff = Backoff::default();
        let mut requested = |secs| backoff.failed(Some(Duration::from_secs(secs))).as_secs();
        assert_eq!((requested(0), requested(90), requested(86_400)), (1, 90, 300));
        (0..40).for_each(|_| _ = backoff.failed(None));
        assert_eq!(backoff.failed(None).as_secs(), 30);
    }
}
