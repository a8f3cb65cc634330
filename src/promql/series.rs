//! Samples and series.

use super::labels::Labels;

/// The value of a sample that ends its series: a NaN with these bits, as in Prometheus.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether `value` is [`STALE`].
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub at_ms: i64,
    pub value: f64,
}

/// The samples of one label set, ascending by time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    pub labels: Labels,
    /// Whether the metric name is removed at the end of the query: a later `label_replace`, or an
    /// aggregation by `__name__`, still has it.
    pub drops_name: bool,
    pub points: Vec<Point>,
}

impl Series {
    pub fn new(labels: Labels, points: Vec<Point>) -> Self {
        Self { labels, drops_name: false, points }
    }
}

/// All samples of `series`.
pub fn count_points(series: &[Series]) -> usize {
    series.iter().map(|one| one.points.len()).sum()
}

/// The moments at which an expression is evaluated: from `start_ms` to at most `end_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    pub start_ms: i64,
    pub end_ms: i64,
    /// Above 0.
    pub step_ms: i64,
}

impl Steps {
    pub fn instant(at_ms: i64) -> Self {
        Self { start_ms: at_ms, end_ms: at_ms, step_ms: 1 }
    }

    pub fn is_instant(&self) -> bool {
        self.start_ms == self.end_ms
    }

    pub fn count(&self) -> usize {
        if self.end_ms < self.start_ms {
            return 0;
        }
        usize::try_from((self.end_ms - self.start_ms) / self.step_ms + 1).unwrap_or(usize::MAX)
    }

    pub fn iter(self) -> impl Iterator<Item = i64> {
        (0..self.count() as i64).map(move |index| self.start_ms + index * self.step_ms)
    }

    /// The last moment; `start_ms` when there is none.
    pub fn last_ms(&self) -> i64 {
        self.start_ms + (self.count().max(1) as i64 - 1) * self.step_ms
    }

    /// The index of the step at `at_ms`, which is one.
    pub fn index(&self, at_ms: i64) -> usize {
        usize::try_from((at_ms - self.start_ms) / self.step_ms).unwrap_or(0)
    }
}
