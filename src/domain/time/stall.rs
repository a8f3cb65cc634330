//! Detects that this process stalled: stopped by a signal, suspended with its machine, paused with
//! its container, or starved of CPU.
//!
//! The probe engine uses it to excuse a probe whose deadline passed during a stall; the recorder
//! uses it to note the time that the monitor did not observe.

use std::time::Duration;

/// A span without heartbeats, in milliseconds of the detector's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// The last heartbeat before the stall.
    pub from_ms: i64,
    /// The first heartbeat after it.
    pub to_ms: i64,
}

/// Compares the time between heartbeats with a threshold.
///
/// Times are milliseconds of any one clock. On a wall clock, a clock set forward looks like a
/// stall, and nothing was observed in that time either; a clock set back is ignored.
#[derive(Debug, Clone, Copy)]
pub struct StallDetector {
    threshold_ms: i64,
    last_ms: Option<i64>,
    newest: Option<Stall>,
    stalled_ms: i64,
}

impl StallDetector {
    /// A longer time than `threshold` between two heartbeats is a stall.
    pub fn new(threshold: Duration) -> Self {
        Self { threshold_ms: millis(threshold), last_ms: None, newest: None, stalled_ms: 0 }
    }

    /// Records a heartbeat at `now_ms` and returns the stall that it ends.
    pub fn heartbeat(&mut self, now_ms: i64) -> Option<Stall> {
        let last_ms = self.last_ms.replace(now_ms)?;
        let gap_ms = now_ms.saturating_sub(last_ms);
        if gap_ms <= self.threshold_ms {
            return None;
        }
        let stall = Stall { from_ms: last_ms, to_ms: now_ms };
        self.newest = Some(stall);
        self.stalled_ms = self.stalled_ms.saturating_add(gap_ms);
        Some(stall)
    }

    /// Records a heartbeat after a time in which none was expected.
    pub fn resume(&mut self, now_ms: i64) {
        self.last_ms = Some(now_ms);
    }

    /// Milliseconds spent in stalls so far.
    pub fn stalled_ms(&self) -> i64 {
        self.stalled_ms
    }

    /// Whether a stall explains that work ran past `deadline_ms`: the deadline fell into the newest
    /// stall, or stalls took half of `timeout` since [`stalled_ms`](Self::stalled_ms) was
    /// `stalled_before_ms`. A shorter stall does not excuse a target that does not answer.
    pub fn excuses(&self, stalled_before_ms: i64, deadline_ms: i64, timeout: Duration) -> bool {
        let deadline_in_stall =
            self.newest.is_some_and(|stall| (stall.from_ms..=stall.to_ms).contains(&deadline_ms));
        let stalled_ms = self.stalled_ms - stalled_before_ms;
        deadline_in_stall || stalled_ms.saturating_mul(2) >= millis(timeout)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);

    /// A detector as the probe engine has it, with its first heartbeat at 0.
    fn started() -> StallDetector {
        let mut detector = StallDetector::new(Duration::from_millis(350));
        assert_eq!(detector.heartbeat(0), None);
        detector
    }

    /// Heartbeats every 100 ms from `from_ms` to `to_ms`.
    fn heartbeats(detector: &mut StallDetector, from_ms: i64, to_ms: i64) {
        for at_ms in (from_ms..to_ms).step_by(100) {
            detector.heartbeat(at_ms);
        }
    }

    #[test]
    fn time_without_expected_heartbeats_is_no_stall() {
        let mut detector = started();
        detector.resume(60_000);
        assert_eq!((detector.heartbeat(60_100), detector.stalled_ms()), (None, 0));
        assert!(!detector.excuses(0, 60_050, TIMEOUT));
    }

    #[test]
    fn only_a_gap_beyond_the_threshold_is_a_stall() {
        let mut detector = StallDetector::new(Duration::from_secs(10));
        assert_eq!(detector.heartbeat(1_000_000), None, "the first heartbeat");
        assert_eq!(detector.heartbeat(1_001_000), None);
        assert_eq!(detector.heartbeat(1_005_000), None, "a busy machine");
        let stall = Stall { from_ms: 1_005_000, to_ms: 1_065_000 };
        assert_eq!(detector.heartbeat(1_065_000), Some(stall));
        assert_eq!(detector.heartbeat(1_066_000), None);
        assert_eq!(detector.heartbeat(900_000), None, "the clock was set back");
        assert_eq!(detector.heartbeat(901_000), None);
        assert_eq!(detector.stalled_ms(), 60_000);
    }

    #[test]
    fn a_deadline_within_a_stall_is_excused() {
        let mut detector = started();
        heartbeats(&mut detector, 0, 1_800);
        detector.heartbeat(2_300);
        assert!(detector.excuses(0, 2_000, TIMEOUT));
    }

    #[test]
    fn a_short_stall_does_not_excuse_a_target_that_does_not_answer() {
        let mut detector = started();
        heartbeats(&mut detector, 0, 500);
        heartbeats(&mut detector, 900, 2_000);
        assert!(!detector.excuses(0, 2_000, TIMEOUT));
        assert!(detector.excuses(0, 2_000, Duration::from_millis(900)), "half of that timeout");
    }

    #[test]
    fn a_stall_before_the_probe_does_not_count() {
        let mut detector = started();
        detector.heartbeat(5_000);
        let stalled_before_ms = detector.stalled_ms();
        heartbeats(&mut detector, 5_000, 7_000);
        assert!(!detector.excuses(stalled_before_ms, 7_000, TIMEOUT));
    }
}
