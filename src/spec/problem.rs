//! What can be wrong with a field.

use crate::domain::invalid::Invalid;
use crate::domain::service::target::Kind;

/// A field that was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {rejection}")]
pub struct Problem {
    /// Dotted path of the field, in the dialect that was read.
    pub path: String,
    /// What is wrong with it.
    pub rejection: Rejection,
}

/// Why a field was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("required")]
    Required,
    /// Required because of another field or of the scheme.
    #[error("required {0}")]
    RequiredWith(&'static str),
    /// A stored secret that the change may send elsewhere, by the fields that it names.
    #[error("required in clear, or null: a change of {0} may send the stored secret elsewhere")]
    RequiredAnew(String),
    /// A key of the services file that no field has.
    #[error("unknown key, expected one of {0}")]
    UnknownKey(String),
    /// A field of the API that does not exist or cannot be written.
    #[error("unknown or read-only field, expected one of {0}")]
    UnknownField(String),
    #[error("not supported by {0} targets")]
    Unsupported(Kind),
    /// A header whose name differs from an earlier one in case only.
    #[error("duplicate of {0:?}, header names are case-insensitive")]
    DuplicateHeader(String),
}
