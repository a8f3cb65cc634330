//! The samples before one moment.

use super::series::Point;

/// The samples in `(start_ms, end_ms]`; at least one, none of them stale.
#[derive(Debug, Clone, Copy)]
pub struct RangeWindow<'a> {
    pub points: &'a [Point],
    pub start_ms: i64,
    pub end_ms: i64,
    /// The moment of the evaluation, which an offset does not move.
    pub at_ms: i64,
    /// The arguments besides the samples, in their order.
    pub parameters: [f64; 2],
}

impl RangeWindow<'_> {
    pub fn range_seconds(&self) -> f64 {
        (self.end_ms - self.start_ms) as f64 / 1000.0
    }

    pub fn values(&self) -> impl Iterator<Item = f64> {
        self.points.iter().map(|point| point.value)
    }
}
