//! Starts that repeat in the local time of a zone, as instants.
//!
//! A start that does not exist, since the clocks are set forward over it, is moved by the length of
//! the gap; of a start that exists twice, the first counts. Durations are true time.

use crate::domain::maintenance::cron::Cron;
use crate::domain::maintenance::zone::{Segment, Zone};

/// Occurrences of one length.
#[derive(Debug, Clone, PartialEq)]
pub struct Recurrence {
    pub starts: Cron,
    pub zone: Zone,
    /// Positive.
    pub duration_ms: i64,
}

impl Recurrence {
    /// The first start at or after `from_ms` and before `to_ms`.
    pub fn first_start(&self, from_ms: i64, to_ms: i64) -> Option<i64> {
        let (mut from_s, to_s) = (whole_seconds(from_ms), whole_seconds(to_ms));
        while from_s < to_s {
            let segment = self.zone.segment(from_s);
            let end_s = segment.to_s.min(to_s);
            if let Some(start_s) = self.first_in_segment(from_s, end_s, segment) {
                return start_s.checked_mul(1_000);
            }
            // Beyond the years of the calendar, the same segment would come again.
            from_s = if segment.to_s > from_s { segment.to_s } else { to_s };
        }
        None
    }

    /// The last start at or before `at_ms` of an occurrence that lasts at `at_ms`.
    pub fn active_start(&self, at_ms: i64) -> Option<i64> {
        let after_at_ms = at_ms.saturating_add(1);
        let first = |from_ms| self.first_start(from_ms, after_at_ms);
        let mut found_ms = first(after_at_ms.saturating_sub(self.duration_ms))?;
        // Most have only one, or two.
        for _ in 0..2 {
            match first(found_ms + 1) {
                Some(later_ms) => found_ms = later_ms,
                None => return Some(found_ms),
            }
        }
        // A bisection: no start is at or after `none_from_ms`.
        let mut none_from_ms = after_at_ms;
        while none_from_ms - found_ms > 1_000 {
            let middle_ms = found_ms + (none_from_ms - found_ms) / 2;
            match first(middle_ms) {
                Some(later_ms) => found_ms = later_ms,
                None => none_from_ms = middle_ms,
            }
        }
        Some(found_ms)
    }

    fn first_in_segment(&self, from_s: i64, to_s: i64, segment: Segment) -> Option<i64> {
        let Segment { from_s: change_s, offset_s, offset_before_s, .. } = segment;
        // Local times before this one were in the previous segment already, or are skipped.
        let unrepeated_s = change_s.saturating_add(offset_before_s);
        let local_from_s = from_s.saturating_add(offset_s).max(unrepeated_s);
        let regular = self.starts.first_within(local_from_s, to_s.saturating_add(offset_s));
        let regular = regular.map(|local_s| local_s - offset_s);
        // In the first seconds after a gap are the starts that the gap moved.
        let moved_to_s = change_s.saturating_add(offset_s - offset_before_s).min(to_s);
        let moved = (from_s < moved_to_s).then(|| {
            let (from_s, to_s) = (from_s + offset_before_s, moved_to_s + offset_before_s);
            self.starts.first_within(from_s, to_s)
        });
        let moved = moved.flatten().map(|local_s| local_s - offset_before_s);
        regular.into_iter().chain(moved).min()
    }
}

/// Rounded up.
fn whole_seconds(ms: i64) -> i64 {
    ms.div_euclid(1_000) + i64::from(ms.rem_euclid(1_000) > 0)
}
