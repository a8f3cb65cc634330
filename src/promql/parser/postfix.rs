//! Ranges, subqueries, `offset` and `@`.

use crate::promql::lexer::TokenKind;
use crate::promql::tree::{At, Expr, Kind, Shift, Subquery};

use super::stream::{Outcome, Stream};

/// Largest time of `@` and of a duration that is a number.
const MAX_SECONDS: f64 = 9e12;

const ARITHMETIC: &str = "arithmetic in durations is experimental and not supported";

/// What stands after an expression and belongs to it.
pub fn postfix(stream: &mut Stream<'_>, mut expr: Expr) -> Outcome<Expr> {
    loop {
        let start = expr.span;
        if stream.is_symbol("[") {
            expr = range(stream, expr)?;
        } else if stream.is_word("offset") {
            let place = stream.next().span;
            let offset_ms = signed_duration(stream)?;
            let shift = shift(stream, &mut expr, "offset")?;
            if shift.offset_ms.replace(offset_ms).is_some() {
                return Err(stream.error_at(place, "offset may not be set multiple times"));
            }
        } else if stream.is_symbol("@") {
            let place = stream.next().span;
            let at = moment(stream)?;
            let shift = shift(stream, &mut expr, "@")?;
            if shift.at.replace(at).is_some() {
                return Err(stream.error_at(place, "@ may not be set multiple times"));
            }
        } else if let Some(word) =
            ["anchored", "smoothed"].into_iter().find(|word| stream.is_word(word))
        {
            return Err(stream.error_here(format!("{word} is experimental and not supported")));
        } else {
            return Ok(expr);
        }
        expr.span.start = start.start;
        expr.span.end = stream.end_of_previous();
    }
}

/// `[5m]` makes a range of a selector, `[5m:1m]` a subquery of any expression.
fn range(stream: &mut Stream<'_>, expr: Expr) -> Outcome<Expr> {
    let place = stream.next().span;
    let range_ms = positive_duration(stream)?;
    if ["+", "-", "*", "/", "%", "^"].iter().any(|symbol| stream.is_symbol(symbol)) {
        return Err(stream.error_here(ARITHMETIC));
    }
    let span = expr.span;
    let kind = if stream.accept_symbol(":") {
        let step_ms = if stream.is_symbol("]") { None } else { Some(positive_duration(stream)?) };
        let shift = Shift::default();
        Kind::Subquery(Box::new(Subquery { expr, range_ms, step_ms, shift }))
    } else {
        let Kind::Selector(selector) = expr.kind else {
            return Err(stream.error_at(place, "ranges only allowed for vector selectors"));
        };
        if selector.shift.offset_ms.is_some() {
            return Err(stream.error_at(place, "no offset modifiers allowed before range"));
        }
        if selector.shift.at.is_some() {
            return Err(stream.error_at(place, "no @ modifiers allowed before range"));
        }
        Kind::Range { selector, range_ms }
    };
    stream.expect_symbol("]")?;
    stream.limited(Expr::new(kind, span))
}

fn shift<'e>(stream: &Stream<'_>, expr: &'e mut Expr, modifier: &str) -> Outcome<&'e mut Shift> {
    let span = expr.span;
    match &mut expr.kind {
        Kind::Selector(selector) | Kind::Range { selector, .. } => Ok(&mut selector.shift),
        Kind::Subquery(subquery) => Ok(&mut subquery.shift),
        _ => Err(stream.error_at(
            span,
            format!(
                "{modifier} modifier must be preceded by an instant vector selector or range \
                 vector selector or a subquery"
            ),
        )),
    }
}

/// A duration in milliseconds; a number is seconds.
fn duration(stream: &mut Stream<'_>) -> Outcome<i64> {
    let ms = match *stream.peek() {
        TokenKind::Duration(ms) => Some(ms),
        TokenKind::Number(seconds) => milliseconds(seconds),
        TokenKind::Symbol("(") => return Err(stream.error_here(ARITHMETIC)),
        _ => return Err(stream.unexpected("duration")),
    };
    let Some(ms) = ms else { return Err(stream.error_here("duration out of range")) };
    stream.next();
    Ok(ms)
}

fn positive_duration(stream: &mut Stream<'_>) -> Outcome<i64> {
    let place = stream.span();
    let ms = duration(stream)?;
    if ms <= 0 {
        return Err(stream.error_at(place, "duration must be greater than 0"));
    }
    Ok(ms)
}

fn signed_duration(stream: &mut Stream<'_>) -> Outcome<i64> {
    let is_negative = stream.accept_symbol("-");
    if !is_negative {
        stream.accept_symbol("+");
    }
    let ms = duration(stream)?;
    Ok(if is_negative { -ms } else { ms })
}

/// The time after `@`.
fn moment(stream: &mut Stream<'_>) -> Outcome<At> {
    for (word, at) in [("start", At::Start), ("end", At::End)] {
        if stream.accept_word(word) {
            stream.expect_symbol("(")?;
            stream.expect_symbol(")")?;
            return Ok(at);
        }
    }
    signed_duration(stream).map(At::Time)
}

fn milliseconds(seconds: f64) -> Option<i64> {
    (seconds.abs() <= MAX_SECONDS).then(|| (seconds * 1000.0).round() as i64)
}
