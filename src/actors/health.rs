//! Whether the store takes writes, and when to try again: a decision of the recorder. Pure; time is passed in.

use std::time::{Duration, Instant};

/// A write that takes longer than this counts as a store that fails.
const STALL_AFTER: Duration = Duration::from_secs(5);

/// First and longest pause after a write that failed; each failure doubles it.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What is known of the store. Invariant: at most one write is under way.
#[derive(Debug)]
pub struct StoreHealth {
    /// Since when a write is under way.
    writing: Option<Instant>,
    /// When a write last succeeded.
    last_success: Instant,
    failing: Option<Failing>,
}

#[derive(Debug)]
struct Failing {
    why: String,
    pause: Duration,
    retry_at: Instant,
}

impl StoreHealth {
    /// A store that has just been opened.
    pub fn new(now: Instant) -> Self {
        Self { writing: None, last_success: now, failing: None }
    }

    /// A write begins.
    pub fn begin(&mut self, now: Instant) {
        debug_assert!(self.writing.is_none());
        self.writing = Some(now);
    }

    /// The write is over, however it went.
    pub fn end(&mut self) {
        self.writing = None;
    }

    /// Whether a write is under way.
    pub fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// A write succeeded; true when the store had failed before.
    pub fn succeeded(&mut self, now: Instant) -> bool {
        self.last_success = now;
        self.failing.take().is_some()
    }

    /// A write failed; true when the store had worked before.
    pub fn failed(&mut self, why: String, now: Instant) -> bool {
        let pause = match &self.failing {
            Some(failing) => (failing.pause * 2).min(RETRY_AFTER.1),
            None => RETRY_AFTER.0,
        };
        self.failing.replace(Failing { why, pause, retry_at: now + pause }).is_none()
    }

    /// When to try again; `None` while the store works.
    pub fn retry_at(&self) -> Option<Instant> {
        self.failing.as_ref().map(|failing| failing.retry_at)
    }

    /// There is no time to lose: the next try is at once, and the pauses begin anew.
    pub fn hurry(&mut self, now: Instant) {
        if let Some(failing) = &mut self.failing {
            failing.pause = RETRY_AFTER.0 / 2;
            failing.retry_at = now;
        }
    }

    /// How long ago a write last succeeded.
    pub fn quiet_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_success)
    }

    /// Why the store is not to be relied on, if so.
    pub fn trouble(&self, now: Instant) -> Option<String> {
        if let Some(failing) = &self.failing {
            return Some(failing.why.clone());
        }
        let took = now.saturating_duration_since(self.writing?);
        (took > STALL_AFTER).then(|| format!("a write takes {} s already", took.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_pause_up_to_its_limit() {
        let now = Instant::now();
        let mut health = StoreHealth::new(now);
        assert!(health.failed("full".into(), now), "the first one");
        let mut pauses = Vec::new();
        for _ in 0..8 {
            pauses.push((health.retry_at().unwrap() - now).as_millis());
            assert!(!health.failed("full".into(), now));
        }
        assert_eq!(pauses, [200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
        assert_eq!(health.trouble(now).as_deref(), Some("full"));
        health.hurry(now);
        assert_eq!(health.retry_at(), Some(now));
        assert!(health.succeeded(now) && !health.succeeded(now));
        assert_eq!((health.retry_at(), health.trouble(now)), (None, None));
    }

    #[test]
    fn a_write_that_never_ends_is_trouble_too() {
        let now = Instant::now();
        let mut health = StoreHealth::new(now);
        health.begin(now);
        assert_eq!(health.trouble(now + Duration::from_secs(5)), None);
        assert!(health.trouble(now + Duration::from_secs(6)).is_some());
        health.end();
        assert_eq!(health.trouble(now + Duration::from_secs(6)), None);
    }
}
