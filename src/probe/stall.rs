//! Stalls of one arbiter. After a stall (SIGSTOP, a paused container, a starved machine) deadlines
//! have passed that no target is to blame for.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::domain::time::stall::StallDetector;

/// Interval of the heartbeat while a probe runs.
const HEARTBEAT_EVERY: Duration = Duration::from_millis(100);

/// Longest time between two heartbeats that is not a stall.
const THRESHOLD: Duration = Duration::from_millis(350);

/// Runs a [`StallDetector`] on the monotonic clock, for as long as its arbiter runs. While no probe
/// runs, there is no heartbeat: an idle arbiter does not wake.
#[derive(Debug, Clone)]
pub struct StallMonitor {
    detector: Rc<RefCell<StallDetector>>,
    /// Zero of the detector's clock.
    origin: Instant,
    running: Rc<Cell<usize>>,
    /// The first of the running probes began.
    begun: Rc<Notify>,
    /// The last of them ended.
    ended: Rc<Notify>,
}

/// A running probe, with the milliseconds that the arbiter had stalled before.
#[derive(Debug)]
pub struct RunningProbe {
    stalled_before_ms: i64,
    running: Rc<Cell<usize>>,
    ended: Rc<Notify>,
}

impl Drop for RunningProbe {
    fn drop(&mut self) {
        self.running.update(|running| running - 1);
        if self.running.get() == 0 {
            self.ended.notify_one();
        }
    }
}

impl StallMonitor {
    /// Spawns the heartbeat.
    pub fn start() -> Self {
        let detector = Rc::new(RefCell::new(StallDetector::new(THRESHOLD)));
        let monitor = Self {
            detector,
            origin: Instant::now(),
            running: Rc::default(),
            begun: Rc::default(),
            ended: Rc::default(),
        };
        let spawned = monitor.clone();
        actix_rt::spawn(async move {
            loop {
                while spawned.running.get() == 0 {
                    spawned.begun.notified().await;
                }
                tokio::select! {
                    () = tokio::time::sleep(HEARTBEAT_EVERY) => spawned.heartbeat(Instant::now()),
                    () = spawned.ended.notified() => {}
                }
            }
        });
        monitor
    }

    /// To be called when a probe begins; its end drops the value.
    pub fn probe_begins(&self) -> RunningProbe {
        if self.running.get() == 0 {
            self.detector.borrow_mut().resume(self.millis(Instant::now()));
            self.begun.notify_one();
        }
        self.running.update(|running| running + 1);
        RunningProbe {
            stalled_before_ms: self.detector.borrow().stalled_ms(),
            running: Rc::clone(&self.running),
            ended: Rc::clone(&self.ended),
        }
    }

    /// Whether stalls explain that a probe with this `deadline` and `timeout` was still running at
    /// `now`; see [`StallDetector::excuses`].
    pub fn excuses(
        &self,
        probe: &RunningProbe,
        deadline: Instant,
        timeout: Duration,
        now: Instant,
    ) -> bool {
        // The stall may have ended before the next heartbeat.
        self.heartbeat(now);
        self.detector.borrow().excuses(probe.stalled_before_ms, self.millis(deadline), timeout)
    }

    fn heartbeat(&self, now: Instant) {
        self.detector.borrow_mut().heartbeat(self.millis(now));
    }

    fn millis(&self, at: Instant) -> i64 {
        let since = at.saturating_duration_since(self.origin);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}
