//! Errors of diesel as errors of the port.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::storage::error::StorageError;
use crate::storage::transfer::target_error::TargetError;

impl From<DieselError> for StorageError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::NotFound => Self::NotFound,
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, violation) => {
                Self::Conflict(violation.message().to_owned())
            }
            // Rows that contradict each other: a second attempt would fail too.
            DieselError::DatabaseError(
                DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::CheckViolation
                | DatabaseErrorKind::NotNullViolation,
                violation,
            ) => Self::Conflict(violation.message().to_owned()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<DieselError> for TargetError {
    fn from(error: DieselError) -> Self {
        StorageError::from(error).into()
    }
}

impl From<StorageError> for TargetError {
    fn from(error: StorageError) -> Self {
        Self::Failed(error.to_string())
    }
}
