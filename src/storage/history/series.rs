//! Series: a window divided into buckets, and the sums of the ticks of each.

use std::ops::ControlFlow;

use crate::domain::{ServiceId, Stats, Window};
use crate::storage::error::StorageError;
use crate::storage::history::rollups;
use crate::storage::history::rows::{DAY_S, HOUR_S, Rollup};
use crate::storage::history::ticks;
use crate::storage::port::{Query, StoreRead, snapshot};

/// Adjacent buckets of equal length. Each starts at a multiple of its length since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Start of the first bucket, in unix milliseconds.
    pub from_ms: i64,
    /// Length of a bucket, in milliseconds; at least one.
    pub step_ms: i64,
    pub count: usize,
}

impl Grid {
    /// The buckets of that length that overlap `window`.
    pub fn over(window: Window, step_ms: i64) -> Self {
        let first = window.from_ms.div_euclid(step_ms);
        let last = (window.to_ms - 1).div_euclid(step_ms);
        let count = usize::try_from(last - first + 1).unwrap_or_default();
        Self { from_ms: first * step_ms, step_ms, count }
    }

    /// From the start of the first bucket to the end of the last.
    pub fn window(&self) -> Window {
        let to_ms = self.from_ms + self.step_ms * self.count as i64;
        Window { from_ms: self.from_ms, to_ms }
    }

    /// Index of the bucket that contains `at_ms`.
    fn nth(&self, at_ms: i64) -> Option<usize> {
        let nth = (at_ms - self.from_ms).div_euclid(self.step_ms);
        usize::try_from(nth).ok().filter(|nth| *nth < self.count)
    }

    /// Start of each bucket, in unix milliseconds.
    pub fn starts(self) -> impl Iterator<Item = i64> {
        let Self { from_ms, step_ms, count } = self;
        (0..count as i64).map(move |nth| from_ms + nth * step_ms)
    }

    /// Roll-ups for multiples of an hour or a day, ticks for shorter buckets.
    pub fn source(&self) -> Source {
        let is_multiple_of = |step_s: i32| self.step_ms % (i64::from(step_s) * 1_000) == 0;
        match () {
            () if is_multiple_of(DAY_S) => Source::Days,
            () if is_multiple_of(HOUR_S) => Source::Hours,
            () => Source::Ticks,
        }
    }
}

/// Where the numbers of a series come from. They are the same from each, until retention deletes
/// the ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Ticks,
    /// Hourly roll-ups, and the fresh ticks.
    Hours,
    /// Daily roll-ups, the hourly ones of days without one, and the fresh ticks.
    Days,
}

impl Source {
    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ticks => "ticks",
            Self::Hours => "hours",
            Self::Days => "days",
        }
    }
}

/// Query: the sums of the ticks of one living service, for each bucket of a grid.
#[derive(Debug, Clone, Copy)]
pub struct GetSeries {
    pub service_id: ServiceId,
    pub grid: Grid,
}

impl Query for GetSeries {
    type Answer = Vec<Stats>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Vec<Stats>, StorageError> {
        snapshot(rows, |rows| {
            rows.require_service(self.service_id)?;
            let (id, grid) = (self.service_id, self.grid);
            let mut buckets = vec![Stats::default(); grid.count];
            let rollups: Vec<Rollup> = match grid.source() {
                Source::Ticks => {
                    ticks::all_within(rows, id, grid.window(), |tick| {
                        if let Some(nth) = grid.nth(tick.at_ms) {
                            buckets[nth].add(&tick);
                        }
                    })?;
                    return Ok(buckets);
                }
                Source::Hours => rows.rollups(id, HOUR_S, grid.window())?,
                Source::Days => rollups::days_within(rows, id, grid.window())?,
            };
            for rollup in rollups {
                if let Some(nth) = grid.nth(rollup.bucket.start_s * 1_000) {
                    buckets[nth].merge(&rollups::stats(id, &rollup)?);
                }
            }
            rows.fresh_ticks(id, &mut |tick| {
                if let Some(nth) = grid.nth(tick.at_ms) {
                    buckets[nth].add(&tick);
                }
                ControlFlow::Continue(())
            })?;
            Ok(buckets)
        })
    }
}
