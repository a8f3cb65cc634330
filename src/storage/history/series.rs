//! Series: a window cut into buckets, and what the ticks of each add up to.

use std::ops::ControlFlow;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::rollups;
use super::{fresh, must_live, ticks};
use crate::domain::ServiceId;
use crate::domain::Window;
use crate::domain::history::stats::Stats;
use crate::storage::StorageError;
use crate::storage::history::rollups::{DAY_S, HOUR_S};
use crate::storage::reader::Query;

/// Equal buckets, side by side. Each begins at a multiple of its length since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Start of the first.
    pub from_ms: i64,
    /// Length of each, in milliseconds; at least one.
    pub step_ms: i64,
    /// How many there are.
    pub count: usize,
}

impl Grid {
    /// The buckets of that length that touch `window`.
    pub fn over(window: Window, step_ms: i64) -> Self {
        let first = window.from_ms.div_euclid(step_ms);
        let last = (window.to_ms - 1).div_euclid(step_ms);
        let count = usize::try_from(last - first + 1).unwrap_or_default();
        Self { from_ms: first * step_ms, step_ms, count }
    }

    /// Everything the buckets hold.
    pub fn window(&self) -> Window {
        let to_ms = self.from_ms + self.step_ms * self.count as i64;
        Window { from_ms: self.from_ms, to_ms }
    }

    /// The bucket that holds `at_ms`.
    fn nth(&self, at_ms: i64) -> Option<usize> {
        let nth = (at_ms - self.from_ms).div_euclid(self.step_ms);
        usize::try_from(nth).ok().filter(|nth| *nth < self.count)
    }

    /// The start of each bucket.
    pub fn starts(self) -> impl Iterator<Item = i64> {
        let Self { from_ms, step_ms, count } = self;
        (0..count as i64).map(move |nth| from_ms + nth * step_ms)
    }

    /// Where its numbers come from: whole hours and days from the roll-ups, anything finer from the ticks.
    pub fn source(&self) -> Source {
        let is_multiple_of = |step_s: i32| self.step_ms % (i64::from(step_s) * 1_000) == 0;
        match () {
            () if is_multiple_of(DAY_S) => Source::Days,
            () if is_multiple_of(HOUR_S) => Source::Hours,
            () => Source::Ticks,
        }
    }
}

/// Where the numbers of a series come from. They are the same from each, as long as the ticks are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The ticks themselves.
    Ticks,
    /// Hourly roll-ups, and the ticks that are not rolled up yet.
    Hours,
    /// Daily ones.
    Days,
}

impl Source {
    /// The word for it in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ticks => "ticks",
            Self::Hours => "hours",
            Self::Days => "days",
        }
    }
}

/// What the ticks of one living service add up to in each bucket of a grid.
#[derive(Debug, Clone, Copy)]
pub struct GetSeries {
    /// Whose.
    pub service_id: ServiceId,
    /// Which buckets.
    pub grid: Grid,
}

impl Query for GetSeries {
    type Answer = Vec<Stats>;

    fn run(self, connection: &mut SqliteConnection) -> Result<Self::Answer, StorageError> {
        connection.transaction(|connection| {
            must_live(connection, self.service_id)?;
            let (id, grid) = (self.service_id, self.grid);
            let mut buckets = vec![Stats::default(); grid.count];
            let rows = match grid.source() {
                Source::Ticks => {
                    ticks::all_within(connection, id, grid.window(), |tick| {
                        if let Some(nth) = grid.nth(tick.at_ms) {
                            buckets[nth].add(&tick);
                        }
                    })?;
                    return Ok(buckets);
                }
                Source::Hours => rollups::within(connection, id, HOUR_S, grid.window())?,
                Source::Days => rollups::days_within(connection, id, grid.window())?,
            };
            for row in rows {
                if let Some(nth) = grid.nth(row.bucket().start_s * 1_000) {
                    buckets[nth].merge(&row.stats()?);
                }
            }
            fresh::newest_first(connection, id, |tick| {
                if let Some(nth) = grid.nth(tick.at_ms) {
                    buckets[nth].add(&tick);
                }
                ControlFlow::Continue(())
            })?;
            Ok(buckets)
        })
    }
}
