//! Whether the store takes writes, and when to retry. Pure; time is passed in.

use std::time::{Duration, Instant};

/// A write that takes longer means that the store fails.
const STALL_AFTER: Duration = Duration::from_secs(5);

/// First and longest backoff after a failed write; each failure doubles it. Short, since the buffer
/// fills until the next try: a database that is back must be found at once.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(1));

/// Invariant: at most one write is under way.
#[derive(Debug)]
pub struct StoreHealth {
    /// When the write under way began.
    writing: Option<Instant>,
    last_success: Instant,
    failing: Option<Failing>,
}

#[derive(Debug)]
struct Failing {
    why: String,
    backoff: Duration,
    retry_at: Instant,
}

impl StoreHealth {
    pub fn new(now: Instant) -> Self {
        Self { writing: None, last_success: now, failing: None }
    }

    pub fn begin(&mut self, now: Instant) {
        debug_assert!(self.writing.is_none());
        self.writing = Some(now);
    }

    /// The write succeeded or failed.
    pub fn end(&mut self) {
        self.writing = None;
    }

    pub fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// A write succeeded. True when the write before it had failed.
    pub fn succeeded(&mut self, now: Instant) -> bool {
        self.last_success = now;
        self.failing.take().is_some()
    }

    /// A write failed. True when the write before it had succeeded.
    pub fn failed(&mut self, why: String, now: Instant) -> bool {
        let backoff = match &self.failing {
            Some(failing) => (failing.backoff * 2).min(BACKOFF.1),
            None => BACKOFF.0,
        };
        self.failing.replace(Failing { why, backoff, retry_at: now + backoff }).is_none()
    }

    /// When to retry; `None` while the store works.
    pub fn retry_at(&self) -> Option<Instant> {
        self.failing.as_ref().map(|failing| failing.retry_at)
    }

    /// Makes the next retry due at `now` and resets the backoff.
    pub fn set_retry(&mut self, now: Instant) {
        if let Some(failing) = &mut self.failing {
            failing.backoff = BACKOFF.0 / 2;
            failing.retry_at = now;
        }
    }

    /// Time since the last successful write.
    pub fn since_success(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_success)
    }

    /// Why the store takes no writes; `None` when it does.
    pub fn failure(&self, now: Instant) -> Option<String> {
        if let Some(failing) = &self.failing {
            return Some(failing.why.clone());
        }
        let took = now.saturating_duration_since(self.writing?);
        (took > STALL_AFTER).then(|| format!("a write has been running for {} s", took.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_backoff_up_to_its_limit() {
        let now = Instant::now();
        let mut health = StoreHealth::new(now);
        assert!(health.failed("full".into(), now), "the first one");
        let mut backoffs = Vec::new();
        for _ in 0..8 {
            backoffs.push((health.retry_at().unwrap() - now).as_millis());
            assert!(!health.failed("full".into(), now));
        }
        assert_eq!(backoffs, [200, 400, 800, 1_000, 1_000, 1_000, 1_000, 1_000]);
        assert_eq!(health.failure(now).as_deref(), Some("full"));
        health.set_retry(now);
        assert_eq!(health.retry_at(), Some(now));
        assert!(health.succeeded(now) && !health.succeeded(now));
        assert_eq!((health.retry_at(), health.failure(now)), (None, None));
    }

    #[test]
    fn a_write_that_never_ends_is_a_failure_too() {
        let now = Instant::now();
        let mut health = StoreHealth::new(now);
        health.begin(now);
        assert_eq!(health.failure(now + Duration::from_secs(5)), None);
        assert!(health.failure(now + Duration::from_secs(6)).is_some());
        health.end();
        assert_eq!(health.failure(now + Duration::from_secs(6)), None);
    }
}
