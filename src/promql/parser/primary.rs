//! Numbers, strings, selectors, calls and aggregations.

use crate::promql::functions::{EXPERIMENTAL, function};
use crate::promql::labels::{METRIC_NAME, Matcher};
use crate::promql::lexer::TokenKind;
use crate::promql::number::parse_number;
use crate::promql::position::Span;
use crate::promql::tree::{
    AGGREGATIONS, Aggregate, Aggregation, Expr, Grouping, Kind, Selector, Shift,
};

use super::stream::{Outcome, Stream};
use super::{matching, selector};

/// Words that are no metric names at the beginning of an expression.
const RESERVED: [&str; 8] =
    ["on", "ignoring", "group_left", "group_right", "bool", "atan2", "inf", "nan"];

/// Aggregations that Prometheus has as experiments.
const EXPERIMENTAL_AGGREGATIONS: [&str; 2] = ["limitk", "limit_ratio"];

/// An expression without operators around it.
pub fn primary(stream: &mut Stream<'_>) -> Outcome<Expr> {
    let span = stream.span();
    let kind = match stream.peek().clone() {
        TokenKind::Number(number) => {
            stream.next();
            Kind::Number(number)
        }
        // A duration is its seconds.
        TokenKind::Duration(ms) => {
            stream.next();
            Kind::Number(ms as f64 / 1000.0)
        }
        TokenKind::Text(text) => {
            stream.next();
            Kind::Text(text)
        }
        TokenKind::Symbol("(") => {
            stream.next();
            let inner = stream.expression(0)?;
            stream.expect_symbol(")")?;
            Kind::Same(Box::new(inner))
        }
        TokenKind::Symbol("{") => selector_kind(stream, None)?,
        TokenKind::Identifier(word) => return word_expression(stream, &word, span),
        _ => return Err(stream.unexpected("expression")),
    };
    finish(stream, kind, span)
}

fn finish(stream: &Stream<'_>, kind: Kind, from: Span) -> Outcome<Expr> {
    let span = Span { start: from.start, end: stream.end_of_previous() };
    stream.limited(Expr::new(kind, span))
}

fn word_expression(stream: &mut Stream<'_>, word: &str, span: Span) -> Outcome<Expr> {
    let lower = word.to_ascii_lowercase();
    let is_followed_by = |symbol| stream.peek_second() == &TokenKind::Symbol(symbol);
    let is_grouped = matches!(stream.peek_second(), TokenKind::Identifier(next)
        if next.eq_ignore_ascii_case("by") || next.eq_ignore_ascii_case("without"));
    let is_aggregate = is_followed_by("(") || is_grouped;
    let aggregation = AGGREGATIONS.iter().find(|(name, _)| *name == lower);
    let kind = if let Some((name, aggregation)) = aggregation.filter(|_| is_aggregate) {
        stream.next();
        aggregate(stream, *aggregation, name)?
    } else if is_aggregate && EXPERIMENTAL_AGGREGATIONS.contains(&lower.as_str()) {
        return Err(stream.error_here(format!("{lower} is experimental and not supported")));
    } else if is_followed_by("(") && !RESERVED.contains(&lower.as_str()) {
        let Some(function) = function(word) else {
            return Err(stream.error_here(if EXPERIMENTAL.contains(&word) {
                format!("function {word:?} is experimental and not supported")
            } else {
                format!("unknown function with name {word:?}")
            }));
        };
        stream.next();
        Kind::Call { function, arguments: arguments(stream)? }
    } else if let Some(number) = parse_number(&lower).filter(|_| RESERVED.contains(&&*lower)) {
        stream.next();
        Kind::Number(number)
    } else if RESERVED.contains(&lower.as_str()) {
        return Err(stream.unexpected("expression"));
    } else {
        stream.next();
        selector_kind(stream, Some(word))?
    };
    finish(stream, kind, span)
}

fn selector_kind(stream: &mut Stream<'_>, name: Option<&str>) -> Outcome<Kind> {
    let mut matchers = if stream.is_symbol("{") { selector::matchers(stream)? } else { Vec::new() };
    if let Some(name) = name {
        matchers.push(Matcher::equal(METRIC_NAME, name));
    }
    let has_name = name.is_some();
    Ok(Kind::Selector(Selector { matchers, has_name, shift: Shift::default() }))
}

/// Expressions in parentheses, separated by commas.
fn arguments(stream: &mut Stream<'_>) -> Outcome<Vec<Expr>> {
    stream.expect_symbol("(")?;
    let mut arguments = Vec::new();
    while !stream.accept_symbol(")") {
        arguments.push(stream.expression(0)?);
        if stream.accept_symbol(",") {
            if stream.is_symbol(")") {
                return Err(stream.error_here("trailing commas not allowed in function call args"));
            }
        } else if !stream.is_symbol(")") {
            return Err(stream.unexpected("\",\" or \")\""));
        }
    }
    Ok(arguments)
}

fn aggregate(stream: &mut Stream<'_>, aggregation: Aggregation, name: &str) -> Outcome<Kind> {
    let before = matching::grouping(stream)?;
    let opening = stream.span();
    let mut arguments = arguments(stream)?;
    let grouping = match before {
        Some(grouping) => Some(grouping),
        None => matching::grouping(stream)?,
    };
    let expected = if aggregation.parameter().is_some() { 2 } else { 1 };
    let count = arguments.len();
    let expr = arguments.pop().filter(|_| count == expected).ok_or_else(|| {
        let message = format!(
            "wrong number of arguments for aggregate expression {name:?}, expected {expected}, \
             got {count}"
        );
        stream.error_at(opening, message)
    })?;
    let parameter = arguments.pop();
    let grouping = grouping.unwrap_or(Grouping::By(Vec::new()));
    Ok(Kind::Aggregate(Box::new(Aggregate { aggregation, parameter, expr, grouping })))
}
