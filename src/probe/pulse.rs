//! Whether this arbiter has been running all the time. A process that stood still (SIGSTOP, a paused container, a starved
//! machine) wakes up to deadlines that have passed, and must not blame its targets for them.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How often the pulse beats.
const BEAT: Duration = Duration::from_millis(100);

/// A gap longer than this between two beats is a standstill.
const STANDSTILL: Duration = Duration::from_millis(350);

/// The pulse of one arbiter; clones are the same pulse.
#[derive(Debug, Clone)]
pub struct Pulse(Rc<Beats>);

#[derive(Debug)]
struct Beats {
    last: Cell<Instant>,
    /// When the last standstill ended.
    stood_still_until: Cell<Option<Instant>>,
}

impl Pulse {
    /// Starts to beat, for as long as the arbiter runs.
    pub fn start() -> Self {
        let pulse = Self(Rc::new(Beats {
            last: Cell::new(Instant::now()),
            stood_still_until: Cell::default(),
        }));
        let beats = pulse.clone();
        actix_rt::spawn(async move {
            loop {
                beats.beat(Instant::now());
                actix_rt::time::sleep(BEAT).await;
            }
        });
        pulse
    }

    fn beat(&self, now: Instant) {
        if now.duration_since(self.0.last.replace(now)) > STANDSTILL {
            self.0.stood_still_until.set(Some(now));
        }
    }

    /// Whether there was a standstill between `then` and now. It may have ended before the pulse could beat again.
    pub fn stood_still_since(&self, then: Instant) -> bool {
        self.beat(Instant::now());
        self.0.stood_still_until.get().is_some_and(|until| until >= then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_between_beats_is_a_standstill_for_those_who_lived_through_it() {
        let start = Instant::now();
        let pulse =
            Pulse(Rc::new(Beats { last: Cell::new(start), stood_still_until: Cell::default() }));
        pulse.beat(start + Duration::from_millis(300));
        assert_eq!(pulse.0.stood_still_until.get(), None);
        let woken = start + Duration::from_secs(5);
        pulse.beat(woken);
        assert_eq!(pulse.0.stood_still_until.get(), Some(woken));
    }
}
