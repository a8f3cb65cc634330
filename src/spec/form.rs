//! How secrets and variables are written.

use crate::domain::secret::url::Requests;

/// How secrets and variables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For the store: secrets in plain text, variables by name.
    Stored,
    /// For a change by a client of the API: every text as the client wrote it.
    Literal,
    /// For responses: secrets masked, and requests unless they are shown.
    Masked(Requests),
}
