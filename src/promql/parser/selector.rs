//! The matchers of a selector.

use crate::promql::labels::{Comparison, METRIC_NAME, Matcher, is_label_name};
use crate::promql::lexer::TokenKind;

use super::stream::{Outcome, Stream};

/// The matchers in braces. A string alone is the metric name.
pub fn matchers(stream: &mut Stream<'_>) -> Outcome<Vec<Matcher>> {
    stream.expect_symbol("{")?;
    let mut matchers = Vec::new();
    while !stream.is_symbol("}") {
        let (name, is_quoted) = match stream.peek() {
            TokenKind::Identifier(name) if is_label_name(name) => (name.clone(), false),
            TokenKind::Text(name) if !name.is_empty() => (name.clone(), true),
            _ => return Err(stream.unexpected("label or \"}\"")),
        };
        stream.next();
        let is_name = is_quoted && (stream.is_symbol(",") || stream.is_symbol("}"));
        if is_name {
            matchers.push(Matcher::equal(METRIC_NAME, &name));
        } else {
            matchers.push(matcher(stream, name)?);
        }
        if !stream.accept_symbol(",") && !stream.is_symbol("}") {
            return Err(stream.unexpected("\",\" or \"}\""));
        }
    }
    stream.next();
    Ok(matchers)
}

fn matcher(stream: &mut Stream<'_>, name: String) -> Outcome<Matcher> {
    let operator = match stream.peek() {
        TokenKind::Symbol(operator @ ("=" | "!=" | "=~" | "!~")) => *operator,
        _ => return Err(stream.unexpected("label matching operator")),
    };
    stream.next();
    let TokenKind::Text(value) = stream.peek().clone() else {
        return Err(stream.unexpected("string"));
    };
    let matcher = match operator {
        "=" => Matcher::equal(&name, &value),
        "!=" => Matcher { name, value, comparison: Comparison::NotEqual },
        pattern => Matcher::pattern(&name, &value, pattern == "!~")
            .map_err(|error| stream.error_here(error))?,
    };
    stream.next();
    Ok(matcher)
}
