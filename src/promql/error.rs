//! Errors of parsing and of evaluating.

use thiserror::Error;

/// What is wrong with the text of a query, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{line}:{column}: parse error: {message}")]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvalError {
    /// The query cannot be evaluated over these series.
    #[error("{0}")]
    Execution(String),
    #[error(
        "query processing would load too many samples into memory, at most {0} over all queries"
    )]
    TooManySamples(usize),
    #[error("query timed out")]
    TimedOut,
    #[error("query was canceled")]
    Canceled,
    /// The source failed.
    #[error("{0}")]
    Source(String),
}

/// An [`EvalError::Execution`].
pub fn execution<T>(message: impl Into<String>) -> Result<T, EvalError> {
    Err(EvalError::Execution(message.into()))
}
