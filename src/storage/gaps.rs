//! What a start, or a process that stalled, does about the time in which nothing was observed.

use crate::domain::time::step_back::StepBack;
use crate::storage::port::Result;
use crate::storage::records::{Gap, Resumed, SetBack};

/// A liveness mark that is later than the start by at most this many milliseconds is no reason to
/// doubt how long the process did not run.
const AHEAD_MOST_MS: i64 = 1_000;

/// What the store says about the time before, in unix milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moments {
    /// The liveness mark; `None` before the first commit.
    pub mark_ms: Option<i64>,
    /// The latest of the mark, of all starts and ends of events, and of the newest ticks.
    pub newest_ms: Option<i64>,
}

/// A time that nothing observed, in unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unobserved {
    pub from_ms: i64,
    pub now_ms: i64,
    /// Events that began later stay as they are.
    pub until_ms: i64,
    /// The interval of services that set none; services that missed at most one interval keep
    /// their event. `None` when no service keeps its event.
    pub excused_ms: Option<i64>,
}

/// Primitives of a store within the transaction of the caller.
pub trait GapWrite {
    fn moments(&mut self) -> Result<Moments>;
    /// As [`StoreWrite::step_back`](crate::storage::StoreWrite::step_back).
    fn move_back(&mut self, step: &StepBack) -> Result<usize>;
    /// Ends open events at the start of `gap` or at their own start, whichever is later, and begins
    /// unknown or paused ones there. Moves the liveness mark to now. Returns the number of services
    /// with a new event.
    fn begin_unobserved(&mut self, gap: &Unobserved) -> Result<usize>;
}

/// What a start does, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Closing {
    steps: Vec<StepBack>,
    /// By how many milliseconds the store was ahead; `None` when it was not.
    ahead_ms: Option<i64>,
    stopped_at_ms: Option<i64>,
    gap: Option<Unobserved>,
}

impl Closing {
    /// A service that missed at most one interval keeps its event: the process did not run for at
    /// most its interval, and the last result is at most twice as old.
    ///
    /// If the liveness mark is later than the start, the clock was set back since then: everything
    /// moves by that much. Nothing tells for how long the process did not run, and no service keeps
    /// its event. Other moments in the future are cut.
    fn new(stored: Moments, now_ms: i64, default_interval_ms: i64) -> Self {
        let ahead = |at_ms: Option<i64>| at_ms.map_or(0, |at_ms| at_ms.saturating_sub(now_ms));
        let (ahead_ms, mark_ahead_ms) = (ahead(stored.newest_ms), ahead(stored.mark_ms));
        let mut steps = Vec::new();
        if mark_ahead_ms > 0 {
            steps.push(StepBack { by_ms: mark_ahead_ms, to_ms: now_ms, after_ms: now_ms });
        }
        if ahead_ms > 0 {
            steps.push(StepBack::cut(now_ms));
        }
        let stopped_at_ms = stored.mark_ms.map(|mark| mark.min(now_ms));
        let gap = stopped_at_ms.filter(|mark| ahead_ms > 0 || *mark < now_ms);
        let gap = gap.map(|from_ms| Unobserved {
            from_ms,
            now_ms,
            until_ms: i64::MAX,
            excused_ms: (mark_ahead_ms <= AHEAD_MOST_MS).then_some(default_interval_ms),
        });
        Self { steps, ahead_ms: (ahead_ms > 0).then_some(ahead_ms), stopped_at_ms, gap }
    }
}

/// Ends what was open when the last run ended, at the start of the next one.
pub fn close(store: &mut dyn GapWrite, now_ms: i64, default_interval_ms: i64) -> Result<Resumed> {
    let Closing { steps, ahead_ms, stopped_at_ms, gap } =
        Closing::new(store.moments()?, now_ms, default_interval_ms);
    let mut moved = 0;
    for step in &steps {
        moved = moved.max(store.move_back(step)?);
    }
    let set_back = ahead_ms.map(|by_ms| SetBack { by_ms, services: moved });
    let gap = gap.map_or(Ok(None), |gap| begin(store, &gap))?;
    Ok(Resumed { stopped_at_ms, gap, set_back })
}

/// A gap from `from_ms` to `now_ms`, for events that began at most a second after `from_ms`.
pub fn stall(store: &mut dyn GapWrite, from_ms: i64, now_ms: i64) -> Result<Option<Gap>> {
    let until_ms = from_ms.saturating_add(1_000);
    begin(store, &Unobserved { from_ms, now_ms, until_ms, excused_ms: None })
}

fn begin(store: &mut dyn GapWrite, gap: &Unobserved) -> Result<Option<Gap>> {
    let services = store.begin_unobserved(gap)?;
    Ok((services > 0).then_some(Gap { from_ms: gap.from_ms, services }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_000_000;
    const INTERVAL_MS: i64 = 15_000;

    fn closing(mark_ms: Option<i64>, newest_ms: Option<i64>) -> Closing {
        Closing::new(Moments { mark_ms, newest_ms }, NOW_MS, INTERVAL_MS)
    }

    fn gap(from_ms: i64, excused_ms: Option<i64>) -> Option<Unobserved> {
        Some(Unobserved { from_ms, now_ms: NOW_MS, until_ms: i64::MAX, excused_ms })
    }

    #[test]
    fn a_new_store_has_no_gap() {
        let nothing = Closing { steps: vec![], ahead_ms: None, stopped_at_ms: None, gap: None };
        assert_eq!(closing(None, None), nothing);
    }

    #[test]
    fn the_gap_begins_at_the_mark_and_excuses_services_that_missed_one_interval() {
        let closing = closing(Some(NOW_MS - 60_000), Some(NOW_MS - 60_000));
        assert_eq!(closing.gap, gap(NOW_MS - 60_000, Some(INTERVAL_MS)));
        assert_eq!((closing.steps.len(), closing.ahead_ms), (0, None));
        assert_eq!(self::closing(Some(NOW_MS), Some(NOW_MS)).gap, None, "no time has passed");
    }

    #[test]
    fn a_mark_in_the_future_is_a_clock_that_was_set_back() {
        for (ahead_ms, excused_ms) in
            [(1, Some(INTERVAL_MS)), (1_000, Some(INTERVAL_MS)), (1_001, None)]
        {
            let closing = closing(Some(NOW_MS + ahead_ms), Some(NOW_MS + ahead_ms));
            let step = StepBack { by_ms: ahead_ms, to_ms: NOW_MS, after_ms: NOW_MS };
            assert_eq!(closing.steps, [step, StepBack::cut(NOW_MS)]);
            assert_eq!(closing.gap, gap(NOW_MS, excused_ms), "{ahead_ms}");
            assert_eq!(closing.stopped_at_ms, Some(NOW_MS));
        }
    }

    #[test]
    fn an_event_in_the_future_is_cut() {
        let closing = closing(Some(NOW_MS - 1), Some(NOW_MS + 9));
        assert_eq!(closing.steps, [StepBack::cut(NOW_MS)]);
        assert_eq!(closing.ahead_ms, Some(9));
        assert_eq!(closing.gap, gap(NOW_MS - 1, Some(INTERVAL_MS)));
    }
}
