//! All functions: names, arguments, results, and what computes them.

use super::eval::{calendar, elementwise, over_time, rates, trend};
use super::range_window::RangeWindow;
use super::value_type::Type::{self, Matrix, Scalar, Text, Vector};

/// What computes a function.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    /// The value at a moment from the samples of one window.
    OverTime(fn(&RangeWindow<'_>) -> Option<f64>),
    /// Each value by itself.
    Map(fn(f64) -> f64),
    /// Each value by itself, as a time.
    Calendar(fn(&calendar::Civil) -> f64),
    Special(Special),
}

/// Functions with rules of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    Absent,
    AbsentOverTime,
    Clamp,
    ClampMax,
    ClampMin,
    End,
    /// Of native histograms, which do not exist here.
    NoHistograms,
    HistogramFraction,
    HistogramQuantile,
    LabelJoin,
    LabelReplace,
    Pi,
    Round,
    Scalar,
    Sort,
    SortByLabel,
    SortByLabelDesc,
    SortDesc,
    Start,
    Time,
    Timestamp,
    Vector,
}

#[derive(Debug, Clone, Copy)]
pub struct Function {
    pub name: &'static str,
    /// The last one may be absent or repeated, as `more` says.
    arguments: &'static [Type],
    more: More,
    pub result: Type,
    pub body: Body,
}

#[derive(Debug, Clone, Copy)]
enum More {
    /// All arguments once.
    No,
    /// The last one may be absent.
    Optional,
    /// The last one may be absent or repeated.
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arity {
    pub least: usize,
    pub most: Option<usize>,
}

impl Function {
    pub fn arity(&self) -> Arity {
        let count = self.arguments.len();
        match self.more {
            More::No => Arity { least: count, most: Some(count) },
            More::Optional => Arity { least: count - 1, most: Some(count) },
            More::Any => Arity { least: count - 1, most: None },
        }
    }

    /// The type of the argument `index`, from 0.
    pub fn argument(&self, index: usize) -> Type {
        self.arguments.get(index).or(self.arguments.last()).copied().unwrap_or(Scalar)
    }
}

/// The function with this name; names are case-sensitive.
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// Functions that Prometheus 3.14 has behind a feature flag, and that are refused.
pub const EXPERIMENTAL: [&str; 11] = [
    "histogram_quantiles",
    "info",
    "max_of",
    "min_of",
    "range",
    "start_timestamp",
    "step",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
];

const fn over_time(name: &'static str, body: fn(&RangeWindow<'_>) -> Option<f64>) -> Function {
    let body = Body::OverTime(body);
    Function { name, arguments: &[Matrix], more: More::No, result: Vector, body }
}

const fn map(name: &'static str, body: fn(f64) -> f64) -> Function {
    let body = Body::Map(body);
    Function { name, arguments: &[Vector], more: More::No, result: Vector, body }
}

const fn calendar(name: &'static str, body: fn(&calendar::Civil) -> f64) -> Function {
    let body = Body::Calendar(body);
    Function { name, arguments: &[Vector], more: More::Optional, result: Vector, body }
}

const fn histogram(name: &'static str) -> Function {
    special(name, &[Vector], Vector, Special::NoHistograms)
}

const fn special(
    name: &'static str,
    arguments: &'static [Type],
    result: Type,
    body: Special,
) -> Function {
    Function { name, arguments, more: More::No, result, body: Body::Special(body) }
}

const fn with_more(function: Function, more: More) -> Function {
    Function { more, ..function }
}

const fn with_arguments(function: Function, arguments: &'static [Type]) -> Function {
    Function { arguments, ..function }
}

