//! What a query reads.

use super::error::EvalError;
use super::labels::{Labels, Matcher};
use super::limits::Meter;
use super::series::{Point, Series, Steps};

/// Series to read: those that fulfil all matchers, with their samples in `(after_ms, to_ms]`.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    pub matchers: &'a [Matcher],
    pub after_ms: i64,
    pub to_ms: i64,
    /// For an instant vector, how long a sample holds. The source reads that much before
    /// `after_ms`, or more for a series whose samples hold longer. `None` for a range.
    pub lookback_ms: Option<i64>,
    /// For an instant vector, the moments at which the newest sample is wanted; a source may leave
    /// the others out.
    pub moments: Option<Steps>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SelectedSeries {
    pub labels: Labels,
    /// How long a sample of this series holds in an instant vector.
    pub lookback_ms: i64,
    /// Ascending by time; [`STALE`](super::series::STALE) ends the series.
    pub points: Vec<Point>,
}

/// A function over the window before each moment of a bare selector, which a source may answer
/// without its samples.
#[derive(Debug, Clone, Copy)]
pub struct Fold<'a> {
    pub function: &'a str,
    /// Of each moment; empty when the function has none.
    pub parameter: &'a [f64],
    pub matchers: &'a [Matcher],
    pub range_ms: i64,
    /// The moments, and the ends of their windows.
    pub windows: &'a [Window],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub at_ms: i64,
    pub end_ms: i64,
}

/// What a source answered, besides its series.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    Warning(String),
    Info(String),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selected {
    /// Sorted by labels.
    pub series: Vec<SelectedSeries>,
    pub notices: Vec<Notice>,
}

/// Series of [`Source::fold`], with a point at each moment that has a value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Folded {
    pub series: Vec<Series>,
    pub notices: Vec<Notice>,
}

pub trait Source {
    /// Holds what it reads in `meter`.
    fn select(&self, selection: &Selection<'_>, meter: &Meter<'_>) -> Result<Selected, EvalError>;

    /// `None` when the source has to be read sample by sample.
    fn fold(&self, _fold: &Fold<'_>, _meter: &Meter<'_>) -> Result<Option<Folded>, EvalError> {
        Ok(None)
    }
}
