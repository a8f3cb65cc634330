//! Stalls of one arbiter. After a stall (SIGSTOP, a paused container, a starved machine) deadlines
//! have passed that no target is to blame for.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::domain::time::stall::StallDetector;

const HEARTBEAT_EVERY: Duration = Duration::from_millis(100);

/// Longest time between two heartbeats that is not a stall.
const THRESHOLD: Duration = Duration::from_millis(350);

/// Runs a [`StallDetector`] on the monotonic clock, for as long as its arbiter runs.
#[derive(Debug, Clone)]
pub struct StallMonitor {
    detector: Rc<RefCell<StallDetector>>,
    /// Zero of the detector's clock.
    origin: Instant,
}

/// Milliseconds that the arbiter had stalled before a probe began.
#[derive(Debug, Clone, Copy)]
pub struct StalledBefore(i64);

impl StallMonitor {
    /// Spawns the heartbeat.
    pub fn start() -> Self {
        let detector = Rc::new(RefCell::new(StallDetector::new(THRESHOLD)));
        let monitor = Self { detector, origin: Instant::now() };
        monitor.heartbeat(monitor.origin);
        let spawned = monitor.clone();
        actix_rt::spawn(async move {
            loop {
                spawned.heartbeat(Instant::now());
                actix_rt::time::sleep(HEARTBEAT_EVERY).await;
            }
        });
        monitor
    }

    /// To be called when a probe begins.
    pub fn stalled_before(&self) -> StalledBefore {
        StalledBefore(self.detector.borrow().stalled_ms())
    }

    /// Whether stalls explain that a probe with this `deadline` and `timeout` was still running at
    /// `now`; see [`StallDetector::excuses`].
    pub fn excuses(
        &self,
        before: StalledBefore,
        deadline: Instant,
        timeout: Duration,
        now: Instant,
    ) -> bool {
        // The stall may have ended before the next heartbeat.
        self.heartbeat(now);
        self.detector.borrow().excuses(before.0, self.millis(deadline), timeout)
    }

    fn heartbeat(&self, now: Instant) {
        self.detector.borrow_mut().heartbeat(self.millis(now));
    }

    fn millis(&self, at: Instant) -> i64 {
        let since = at.saturating_duration_since(self.origin);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}
