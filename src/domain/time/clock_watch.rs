//! Compares the wall clock with the monotonic clock: finds stalls of this process and steps of the
//! wall clock. Pure; both times are passed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::domain::time::stall::Stall;
use crate::domain::time::step_back::StepBack;

/// A greater difference between the clocks is a step. Twice the longest step that a common NTP
/// client smooths out instead (128 ms, `ntpd`); a reading of both clocks is exact to about 1 ms.
const TOLERANCE: Duration = Duration::from_millis(250);

/// How fast the wall clock may drift from the monotonic clock without a step: twice the limit of
/// 500 ppm at which `adjtime` slews. On Linux the slewing changes both clocks alike.
const SLEW_PPM: i64 = 1_000;

/// Steps forward that a later step back may undo: the newest ones, for this long.
const UNDO_MOST: usize = 16;
const UNDO_WITHIN: Duration = Duration::from_secs(24 * 3_600);

/// The same moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub instant: Instant,
    /// Unix milliseconds.
    pub wall_ms: i64,
}

impl From<(Instant, i64)> for Moment {
    fn from((instant, wall_ms): (Instant, i64)) -> Self {
        Self { instant, wall_ms }
    }
}

impl Moment {
    /// What the wall clock reads at `instant`, if it was not set since this moment.
    pub fn wall_ms_at(&self, instant: Instant) -> i64 {
        let since = instant.saturating_duration_since(self.instant);
        self.wall_ms.saturating_add(millis(since))
    }
}

/// Time that this process did not observe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unobserved {
    pub stall: Stall,
    /// How far the wall clock was set forward, in milliseconds: that time did not exist. A suspend
    /// looks the same, since the monotonic clock stops.
    pub forward_ms: i64,
}

/// What happened between two heartbeats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClockChange {
    /// In the order in which they are to be applied, and before `unobserved`. Several when the
    /// clock was set back by more than the last step forward.
    pub back: Vec<StepBack>,
    pub unobserved: Option<Unobserved>,
}

/// Compares the clocks at each heartbeat.
#[derive(Debug)]
pub struct ClockWatch {
    stall_after: Duration,
    last: Moment,
    /// How far the wall clock is ahead of the monotonic clock, in microseconds, beyond what was
    /// reported so far.
    ahead_us: i64,
    /// Newest last. Bound: [`UNDO_MOST`].
    forward: VecDeque<Forward>,
}

/// A step forward that may be undone.
#[derive(Debug, Clone, Copy)]
struct Forward {
    /// Unix milliseconds before the step.
    from_ms: i64,
    by_ms: i64,
    at: Instant,
}

impl ClockWatch {
    /// A longer time than `stall_after` between two heartbeats is a stall.
    pub fn new(stall_after: Duration, now: Moment) -> Self {
        Self { stall_after, last: now, ahead_us: 0, forward: VecDeque::new() }
    }

    /// Until `now` the process had not run since `stopped_at_ms`, in unix milliseconds. How much of
    /// that time exists is known once the clock is set back.
    pub fn started(&mut self, stopped_at_ms: i64) {
        self.push_forward(stopped_at_ms, self.last.wall_ms.saturating_sub(stopped_at_ms));
    }

    /// The newest heartbeat.
    pub fn last(&self) -> Moment {
        self.last
    }

    /// Records a heartbeat.
    pub fn heartbeat(&mut self, now: Moment) -> ClockChange {
        let before = std::mem::replace(&mut self.last, now);
        let elapsed = now.instant.saturating_duration_since(before.instant);
        let elapsed_us = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        let wall_us = now.wall_ms.saturating_sub(before.wall_ms).saturating_mul(1_000);
        let ahead_us = self.ahead_us.saturating_add(wall_us.saturating_sub(elapsed_us));
        let slew_us = elapsed_us / 1_000 * SLEW_PPM / 1_000;
        let beyond_slew_us = (ahead_us.saturating_abs() - slew_us).max(0);
        let stepped_ms = if beyond_slew_us > millis(TOLERANCE) * 1_000 {
            self.ahead_us = ahead_us % 1_000;
            ahead_us / 1_000
        } else {
            self.ahead_us = ahead_us.signum() * beyond_slew_us;
            0
        };
        let back = if stepped_ms < 0 { self.step_back(-stepped_ms) } else { Vec::new() };
        let forward_ms = stepped_ms.max(0);
        let is_stall = elapsed > self.stall_after;
        let from_ms = match is_stall {
            // In the new time.
            true => before.wall_ms.saturating_add(stepped_ms.min(0)).min(now.wall_ms),
            false => now.wall_ms.saturating_sub(forward_ms),
        };
        if forward_ms > 0 {
            self.push_forward(now.wall_ms.saturating_sub(forward_ms), forward_ms);
        }
        let stall = Stall { from_ms, to_ms: now.wall_ms };
        let unobserved = (is_stall || forward_ms > 0).then_some(Unobserved { stall, forward_ms });
        ClockChange { back, unobserved }
    }

