//! Runs a query, at one moment or at many.

use crate::promql::annotations::Annotations;
use crate::promql::error::{EvalError, execution};
use crate::promql::limits::Meter;
use crate::promql::parser::Query;
use crate::promql::series::{Point, Series, Steps};
use crate::promql::source::Source;
use crate::promql::tree::{Kind, Type};

use super::evaluator::{Context, Evaluator, Value};
use super::merge::drop_names;

#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long a sample holds in an instant vector.
    pub lookback_ms: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Results {
    Scalar(Point),
    Text {
        at_ms: i64,
        text: String,
    },
    /// One point a series.
    Vector(Vec<Series>),
    Matrix(Vec<Series>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub results: Results,
    pub warnings: Vec<String>,
    pub infos: Vec<String>,
}

/// The value of a query at one moment.
pub fn instant(
    query: &Query,
    at_ms: i64,
    options: Options,
    source: &dyn Source,
    meter: &Meter<'_>,
) -> Result<Answer, EvalError> {
    let annotations = Annotations::default();
    let steps = Steps::instant(at_ms);
    let context = context(query, steps, options, source, meter, &annotations);
    let evaluator = Evaluator { context: &context, steps };
    let results = if query.expr.value_type() == Type::Matrix {
        Results::Matrix(sorted(range_samples(&evaluator, query, at_ms)?))
    } else {
        match evaluator.eval(&query.expr)? {
            Value::Scalar(values) => {
                let value = values.first().copied().unwrap_or(f64::NAN);
                Results::Scalar(Point { at_ms, value })
            }
            Value::Text(text) => Results::Text { at_ms, text },
            Value::Vector(series) => Results::Vector(drop_names(series)?),
        }
    };
    Ok(Answer { results, warnings: annotations.warnings(), infos: annotations.infos() })
}

/// The values of a query at all steps.
pub fn range(
    query: &Query,
    steps: Steps,
    options: Options,
    source: &dyn Source,
    meter: &Meter<'_>,
) -> Result<Answer, EvalError> {
    let found = query.expr.value_type();
    if !matches!(found, Type::Scalar | Type::Vector) {
        return execution(format!(
            "invalid expression type {:?} for range query, must be Scalar or instant Vector",
            found.name()
        ));
    }
    let annotations = Annotations::default();
    let context = context(query, steps, options, source, meter, &annotations);
    let evaluator = Evaluator { context: &context, steps };
    let series = match evaluator.eval(&query.expr)? {
        Value::Vector(series) => drop_names(series)?,
        Value::Scalar(values) => {
            let points = steps.iter().zip(values).map(|(at_ms, value)| Point { at_ms, value });
            vec![Series { points: points.collect(), ..Series::default() }]
        }
        Value::Text(_) => Vec::new(),
    };
    let results = Results::Matrix(sorted(series));
    Ok(Answer { results, warnings: annotations.warnings(), infos: annotations.infos() })
}

fn context<'a>(
    query: &'a Query,
    steps: Steps,
    options: Options,
    source: &'a dyn Source,
    meter: &'a Meter<'a>,
    annotations: &'a Annotations,
) -> Context<'a> {
    Context {
        source,
        meter,
        annotations,
        text: &query.text,
        start_ms: steps.start_ms,
        end_ms: steps.end_ms,
        lookback_ms: options.lookback_ms,
    }
}

/// The samples of a range vector at the end of an instant query.
fn range_samples(
    evaluator: &Evaluator<'_>,
    query: &Query,
    at_ms: i64,
) -> Result<Vec<Series>, EvalError> {
    let input = evaluator.range_input(&query.expr)?;
    let end_ms = evaluator.shifted(input.shift, at_ms);
    let start_ms = end_ms.saturating_sub(input.range_ms);
    let mut series = input.series;
    for one in &mut series {
        one.points.retain(|point| point.at_ms > start_ms && point.at_ms <= end_ms);
    }
    series.retain(|one| !one.points.is_empty());
    if matches!(query.expr.inner().kind, Kind::Subquery(_)) {
        return drop_names(series);
    }
    Ok(series)
}

fn sorted(mut series: Vec<Series>) -> Vec<Series> {
    series.sort_by(|a, b| a.labels.cmp(&b.labels));
    series
}
