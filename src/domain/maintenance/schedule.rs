//! Schedule of maintenance or of quiet hours: when it begins and how long it lasts.

use std::iter;

use crate::domain::maintenance::recurrence::Recurrence;

/// Adjacent occurrences that are followed to the end of a time without gaps.
const JOINED: usize = 8;

/// When maintenance takes place, or when channels are quiet. Always opens, unless it is disabled.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    pub enabled: bool,
    pub timing: Timing,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Timing {
    Recurring(Recurrence),
    /// Unix milliseconds; `to_ms` is exclusive and after `from_ms`.
    Once {
        from_ms: i64,
        to_ms: i64,
    },
}

/// From `from_ms` up to but not including `to_ms`, in unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    pub from_ms: i64,
    pub to_ms: i64,
}

impl Schedule {
    /// Until when it is active, if it is at `at_ms`. Occurrences that overlap or follow each other
    /// without a gap are one, up to eight of them.
    pub fn active_until(&self, at_ms: i64) -> Option<i64> {
        if !self.enabled {
            return None;
        }
        match &self.timing {
            Timing::Once { from_ms, to_ms } => {
                (*from_ms..*to_ms).contains(&at_ms).then_some(*to_ms)
            }
            Timing::Recurring(recurrence) => {
                let end = |at_ms| Some(recurrence.active_start(at_ms)? + recurrence.duration_ms);
                iter::successors(end(at_ms), |until_ms| end(*until_ms)).take(JOINED).last()
            }
        }
    }

    /// The first start at or after `from_ms`; `None` when there is none.
    pub fn next_start(&self, from_ms: i64) -> Option<i64> {
        self.start_within(from_ms, i64::MAX)
    }

    /// The occurrences that overlap the time from `from_ms` to `to_ms`, by start. Those of a
    /// recurring schedule may overlap each other.
    pub fn occurrences(&self, from_ms: i64, to_ms: i64) -> impl Iterator<Item = Occurrence> {
        let longest_ms = match &self.timing {
            Timing::Recurring(recurrence) => recurrence.duration_ms,
            Timing::Once { from_ms, to_ms } => to_ms - from_ms,
        };
        let earliest_ms = from_ms.saturating_sub(longest_ms).saturating_add(1);
        self.starting(earliest_ms, to_ms)
    }

    /// The occurrences that start from `from_ms` on and before `to_ms`, by start.
    pub fn starting(&self, from_ms: i64, to_ms: i64) -> impl Iterator<Item = Occurrence> {
        let first = self.start_within(from_ms, to_ms);
        let starts =
            iter::successors(first, move |start_ms| self.start_within(start_ms + 1, to_ms));
        starts.map(|from_ms| Occurrence { from_ms, to_ms: self.end_of(from_ms) })
    }

    fn start_within(&self, from_ms: i64, to_ms: i64) -> Option<i64> {
        if !self.enabled {
            return None;
        }
        match &self.timing {
            Timing::Recurring(recurrence) => recurrence.first_start(from_ms, to_ms),
            Timing::Once { from_ms: start_ms, .. } => {
                (from_ms..to_ms).contains(start_ms).then_some(*start_ms)
            }
        }
    }

    fn end_of(&self, start_ms: i64) -> i64 {
        match &self.timing {
            Timing::Recurring(recurrence) => start_ms.saturating_add(recurrence.duration_ms),
            Timing::Once { to_ms, .. } => *to_ms,
        }
    }
}

/// Until when one of the schedules is active, if one is at `at_ms`.
pub fn is_quiet(schedules: &[Schedule], at_ms: i64) -> Option<i64> {
    schedules.iter().filter_map(|schedule| schedule.active_until(at_ms)).max()
}
