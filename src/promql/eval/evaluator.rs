//! Evaluates an expression at the steps of a query.

use crate::promql::annotations::Annotations;
use crate::promql::error::{EvalError, execution};
use crate::promql::limits::Meter;
use crate::promql::position::{Span, line_and_column};
use crate::promql::series::{Series, Steps, count_points};
use crate::promql::source::{Notice, Source};
use crate::promql::tree::{At, Expr, Kind, Operator, Shift, Type};

/// What the whole query shares.
pub struct Context<'a> {
    pub source: &'a dyn Source,
    pub meter: &'a Meter<'a>,
    pub annotations: &'a Annotations,
    pub text: &'a str,
    /// Of the query, which a subquery does not move.
    pub start_ms: i64,
    pub end_ms: i64,
    pub lookback_ms: i64,
}

#[derive(Clone, Copy)]
pub struct Evaluator<'a> {
    pub context: &'a Context<'a>,
    pub steps: Steps,
}

pub enum Value {
    /// A value for each step.
    Scalar(Vec<f64>),
    /// Series with points at some of the steps.
    Vector(Vec<Series>),
    Text(String),
}

impl Value {
    fn count(&self) -> usize {
        match self {
            Self::Scalar(values) => values.len(),
            Self::Vector(series) => count_points(series),
            Self::Text(_) => 0,
        }
    }
}

type Outcome<T> = Result<T, EvalError>;

impl Evaluator<'_> {
    /// Afterwards, of all the samples that were held, those of the result still are.
    pub fn eval(&self, expr: &Expr) -> Outcome<Value> {
        let meter = self.context.meter;
        meter.check()?;
        let held = meter.held();
        let value = self.eval_kind(expr)?;
        meter.release_to(held);
        meter.hold(value.count())?;
        Ok(value)
    }

    fn eval_kind(&self, expr: &Expr) -> Outcome<Value> {
        match &expr.kind {
            Kind::Number(number) => Ok(self.constant(*number)),
            Kind::Text(text) => Ok(Value::Text(text.clone())),
            Kind::Selector(selector) => self.select_instant(selector).map(Value::Vector),
            Kind::Range { .. } | Kind::Subquery(_) => {
                execution("a range vector is only allowed as an argument of a function")
            }
            Kind::Call { function, arguments } => self.call(function, arguments, expr.span),
            Kind::Aggregate(aggregate) => self.aggregate(aggregate).map(Value::Vector),
            Kind::Binary(binary) => self.binary(binary),
            Kind::Negate(inner) => self.negate(inner),
            Kind::Same(inner) => self.eval(inner),
        }
    }

    /// The value `number` at each step.
    pub fn constant(&self, number: f64) -> Value {
        Value::Scalar(vec![number; self.steps.count()])
    }

    pub fn scalar(&self, expr: &Expr) -> Outcome<Vec<f64>> {
        match self.eval(expr)? {
            Value::Scalar(values) => Ok(values),
            _ => execution(format!("expected type scalar, got {}", expr.value_type().name())),
        }
    }

    pub fn vector(&self, expr: &Expr) -> Outcome<Vec<Series>> {
        match self.eval(expr)? {
            Value::Vector(series) => Ok(series),
            _ => execution(format!("expected an instant vector, got {}", expr.value_type().name())),
        }
    }

    fn negate(&self, inner: &Expr) -> Outcome<Value> {
        let mut value = self.eval(inner)?;
        match &mut value {
            Value::Scalar(values) => values.iter_mut().for_each(|value| *value = -*value),
            Value::Vector(series) => {
                for one in series {
                    one.drops_name = true;
                    one.points.iter_mut().for_each(|point| point.value = -point.value);
                }
            }
            Value::Text(_) => {}
        }
        Ok(value)
    }

    fn binary(&self, binary: &crate::promql::tree::Binary) -> Outcome<Value> {
        let types = (binary.left.value_type(), binary.right.value_type());
        if types == (Type::Vector, Type::Vector) {
            let left = self.vector(&binary.left)?;
            let right = self.vector(&binary.right)?;
            let series = match binary.operator {
                Operator::And | Operator::Or | Operator::Unless => {
                    self.combine_sets(binary, left, right)
                }
                _ => self.match_vectors(binary, &left, &right),
            };
            return series.map(Value::Vector);
        }
        self.with_scalar(binary)
    }

    /// The moment of the samples that an expression reads at the step `at_ms`.
    pub fn shifted(&self, shift: Shift, at_ms: i64) -> i64 {
        let at_ms = match shift.at {
            None => at_ms,
            Some(At::Time(time)) => time,
            Some(At::Start) => self.context.start_ms,
            Some(At::End) => self.context.end_ms,
        };
        at_ms.saturating_sub(shift.offset_ms.unwrap_or(0))
    }

    /// A warning about an expression, with its place.
    pub fn warn(&self, message: &str, span: Span) {
        self.context.annotations.warn(format!("PromQL warning: {message} {}", self.place(span)));
    }

    pub fn inform(&self, message: &str, span: Span) {
        self.context.annotations.inform(format!("PromQL info: {message} {}", self.place(span)));
    }

    pub fn note(&self, notices: Vec<Notice>) {
        for notice in notices {
            match notice {
                Notice::Warning(message) => self.context.annotations.warn(message),
                Notice::Info(message) => self.context.annotations.inform(message),
            }
        }
    }

    fn place(&self, span: Span) -> String {
        let (line, column) = line_and_column(self.context.text, span.start);
        format!("({line}:{column})")
    }
}