pub const FUNCTIONS: &[Function] = &[
    map("abs", f64::abs),
    special("absent", &[Vector], Vector, Special::Absent),
    special("absent_over_time", &[Matrix], Vector, Special::AbsentOverTime),
    map("acos", f64::acos),
    map("acosh", f64::acosh),
    map("asin", f64::asin),
    map("asinh", f64::asinh),
    map("atan", f64::atan),
    map("atanh", f64::atanh),
    over_time("avg_over_time", over_time::avg),
    map("ceil", f64::ceil),
    over_time("changes", over_time::changes),
    special("clamp", &[Vector, Scalar, Scalar], Vector, Special::Clamp),
    special("clamp_max", &[Vector, Scalar], Vector, Special::ClampMax),
    special("clamp_min", &[Vector, Scalar], Vector, Special::ClampMin),
    map("cos", f64::cos),
    map("cosh", f64::cosh),
    over_time("count_over_time", over_time::count),
    calendar("day_of_month", calendar::day_of_month),
    calendar("day_of_week", calendar::day_of_week),
    calendar("day_of_year", calendar::day_of_year),
    calendar("days_in_month", calendar::days_in_month),
    map("deg", f64::to_degrees),
    over_time("delta", rates::delta),
    over_time("deriv", trend::deriv),
    with_arguments(
        over_time("double_exponential_smoothing", trend::double_exponential_smoothing),
        &[Matrix, Scalar, Scalar],
    ),
    special("end", &[], Scalar, Special::End),
    map("exp", f64::exp),
    over_time("first_over_time", over_time::first),
    map("floor", f64::floor),
    histogram("histogram_avg"),
    histogram("histogram_count"),
    special("histogram_fraction", &[Scalar, Scalar, Vector], Vector, Special::HistogramFraction),
    special("histogram_quantile", &[Scalar, Vector], Vector, Special::HistogramQuantile),
    histogram("histogram_stddev"),
    histogram("histogram_stdvar"),
    histogram("histogram_sum"),
    calendar("hour", calendar::hour),
    over_time("idelta", rates::idelta),
    over_time("increase", rates::increase),
    over_time("irate", rates::irate),
    with_more(
        special("label_join", &[Vector, Text, Text, Text], Vector, Special::LabelJoin),
        More::Any,
    ),
    special("label_replace", &[Vector, Text, Text, Text, Text], Vector, Special::LabelReplace),
    over_time("last_over_time", over_time::last),
    map("ln", f64::ln),
    map("log10", f64::log10),
    map("log2", f64::log2),
    over_time("mad_over_time", over_time::mad),
    over_time("max_over_time", over_time::max),
    over_time("min_over_time", over_time::min),
    calendar("minute", calendar::minute),
    calendar("month", calendar::month),
    special("pi", &[], Scalar, Special::Pi),
    with_arguments(over_time("predict_linear", trend::predict_linear), &[Matrix, Scalar]),
    over_time("present_over_time", over_time::present),
    with_arguments(over_time("quantile_over_time", over_time::quantile), &[Scalar, Matrix]),
    map("rad", f64::to_radians),
    over_time("rate", rates::rate),
    over_time("resets", over_time::resets),
    with_more(special("round", &[Vector, Scalar], Vector, Special::Round), More::Optional),
    special("scalar", &[Vector], Scalar, Special::Scalar),
    map("sgn", elementwise::sgn),
    map("sin", f64::sin),
    map("sinh", f64::sinh),
    special("sort", &[Vector], Vector, Special::Sort),
    with_more(special("sort_by_label", &[Vector, Text], Vector, Special::SortByLabel), More::Any),
    with_more(
        special("sort_by_label_desc", &[Vector, Text], Vector, Special::SortByLabelDesc),
        More::Any,
    ),
    special("sort_desc", &[Vector], Vector, Special::SortDesc),
    map("sqrt", f64::sqrt),
    special("start", &[], Scalar, Special::Start),
    over_time("stddev_over_time", over_time::stddev),
    over_time("stdvar_over_time", over_time::stdvar),
    over_time("sum_over_time", over_time::sum),
    map("tan", f64::tan),
    map("tanh", f64::tanh),
    special("time", &[], Scalar, Special::Time),
    special("timestamp", &[Vector], Vector, Special::Timestamp),
    special("vector", &[Scalar], Vector, Special::Vector),
    calendar("year", calendar::year),
];