    fn push_forward(&mut self, from_ms: i64, by_ms: i64) {
        if by_ms <= 0 {
            return;
        }
        if self.forward.len() == UNDO_MOST {
            self.forward.pop_front();
        }
        self.forward.push_back(Forward { from_ms, by_ms, at: self.last.instant });
    }

    /// Splits a step back by `by_ms` to the newest heartbeat: first the newest steps forward are
    /// undone, then the rest.
    fn step_back(&mut self, by_ms: i64) -> Vec<StepBack> {
        let now = self.last;
        let mut rest_ms = by_ms;
        let mut steps = Vec::new();
        while rest_ms > 0 {
            let Some(mut forward) = self.forward.pop_back() else { break };
            if now.instant.saturating_duration_since(forward.at) > UNDO_WITHIN {
                self.forward.clear();
                break;
            }
            // The clock, before this part of the step.
            let from_ms = now.wall_ms.saturating_add(rest_ms);
            let undone_ms = forward.by_ms.min(rest_ms);
            let to_ms = from_ms.saturating_sub(undone_ms);
            // Everything since that step is later than its end.
            let after_ms = forward.from_ms.saturating_add(forward.by_ms).saturating_sub(1);
            steps.push(StepBack { by_ms: undone_ms, to_ms, after_ms: after_ms.min(to_ms) });
            rest_ms -= undone_ms;
            forward.by_ms -= undone_ms;
            if forward.by_ms > 0 {
                self.forward.push_back(forward);
            }
        }
        if rest_ms > 0 {
            steps.push(StepBack { by_ms: rest_ms, to_ms: now.wall_ms, after_ms: now.wall_ms });
        }
        steps
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STALL_AFTER: Duration = Duration::from_secs(10);
    const START_MS: i64 = 1_700_000_000_000;

    /// A watch with its clocks, which tests advance.
    struct Clocks {
        watch: ClockWatch,
        instant: Instant,
        wall_ms: i64,
    }

    impl Clocks {
        fn new() -> Self {
            let instant = Instant::now();
            let now = Moment { instant, wall_ms: START_MS };
            Self { watch: ClockWatch::new(STALL_AFTER, now), instant, wall_ms: START_MS }
        }

        /// A heartbeat `monotonic_ms` later, after the wall clock was set by `step_ms`.
        fn heartbeat(&mut self, monotonic_ms: u64, step_ms: i64) -> ClockChange {
            self.instant += Duration::from_millis(monotonic_ms);
            self.wall_ms += monotonic_ms.cast_signed() + step_ms;
            self.watch.heartbeat(Moment { instant: self.instant, wall_ms: self.wall_ms })
        }

        fn unobserved(&self, from_ms: i64, forward_ms: i64) -> Option<Unobserved> {
            let stall = Stall { from_ms: START_MS + from_ms, to_ms: self.wall_ms };
            Some(Unobserved { stall, forward_ms })
        }
    }

    fn back(by_ms: i64, to_ms: i64, after_ms: i64) -> StepBack {
        StepBack { by_ms, to_ms: START_MS + to_ms, after_ms: START_MS + after_ms }
    }

    #[test]
    fn only_a_long_time_without_heartbeats_is_a_stall() {
        let mut clocks = Clocks::new();
        assert_eq!(clocks.heartbeat(10_000, 0), ClockChange::default(), "a busy machine");
        let change = clocks.heartbeat(60_000, 0);
        assert_eq!((change.unobserved, change.back), (clocks.unobserved(10_000, 0), vec![]));
    }

    #[test]
    fn a_step_of_any_size_that_matters_is_found() {
        for step_ms in [300, 1_000, 3_600_000, 40 * 365 * 86_400_000] {
            let mut clocks = Clocks::new();
            clocks.heartbeat(1_000, 0);
            let change = clocks.heartbeat(1_000, step_ms);
            assert_eq!(change.unobserved, clocks.unobserved(2_000, step_ms), "{step_ms}");
            assert_eq!(change.back, []);
            let change = Clocks::new().heartbeat(1_000, -step_ms);
            assert_eq!(change.back, [back(step_ms, 1_000 - step_ms, 1_000 - step_ms)]);
            assert_eq!(change.unobserved, None);
        }
    }

    #[test]
    fn slewing_is_no_step_and_small_steps_accumulate() {
        for direction in [1, -1] {
            let mut clocks = Clocks::new();
            for _ in 0..86_400 {
                // 500 ppm.
                assert_eq!(clocks.heartbeat(2_000, direction), ClockChange::default());
            }
            let mut found = 0;
            for _ in 0..100 {
                let change = clocks.heartbeat(1_000, direction * 50);
                found += change.back.iter().map(|step| step.by_ms).sum::<i64>();
                found += change.unobserved.map_or(0, |unobserved| unobserved.forward_ms);
            }
            assert!((4_500..=5_000).contains(&found), "{found} of 5,000 ms");
        }
    }

    #[test]
    fn a_stall_and_a_step_in_one_heartbeat_are_both_found() {
        let mut clocks = Clocks::new();
        let change = clocks.heartbeat(60_000, 3_600_000);
        assert_eq!(change.unobserved, clocks.unobserved(0, 3_600_000));
        let mut clocks = Clocks::new();
        let change = clocks.heartbeat(60_000, -3_600_000);
        assert_eq!(change.back, [back(3_600_000, -3_540_000, -3_540_000)]);
        assert_eq!(change.unobserved, clocks.unobserved(-3_600_000, 0));
    }

    #[test]
    fn a_step_back_undoes_the_newest_steps_forward_first() {
        let mut clocks = Clocks::new();
        clocks.heartbeat(1_000, 3_000);
        clocks.heartbeat(1_000, 5_000);
        // The wall clock: 0, 4, 10, and now 11 − 9 = 2.
        let change = clocks.heartbeat(1_000, -9_000);
        let expected =
            [back(5_000, 6_000, 6_000), back(3_000, 3_000, 3_000), back(1_000, 2_000, 2_000)];
        assert_eq!(change.back, expected);
        let mut clocks = Clocks::new();
        clocks.heartbeat(1_000, 3_000);
        clocks.heartbeat(9_000, 0);
        assert_eq!(clocks.heartbeat(1_000, -1_000).back, [back(1_000, 13_000, 3_999)], "a part");
        assert_eq!(clocks.heartbeat(1_000, -2_000).back, [back(2_000, 12_000, 2_999)], "the rest");
    }

    #[test]
    fn the_time_before_the_start_is_a_step_forward_that_may_be_undone() {
        let mut clocks = Clocks::new();
        clocks.watch.started(START_MS - 30_000);
        clocks.heartbeat(60_000, 0);
        let change = clocks.heartbeat(1_000, -20_000);
        assert_eq!(change.back, [back(20_000, 41_000, -1)]);
    }

    proptest! {
        /// The reported steps add up to those that were made, but for the tolerance.
        #[test]
        fn no_step_is_lost(
            steps in prop::collection::vec((0u64..9_000, -10_000i64..10_000), 1..60)
        ) {
            let mut clocks = Clocks::new();
            let (mut made, mut reported, mut slewed) = (0, 0, 0);
            for (after_ms, step_ms) in steps {
                let change = clocks.heartbeat(after_ms, step_ms);
                made += step_ms;
                slewed += after_ms.cast_signed() * SLEW_PPM / 1_000_000 + 1;
                reported -= change.back.iter().map(|step| step.by_ms).sum::<i64>();
                reported += change.unobserved.map_or(0, |unobserved| unobserved.forward_ms);
                prop_assert!((made - reported).abs() <= millis(TOLERANCE) + slewed);
                for step in &change.back {
                    prop_assert!(step.after_ms <= step.to_ms && step.by_ms > 0);
                }
                if let Some(last) = change.back.last() {
                    prop_assert_eq!(last.to_ms, clocks.wall_ms);
                }
            }
        }
    }
}
