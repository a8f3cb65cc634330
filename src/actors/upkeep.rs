//! When ticks are sealed, and when what is too old goes: decisions of the recorder. Pure; time is passed in.

use std::time::{Duration, Instant};

use crate::domain::Retention;
use crate::storage::history::retention::Progress;
use crate::storage::ledger::Fresh;

/// Fresh ticks from which on they are sealed whatever their number a service: so many a service, but no fewer and no more than
/// these. To seal a service writes some pages, for few ticks as for many. But rows take some sixty bytes of the file each, and the
/// last transaction of a sealing, which gives their pages back, takes 20 ms for each million.
const FRESH_A_SERVICE: u64 = 16;
const FRESH_LEAST: u64 = 2 * 1024 * 1024;
const FRESH_MOST: u64 = 4 * 1024 * 1024;

/// Chunks' worth of fresh ticks of one service from which on all are sealed: a query follows a chain of them.
const RUN_LIMIT: u32 = 8;

/// Longest time a tick stays fresh, so that what is probed seldom grows old with the others.
const SEAL_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// Time until a sealing or a step that failed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Longest time from one round of retention to the next; with a short retention it is a part of that.
const ROUND_EVERY: Duration = Duration::from_secs(3_600);
const ROUNDS_A_RETENTION: u32 = 24;

/// From the start to the first round.
const FIRST_ROUND_AFTER: Duration = Duration::from_secs(60);

/// From one step to the next, and from one round to the next at least, so that outcomes get their turn.
pub const STEP_EVERY: Duration = Duration::from_millis(100);

/// What is kept how long, and in which portions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpkeepRules {
    /// `TICKS_PER_CHUNK`.
    pub chunk_ticks: u32,
    /// How long what is kept.
    pub retention: Retention,
}

/// What is done of the upkeep, and what is next.
#[derive(Debug)]
pub struct Upkeep {
    rules: UpkeepRules,
    fresh: Fresh,
    /// Whether a sealing is under way, and not only broken off.
    is_sealing: bool,
    /// When ticks were last sealed, or none was fresh.
    sealed_at: Instant,
    /// Nothing is sealed before this: the last try failed.
    seal_from: Instant,
    /// How far the round is; `Done` between rounds.
    progress: Progress,
    /// When the next step, or the next round, is due; `None` while a step is under way.
    step_at: Option<Instant>,
}

impl Upkeep {
    /// The upkeep of a store that is opened now.
    pub fn new(rules: UpkeepRules, now: Instant) -> Self {
        Self {
            rules,
            fresh: Fresh::default(),
            is_sealing: false,
            sealed_at: now,
            seal_from: now,
            progress: Progress::Done,
            step_at: Some(now + FIRST_ROUND_AFTER.min(round_every(rules.retention))),
        }
    }

    /// What it goes by.
    pub fn rules(&self) -> UpkeepRules {
        self.rules
    }

    /// So much is fresh now.
    pub fn note(&mut self, fresh: Fresh, now: Instant) {
        if fresh.ticks == 0 {
            self.sealed_at = now;
        }
        self.fresh = fresh;
    }

    /// Whether the fresh ticks should be sealed now: when they make a chunk for each of `services`, as a rule.
    pub fn wants_seal(&self, services: usize, now: Instant) -> bool {
        let Fresh { ticks, longest_run, is_sealing } = self.fresh;
        let services = services.max(1) as u64;
        let enough = u64::from(self.rules.chunk_ticks) * services;
        let limit = (FRESH_A_SERVICE * services).clamp(FRESH_LEAST, FRESH_MOST);
        // One that is under way in the store was broken off.
        let is_due = is_sealing
            || ticks >= enough.min(limit)
            || longest_run >= RUN_LIMIT * self.rules.chunk_ticks
            || (ticks > 0 && now >= self.sealed_at + SEAL_AFTER);
        is_due && !self.is_sealing && now >= self.seal_from
    }

    /// A sealing begins.
    pub fn seal_begins(&mut self) {
        self.is_sealing = true;
    }

    /// It has ended; when it went wrong, the next waits a while.
    pub fn seal_ended(&mut self, went_well: bool, now: Instant) {
        self.is_sealing = false;
        if went_well {
            self.sealed_at = now;
        } else {
            self.seal_from = now + RETRY_AFTER;
        }
    }

