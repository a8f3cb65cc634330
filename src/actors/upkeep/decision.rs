//! When ticks are sealed and when retention deletes. Pure; time is passed in.

use std::time::{Duration, Instant};

use crate::domain::Retention;
use crate::storage::history::retention::Progress;
use crate::storage::ledger::Fresh;

/// Fresh ticks a service from which on they are sealed, with a lower and an upper limit of the
/// total. Sealing a service writes some pages, for few ticks as for many. But fresh ticks take some
/// sixty bytes of the file each, and the last transaction of a sealing, which frees their pages,
/// takes 20 ms for each million.
const FRESH_A_SERVICE: u64 = 16;
const FRESH_LEAST: u64 = 2 * 1024 * 1024;
const FRESH_MOST: u64 = 4 * 1024 * 1024;

/// Chunks' worth of fresh ticks of one service from which on all are sealed: a query follows a
/// chain of them.
const RUN_LIMIT: u32 = 8;

/// Longest time a tick stays fresh, so ticks of rarely probed services are sealed too.
const SEAL_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// Pause after a sealing or a retention step failed.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Longest interval between retention rounds; a short retention has a fraction of itself.
const ROUND_EVERY: Duration = Duration::from_secs(3_600);
const ROUNDS_A_RETENTION: u32 = 24;

/// From the start to the first round. Results of the first minute take more CPU than later ones,
/// since the entries of their services are read, so a large fleet has none to spare.
const FIRST_ROUND_AFTER: Duration = Duration::from_secs(90);

/// Interval between the steps of a round, and shortest interval between rounds, so that outcomes
/// are committed in between.
pub const STEP_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpkeepSettings {
    /// `TICKS_PER_CHUNK`.
    pub chunk_ticks: u32,
    pub retention: Retention,
}

/// Work that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Sealing,
    /// The next step of a round that has come to here.
    Retention(Progress),
}

/// Invariant: a sealing and a retention step are never under way together, since a slice refers to
/// chunks that the step might delete.
#[derive(Debug)]
pub struct UpkeepPlan {
    settings: UpkeepSettings,
    fresh: Fresh,
    /// A sealing is under way. One that was interrupted is in `fresh` alone.
    is_sealing: bool,
    /// When ticks were last sealed, or none was fresh.
    sealed_at: Instant,
    /// The earliest time of the next sealing, after a failed one.
    seal_from: Instant,
    /// How far the round has come; `Done` between rounds.
    progress: Progress,
    /// When the next step or round is due; `None` while a step is under way.
    step_at: Option<Instant>,
}

impl UpkeepPlan {
    /// The plan of a store that is opened at `now`.
    pub fn new(settings: UpkeepSettings, now: Instant) -> Self {
        Self {
            settings,
            fresh: Fresh::default(),
            is_sealing: false,
            sealed_at: now,
            seal_from: now,
            progress: Progress::Done,
            step_at: Some(now + FIRST_ROUND_AFTER.min(round_every(settings.retention))),
        }
    }

    /// Updates the number of fresh ticks.
    pub fn note(&mut self, fresh: Fresh, now: Instant) {
        if fresh.ticks == 0 {
            self.sealed_at = now;
        }
        self.fresh = fresh;
    }

    /// Whether [`Self::begin`] would begin work.
    pub fn is_due(&self, services: usize, now: Instant) -> bool {
        self.is_step_due(now) || (self.step_at.is_some() && self.wants_seal(services, now))
    }

    /// Begins the work that is due, for so many watched services.
    pub fn begin(&mut self, services: usize, now: Instant) -> Option<Work> {
        if let Some(progress) = self.step_begins(now) {
            return Some(Work::Retention(progress));
        }
        self.is_due(services, now).then(|| {
            self.seal_begins();
            Work::Sealing
        })
    }

    /// Whether the fresh ticks are to be sealed: when they make a chunk for each of `services`, as
    /// a rule.
    pub fn wants_seal(&self, services: usize, now: Instant) -> bool {
        let Fresh { ticks, longest_run, is_sealing } = self.fresh;
        let services = services.max(1) as u64;
        let enough = u64::from(self.settings.chunk_ticks) * services;
        let limit = (FRESH_A_SERVICE * services).clamp(FRESH_LEAST, FRESH_MOST);
        // A sealing that the store says is under way, but this process did not begin, was
        // interrupted.
        let is_due = is_sealing
            || ticks >= enough.min(limit)
            || longest_run >= RUN_LIMIT * self.settings.chunk_ticks
            || (ticks > 0 && now >= self.sealed_at + SEAL_AFTER);
        is_due && !self.is_sealing && now >= self.seal_from
    }

    fn seal_begins(&mut self) {
        self.is_sealing = true;
    }

    pub fn seal_ended(&mut self, succeeded: bool, now: Instant) {
        self.is_sealing = false;
        if succeeded {
            self.sealed_at = now;
        } else {
            self.seal_from = now + RETRY_AFTER;
        }
    }

    fn is_step_due(&self, now: Instant) -> bool {
        !self.is_sealing && self.step_at.is_some_and(|at| at <= now)
    }

    fn step_begins(&mut self, now: Instant) -> Option<Progress> {
        if !self.is_step_due(now) {
            return None;
        }
        self.step_at = None;
        if self.progress == Progress::Done {
            self.progress = Progress::default();
        }
        Some(self.progress)
    }

