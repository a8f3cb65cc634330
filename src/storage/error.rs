//! What can go wrong in the store, told apart by what the caller can do about it.
//!
//! [`OpenError`] ends the start; [`StorageError`] answers one read or write.

use std::fmt;
use std::path::PathBuf;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// Why a read or a write was not done. After a write, nothing of it was kept, but for `Unavailable`: then the rows know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageError {
    /// The store does not answer or does not take writes now; trying again later may help.
    Unavailable(String),
    /// A row that somebody else has written holds no value of ours; the text says which.
    Unreadable(String),
    /// Too much waits for the store already; trying again soon will help.
    Busy,
    /// There is no such living record.
    NotFound,
    /// The write contradicts what is there; the text says what.
    Conflict(String),
    /// The write does not fit together with what is there; one text a field.
    Invalid(Vec<String>),
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "the store is unavailable: {why}"),
            Self::Unreadable(what) => write!(f, "a row of the store cannot be read: {what}"),
            Self::Busy => f.write_str("too many requests wait for the store"),
            Self::NotFound => f.write_str("record not found"),
            Self::Conflict(what) => f.write_str(what),
            Self::Invalid(problems) => f.write_str(&problems.join("; ")),
        }
    }
}

impl std::error::Error for StorageError {}

impl From<DieselError> for StorageError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::NotFound => Self::NotFound,
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, what) => {
                Self::Conflict(match what.message() {
                    message if message.contains("services.name") => {
                        "name: already taken by another service".to_owned()
                    }
                    message => message.to_owned(),
                })
            }
            // Rows that contradict each other; trying the same again cannot help.
            DieselError::DatabaseError(
                DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::CheckViolation
                | DatabaseErrorKind::NotNullViolation,
                what,
            ) => Self::Conflict(what.message().to_owned()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Why the store could not be opened. The file is left as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// Another process works on the file.
    InUse {
        /// The file.
        file: PathBuf,
        /// Who holds it, as far as it told.
        holder: String,
    },
    /// The file is not one of ours.
    Foreign {
        /// The file.
        file: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// The file is one of ours and damaged.
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found.
        what: String,
    },
    /// The file cannot be opened, read or brought up to date.
    Unusable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        why: String,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { file, holder } => {
                write!(f, "{} is in use by another service-healthcheck ({holder})", file.display())
            }
            Self::Foreign { file, what } => write!(
                f,
                "{} is {what}, not a database of service-healthcheck; it was left as it is",
                file.display()
            ),
            Self::Damaged { file, what } => write!(
                f,
                "{} is damaged ({what}); it was left as it is: put a backup in its place, or move it away to start anew",
                file.display()
            ),
            Self::Unusable { file, why } => write!(f, "{} cannot be used: {why}", file.display()),
        }
    }
}

impl std::error::Error for OpenError {}
