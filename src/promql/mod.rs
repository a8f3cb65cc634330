//! PromQL, the query language of Prometheus 3, over any source of series.
//!
//! [`parse`] reads a query and checks its types; [`instant`] and [`range`] evaluate it over a
//! [`Source`]. The module is pure: a source gives it samples, and a [`Meter`] counts what it holds
//! and says when it has to stop.
//!
//! Native histograms do not exist here: their functions give an empty vector.

mod annotations;
mod check;
mod duration;
mod error;
mod eval;
mod functions;
mod labels;
mod lexer;
mod limits;
mod number;
mod parser;
mod position;
mod range_window;
mod series;
mod source;
#[cfg(test)]
mod tests;
mod tree;
mod value_type;

pub use duration::parse_duration;
pub use error::{EvalError, ParseError};
pub use eval::{Answer, Options, Results, instant, range};
pub use labels::{Comparison, Labels, METRIC_NAME, Matcher, is_label_name};
pub use limits::{KeptSamples, MAX_QUERY_BYTES, MAX_SERIES, MAX_STEPS, Meter, SamplePool, Stop};
pub use number::format_value;
pub use parser::{Query, parse, parse_selector};
pub use series::{Point, STALE, Series, Steps, count_points, is_stale};
pub use source::{Fold, Folded, Notice, Selected, SelectedSeries, Selection, Source, Window};