    /// A step has come to `progress`, or has failed and is retried.
    pub fn step_ended(&mut self, progress: Option<Progress>, now: Instant) {
        let wait = match progress {
            Some(Progress::Done) => round_every(self.settings.retention),
            Some(_) => STEP_EVERY,
            None => RETRY_AFTER,
        };
        self.progress = progress.unwrap_or(self.progress);
        self.step_at = Some(now + wait);
    }
}

fn round_every(retention: Retention) -> Duration {
    let shortest = retention.ticks.min(retention.rollups).min(retention.deliveries);
    (shortest / ROUNDS_A_RETENTION).clamp(STEP_EVERY, ROUND_EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(now: Instant) -> UpkeepPlan {
        let day = Duration::from_secs(86_400);
        let retention = Retention { ticks: 30 * day, rollups: 1_830 * day, deliveries: 30 * day };
        UpkeepPlan::new(UpkeepSettings { chunk_ticks: 512, retention }, now)
    }

    fn fresh(ticks: u64, longest_run: u32) -> Fresh {
        Fresh { ticks, longest_run, is_sealing: false }
    }

    #[test]
    fn ticks_are_sealed_when_they_make_a_chunk_for_each_service() {
        let now = Instant::now();
        let mut plan = plan(now);
        for (ticks, run, services, wanted) in [
            (511, 511, 1, false),
            (512, 512, 1, true),
            (5_000, 500, 10, false),
            (5_120, 512, 10, true),
            (9_000, 4_096, 1_000, true),
            (FRESH_LEAST - 1, 20, 100_000, false),
            (FRESH_LEAST, 20, 100_000, true),
            (16 * 200_000 - 1, 16, 200_000, false),
            (16 * 200_000, 16, 200_000, true),
            (FRESH_MOST - 1, 8, 500_000, false),
            (FRESH_MOST, 8, 500_000, true),
        ] {
            plan.note(fresh(ticks, run), now);
            assert_eq!(plan.wants_seal(services, now), wanted, "{ticks} of {services}");
        }
    }

    #[test]
    fn an_interrupted_sealing_is_resumed_at_once() {
        let now = Instant::now();
        let mut plan = plan(now);
        plan.note(Fresh { is_sealing: true, ..fresh(3, 1) }, now);
        assert!(plan.wants_seal(1_000, now));
    }

    #[test]
    fn a_single_tick_is_sealed_after_a_day() {
        let now = Instant::now();
        let mut plan = plan(now);
        plan.note(fresh(1, 1), now);
        assert!(!plan.wants_seal(1, now + SEAL_AFTER / 2));
        assert!(plan.wants_seal(1, now + SEAL_AFTER));
    }

    #[test]
    fn a_failed_sealing_is_retried_after_a_minute() {
        let now = Instant::now();
        let mut plan = plan(now);
        plan.note(fresh(512, 512), now);
        plan.seal_begins();
        assert!(!plan.wants_seal(1, now), "one at a time");
        plan.seal_ended(false, now);
        assert!(!plan.wants_seal(1, now));
        assert!(plan.wants_seal(1, now + RETRY_AFTER));
    }

    #[test]
    fn a_round_is_done_in_steps_and_the_next_begins_an_hour_later() {
        let now = Instant::now();
        let mut plan = plan(now);
        assert_eq!(plan.step_begins(now), None);
        let first = now + FIRST_ROUND_AFTER;
        assert_eq!(plan.step_begins(first), Some(Progress::Ticks));
        assert_eq!(plan.step_begins(first), None, "one at a time");
        plan.step_ended(Some(Progress::AfterService(7)), first);
        assert_eq!(plan.step_begins(first), None);
        let second = first + STEP_EVERY;
        assert_eq!(plan.step_begins(second), Some(Progress::AfterService(7)));
        plan.step_ended(Some(Progress::Done), second);
        assert_eq!(plan.step_begins(second + ROUND_EVERY / 2), None);
        assert_eq!(plan.step_begins(second + ROUND_EVERY), Some(Progress::Ticks));
    }

    #[test]
    fn retention_deletes_nothing_while_a_sealing_is_under_way() {
        let now = Instant::now();
        let mut plan = plan(now);
        plan.seal_begins();
        assert_eq!(plan.step_begins(now + FIRST_ROUND_AFTER), None);
        plan.seal_ended(true, now);
        assert!(plan.step_begins(now + FIRST_ROUND_AFTER).is_some());
    }

    #[test]
    fn sealing_and_retention_alternate() {
        let now = Instant::now();
        let mut plan = plan(now);
        plan.note(fresh(512, 512), now);
        let first = now + FIRST_ROUND_AFTER;
        assert_eq!(plan.begin(1, first), Some(Work::Retention(Progress::Ticks)));
        assert!(!plan.is_due(1, first) && plan.begin(1, first).is_none(), "a step is under way");
        plan.step_ended(Some(Progress::Done), first);
        assert_eq!(plan.begin(1, first), Some(Work::Sealing));
        let second = first + ROUND_EVERY;
        assert!(!plan.is_due(1, second) && plan.begin(1, second).is_none(), "a sealing is");
        plan.seal_ended(true, second);
        assert_eq!(plan.begin(1, second), Some(Work::Retention(Progress::Ticks)));
    }
}
