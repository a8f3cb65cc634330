//! Errors of the configuration.

/// All problems of the configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("\n"))]
pub struct ConfigError {
    /// One message for each problem, with variable, value and valid values.
    pub problems: Vec<String>,
}