    /// The step of retention that is due now, if one is. No step while a sealing is under way: a slice knows of chunks that the
    /// step might take away.
    pub fn step_begins(&mut self, now: Instant) -> Option<Progress> {
        self.step_at.filter(|at| *at <= now && !self.is_sealing)?;
        self.step_at = None;
        if self.progress == Progress::Done {
            self.progress = Progress::default();
        }
        Some(self.progress)
    }

    /// Whether a step is under way.
    pub fn is_stepping(&self) -> bool {
        self.step_at.is_none()
    }

    /// It has come so far, or has failed and is tried again.
    pub fn step_ended(&mut self, progress: Option<Progress>, now: Instant) {
        let wait = match progress {
            Some(Progress::Done) => round_every(self.rules.retention),
            Some(_) => STEP_EVERY,
            None => RETRY_AFTER,
        };
        self.progress = progress.unwrap_or(self.progress);
        self.step_at = Some(now + wait);
    }
}

fn round_every(retention: Retention) -> Duration {
    let shortest = retention.ticks.min(retention.rollups);
    (shortest / ROUNDS_A_RETENTION).clamp(STEP_EVERY, ROUND_EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upkeep(now: Instant) -> Upkeep {
        let day = Duration::from_secs(86_400);
        let retention = Retention { ticks: 30 * day, rollups: 1_830 * day };
        Upkeep::new(UpkeepRules { chunk_ticks: 512, retention }, now)
    }

    fn fresh(ticks: u64, longest_run: u32) -> Fresh {
        Fresh { ticks, longest_run, is_sealing: false }
    }

    #[test]
    fn ticks_are_sealed_when_they_make_a_chunk_for_each_service() {
        let now = Instant::now();
        let mut upkeep = upkeep(now);
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
            upkeep.note(fresh(ticks, run), now);
            assert_eq!(upkeep.wants_seal(services, now), wanted, "{ticks} of {services}");
        }
    }

    #[test]
    fn a_sealing_that_was_broken_off_goes_on_at_once() {
        let now = Instant::now();
        let mut upkeep = upkeep(now);
        upkeep.note(Fresh { is_sealing: true, ..fresh(3, 1) }, now);
        assert!(upkeep.wants_seal(1_000, now));
    }

    #[test]
    fn a_lone_tick_is_sealed_after_a_day() {
        let now = Instant::now();
        let mut upkeep = upkeep(now);
        upkeep.note(fresh(1, 1), now);
        assert!(!upkeep.wants_seal(1, now + SEAL_AFTER / 2));
        assert!(upkeep.wants_seal(1, now + SEAL_AFTER));
    }

    #[test]
    fn a_sealing_that_failed_is_tried_again_a_minute_later() {
        let now = Instant::now();
        let mut upkeep = upkeep(now);
        upkeep.note(fresh(512, 512), now);
        upkeep.seal_begins();
        assert!(!upkeep.wants_seal(1, now), "one at a time");
        upkeep.seal_ended(false, now);
        assert!(!upkeep.wants_seal(1, now));
        assert!(upkeep.wants_seal(1, now + RETRY_AFTER));
    }

    #[test]
    fn a_round_goes_step_by_step_and_rests_for_an_hour() {
        let now = Instant::now();
        let mut upkeep = upkeep(now);
        assert_eq!(upkeep.step_begins(now), None);
        let first = now + FIRST_ROUND_AFTER;
        assert_eq!(upkeep.step_begins(first), Some(Progress::Ticks));
        assert_eq!(upkeep.step_begins(first), None, "one at a time");
        upkeep.step_ended(Some(Progress::BehindService(7)), first);
        assert_eq!(upkeep.step_begins(first), None);
        let second = first + STEP_EVERY;
        assert_eq!(upkeep.step_begins(second), Some(Progress::BehindService(7)));
        upkeep.step_ended(Some(Progress::Done), second);
        assert_eq!(upkeep.step_begins(second + ROUND_EVERY / 2), None);
        assert_eq!(upkeep.step_begins(second + ROUND_EVERY), Some(Progress::Ticks));
    }

    #[test]
    fn nothing_is_taken_away_while_a_slice_is_under_way() {
        let now = Instant::now();
        let mut upkeep = upkeep(now);
        upkeep.seal_begins();
        assert_eq!(upkeep.step_begins(now + FIRST_ROUND_AFTER), None);
        upkeep.seal_ended(true, now);
        assert!(upkeep.step_begins(now + FIRST_ROUND_AFTER).is_some());
    }
}
