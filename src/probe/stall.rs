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
    /// Time lost in standstills so far.
    lost: Cell<Duration>,
    /// The newest standstill: from the last beat before it to the first after it.
    newest: Cell<Option<(Instant, Instant)>>,
}

/// What the pulse had lost when a probe began.
#[derive(Debug, Clone, Copy)]
pub struct Mark(Duration);

impl Pulse {
    /// Starts to beat, for as long as the arbiter runs.
    pub fn start() -> Self {
        let pulse = Self::at(Instant::now());
        let beats = pulse.clone();
        actix_rt::spawn(async move {
            loop {
                beats.beat(Instant::now());
                actix_rt::time::sleep(BEAT).await;
            }
        });
        pulse
    }

    fn at(now: Instant) -> Self {
        Self(Rc::new(Beats {
            last: Cell::new(now),
            lost: Cell::default(),
            newest: Cell::default(),
        }))
    }

    fn beat(&self, now: Instant) {
        let before = self.0.last.replace(now);
        let gap = now.saturating_duration_since(before);
        if gap > STANDSTILL {
            self.0.lost.set(self.0.lost.get() + gap);
            self.0.newest.set(Some((before, now)));
        }
    }

    /// To be taken when a probe begins.
    pub fn mark(&self) -> Mark {
        Mark(self.0.lost.get())
    }

    /// Whether a probe that began at `mark` ran out of its `timeout` because we stood still: the deadline fell into a
    /// standstill, or standstills took half of the timeout. A shorter one is no excuse for a target that does not answer.
    pub fn excuses(&self, mark: Mark, deadline: Instant, timeout: Duration, now: Instant) -> bool {
        // A standstill may have ended before the pulse could beat again.
        self.beat(now);
        let slept_through =
            self.0.newest.get().is_some_and(|(from, until)| (from..=until).contains(&deadline));
        slept_through || (self.0.lost.get() - mark.0) * 2 >= timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Beats every 100 ms from `from` to `to`, in milliseconds after `start`.
    fn beats(pulse: &Pulse, start: Instant, from: u64, to: u64) {
        (from..to).step_by(100).for_each(|at| pulse.beat(start + ms(at)));
    }

    #[test]
    fn a_deadline_that_was_slept_through_is_ours() {
        let start = Instant::now();
        let pulse = Pulse::at(start);
        let mark = pulse.mark();
        beats(&pulse, start, 0, 1_800);
        let (deadline, woken) = (start + TIMEOUT, start + ms(2_300));
        assert!(pulse.excuses(mark, deadline, TIMEOUT, woken));
    }

    #[test]
    fn a_short_standstill_is_no_excuse_for_a_target_that_does_not_answer() {
        let start = Instant::now();
        let pulse = Pulse::at(start);
        let mark = pulse.mark();
        beats(&pulse, start, 0, 500);
        beats(&pulse, start, 900, 2_000);
        let deadline = start + TIMEOUT;
        assert!(!pulse.excuses(mark, deadline, TIMEOUT, deadline));
        assert!(pulse.excuses(mark, deadline, ms(900), deadline), "half of that timeout");
    }

    #[test]
    fn what_was_lost_before_the_probe_does_not_count() {
        let start = Instant::now();
        let pulse = Pulse::at(start);
        pulse.beat(start + ms(5_000));
        let mark = pulse.mark();
        beats(&pulse, start, 5_000, 7_000);
        let deadline = start + ms(7_000);
        assert!(!pulse.excuses(mark, deadline, TIMEOUT, deadline));
    }
}
