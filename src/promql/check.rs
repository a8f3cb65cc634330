//! Types and arguments.

use super::functions::Arity;
use super::labels::METRIC_NAME;
use super::position::Span;
use super::tree::{Aggregate, Binary, Expr, Kind, Selector, Type};

/// What is wrong, and where.
#[derive(Debug, PartialEq)]
pub struct Fault {
    pub span: Span,
    pub message: String,
}

fn fault(span: Span, message: impl Into<String>) -> Result<(), Fault> {
    Err(Fault { span, message: message.into() })
}

/// Checks an expression and those in it, from the outside in.
pub fn check(expr: &Expr) -> Result<(), Fault> {
    match &expr.kind {
        Kind::Number(_) | Kind::Text(_) | Kind::Same(_) => {}
        Kind::Selector(selector) | Kind::Range { selector, .. } => {
            check_selector(selector, expr.span)?;
        }
        Kind::Subquery(subquery) => {
            let found = subquery.expr.value_type();
            if found != Type::Vector {
                let message =
                    format!("subquery is only allowed on instant vector, got {}", found.name());
                return fault(expr.span, message);
            }
        }
        Kind::Call { function, arguments } => {
            check_count(function.name, function.arity(), arguments.len(), expr.span)?;
            for (index, argument) in arguments.iter().enumerate() {
                let expected = function.argument(index);
                let context = || format!("call to function {:?}", function.name);
                expect(argument, expected, context)?;
            }
        }
        Kind::Aggregate(aggregate) => check_aggregate(aggregate)?,
        Kind::Binary(binary) => check_binary(binary)?,
        Kind::Negate(inner) => {
            let found = inner.value_type();
            if !matches!(found, Type::Scalar | Type::Vector) {
                return fault(
                    expr.span,
                    format!(
                        "unary expression only allowed on expressions of type scalar or instant \
                         vector, got {:?}",
                        found.name()
                    ),
                );
            }
        }
    }
    expr.kind.children().into_iter().try_for_each(check)
}

fn expect(expr: &Expr, expected: Type, context: impl Fn() -> String) -> Result<(), Fault> {
    let found = expr.value_type();
    if found == expected {
        return Ok(());
    }
    let message =
        format!("expected type {} in {}, got {}", expected.name(), context(), found.name());
    fault(expr.span, message)
}

fn check_selector(selector: &Selector, span: Span) -> Result<(), Fault> {
    let names = selector.matchers.iter().filter(|matcher| matcher.name == METRIC_NAME).count();
    if selector.has_name {
        if names > 1 {
            return fault(span, "metric name must not be set twice");
        }
        return Ok(());
    }
    if selector.matchers.iter().all(|matcher| matcher.matches("")) {
        return fault(span, "vector selector must contain at least one non-empty matcher");
    }
    Ok(())
}

fn check_count(name: &str, arity: Arity, count: usize, span: Span) -> Result<(), Fault> {
    let bound = match (arity.least, arity.most) {
        (least, Some(most)) if least == most && count != least => format!("{least}"),
        (least, _) if count < least => format!("at least {least}"),
        (_, Some(most)) if count > most => format!("at most {most}"),
        _ => return Ok(()),
    };
    fault(span, format!("expected {bound} argument(s) in call to {name:?}, got {count}"))
}

fn check_aggregate(aggregate: &Aggregate) -> Result<(), Fault> {
    expect(&aggregate.expr, Type::Vector, || "aggregation expression".to_owned())?;
    match (&aggregate.parameter, aggregate.aggregation.parameter()) {
        (Some(parameter), Some(expected)) => {
            expect(parameter, expected, || "aggregation parameter".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_binary(binary: &Binary) -> Result<(), Fault> {
    let operator = binary.operator;
    let place = binary.operator_span;
    let sides = [&binary.left, &binary.right];
    let types = sides.map(Expr::value_type);
    for (side, found) in sides.iter().zip(types) {
        if !matches!(found, Type::Scalar | Type::Vector) {
            return fault(
                side.span,
                "binary expression must contain only scalar and instant vector types",
            );
        }
    }
    let are_vectors = types == [Type::Vector; 2];
    let matching = &binary.matching;
    if binary.is_bool && !operator.is_comparison() {
        return fault(place, "bool modifier can only be used on comparison operators");
    }
    if types == [Type::Scalar; 2] && operator.is_comparison() && !binary.is_bool {
        return fault(place, "comparisons between scalars must use BOOL modifier");
    }
    if !are_vectors && operator.is_set() {
        return fault(place, "set operator not allowed in binary scalar expression");
    }
    if !are_vectors && (!matching.labels.is_empty() || matching.many.is_some()) {
        return fault(place, "vector matching only allowed between instant vectors");
    }
    if operator.is_set() && matching.many.is_some() {
        return fault(place, "no grouping allowed for set operations");
    }
    let shared = matching.labels.iter().find(|label| matching.included.contains(label));
    if let Some(label) = shared.filter(|_| matching.is_on) {
        return fault(
            place,
            format!("label {label:?} must not occur in ON and GROUP clause at once"),
        );
    }
    Ok(())
}
