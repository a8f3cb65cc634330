//! Why the head of an HTTP/1 response is refused.

use thiserror::Error;

use crate::domain::outcome::escape_control;

/// Most fields of one head.
pub const FIELDS_LIMIT: usize = 1_000;

/// Longest part of a bad line in an error, in characters.
const EXCERPT_CHARS: usize = 60;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeadError {
    #[error("invalid status line \"{0}\"")]
    StatusLine(String),
    #[error("the head contains a NUL character")]
    Nul,
    #[error("a header line without a colon: \"{0}\"")]
    NoColon(String),
    #[error("the first header line begins with a space")]
    NothingToContinue,
    #[error("more than {FIELDS_LIMIT} header lines")]
    TooManyFields,
    #[error("invalid content-length \"{0}\"")]
    Length(String),
    #[error("the values of content-length differ: \"{0}\"")]
    Lengths(String),
    #[error("unsupported transfer-encoding \"{0}\"")]
    Coding(String),
    #[error("the connection was closed before the head was complete")]
    Incomplete,
}

impl HeadError {
    /// `received` does not begin with a status line.
    pub fn status_line(received: &[u8]) -> Self {
        Self::StatusLine(excerpt(received))
    }

    /// `line` should be a field.
    pub fn no_colon(line: &[u8]) -> Self {
        Self::NoColon(excerpt(line))
    }
}

/// The start of the first line of `received`.
fn excerpt(received: &[u8]) -> String {
    let line = received.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line.trim_ascii_end());
    escape_control(line.chars().take(EXCERPT_CHARS).collect())
}
