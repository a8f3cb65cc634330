//! `bool`, `on`, `ignoring`, `group_left`, `group_right`, and lists of labels.

use crate::promql::labels::is_label_name;
use crate::promql::lexer::TokenKind;
use crate::promql::tree::{Grouping, ManySide, Matching};

use super::stream::{Outcome, Stream};

/// Modifiers that Prometheus has as experiments.
const EXPERIMENTAL: [&str; 3] = ["fill", "fill_left", "fill_right"];

/// What may stand after a binary operator.
pub fn modifiers(stream: &mut Stream<'_>) -> Outcome<(bool, Matching)> {
    let is_bool = stream.accept_word("bool");
    let mut matching = Matching::default();
    if is_list_of("on", stream) || is_list_of("ignoring", stream) {
        matching.is_on = stream.is_word("on");
        stream.next();
        matching.labels = labels(stream)?;
        for (word, side) in [("group_left", ManySide::Left), ("group_right", ManySide::Right)] {
            if matching.many.is_none() && stream.accept_word(word) {
                matching.many = Some(side);
                if stream.is_symbol("(") {
                    matching.included = labels(stream)?;
                }
            }
        }
    }
    if let Some(word) = EXPERIMENTAL.iter().find(|word| is_list_of(word, stream)) {
        return Err(stream.error_here(format!("{word} is experimental and not supported")));
    }
    Ok((is_bool, matching))
}

/// `by (…)` or `without (…)`.
pub fn grouping(stream: &mut Stream<'_>) -> Outcome<Option<Grouping>> {
    if stream.accept_word("by") {
        return Ok(Some(Grouping::By(labels(stream)?)));
    }
    if stream.accept_word("without") {
        return Ok(Some(Grouping::Without(labels(stream)?)));
    }
    Ok(None)
}

fn is_list_of(word: &str, stream: &Stream<'_>) -> bool {
    stream.is_word(word) && stream.peek_second() == &TokenKind::Symbol("(")
}

/// Labels in parentheses, with a comma after the last one or without.
fn labels(stream: &mut Stream<'_>) -> Outcome<Vec<String>> {
    stream.expect_symbol("(")?;
    let mut labels = Vec::new();
    while !stream.is_symbol(")") {
        let label = match stream.peek() {
            TokenKind::Identifier(name) if is_label_name(name) => name.clone(),
            TokenKind::Text(name) if !name.is_empty() => name.clone(),
            _ => return Err(stream.unexpected("label")),
        };
        stream.next();
        labels.push(label);
        if !stream.accept_symbol(",") && !stream.is_symbol(")") {
            return Err(stream.unexpected("\",\" or \")\""));
        }
    }
    stream.next();
    Ok(labels)
}
