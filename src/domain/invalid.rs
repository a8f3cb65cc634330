//! The one message for a value that cannot be used: `FIELD: invalid value V, expected E`.

use std::borrow::Cow;
use std::fmt;

/// Longest value that a message shows, in characters; a longer one is cut.
const SHOWN_CHARS: usize = 80;

/// A rejected value and what was expected instead.
///
/// Prints as `invalid value V, expected E`; [`Invalid::of`] adds the field, which only the caller
/// knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid value{}, expected {expected}", self.shown())]
pub struct Invalid {
    /// `None` for a value that may be a secret.
    value: Option<String>,
    /// Why the value cannot be used, where the expectation alone does not say it.
    reason: Option<String>,
    /// A noun phrase or a range.
    expected: Cow<'static, str>,
}

impl Invalid {
    /// `value` as the message shows it; `expected` is a noun phrase or a range.
    pub fn new(value: impl fmt::Display, expected: impl Into<Cow<'static, str>>) -> Self {
        let mut value = value.to_string();
        if let Some((end, _)) = value.char_indices().nth(SHOWN_CHARS) {
            value.truncate(end);
            value.push('…');
        }
        Self { value: Some(value), reason: None, expected: expected.into() }
    }

    /// As [`Invalid::new`], with `value` in quotes and its control characters escaped.
    pub fn quoted(value: impl fmt::Debug, expected: impl Into<Cow<'static, str>>) -> Self {
        Self::new(format_args!("{value:?}"), expected)
    }

    /// For a value that may be a secret: the message does not show it.
    pub fn hidden(expected: impl Into<Cow<'static, str>>) -> Self {
        Self { value: None, reason: None, expected: expected.into() }
    }

    /// Adds why the value cannot be used.
    pub fn because(self, reason: impl fmt::Display) -> Self {
        Self { reason: Some(reason.to_string()), ..self }
    }

    /// The whole message for `field`.
    pub fn of(&self, field: impl fmt::Display) -> String {
        format!("{field}: {self}")
    }

    /// The same expectation for the value as it was written.
    pub fn shown_as(self, written: impl fmt::Display) -> Self {
        Self { reason: self.reason, ..Self::new(written, self.expected) }
    }

    fn shown(&self) -> String {
        let value = self.value.iter().map(|value| format!(" {value}"));
        value.chain(self.reason.iter().map(|reason| format!(" ({reason})"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_field_value_reason_and_expectation() {
        let range = Invalid::new(0.01, "0.1 to 2592000");
        let message = range.of("interval_seconds");
        assert_eq!(message, "interval_seconds: invalid value 0.01, expected 0.1 to 2592000");
        let file = Invalid::quoted("a\nb", "a PEM file").because("no such file");
        assert_eq!(file.to_string(), r#"invalid value "a\nb" (no such file), expected a PEM file"#);
        assert_eq!(Invalid::hidden("a token").to_string(), "invalid value, expected a token");
        assert_eq!(
            range.shown_as("10ms").to_string(),
            "invalid value 10ms, expected 0.1 to 2592000"
        );
    }

    #[test]
    fn a_long_value_is_cut() {
        let message = Invalid::new("ü".repeat(81), "less").to_string();
        assert_eq!(message, format!("invalid value {}…, expected less", "ü".repeat(80)));
    }
}
