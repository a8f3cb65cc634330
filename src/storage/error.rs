//! Errors of the store: [`OpenError`] ends the start, [`StorageError`] answers one read or write.

use std::fmt;
use std::path::PathBuf;

/// Why a read or a write failed. A failed write stored nothing, except for `Unavailable`: then
/// only reading the rows back can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageError {
    /// The store does not answer, or takes no writes now; a later attempt may succeed.
    Unavailable(String),
    /// A row holds an invalid value, which another program wrote. The text names the row.
    Unreadable(String),
    /// Too many requests are queued; a later attempt will succeed.
    Busy,
    /// There is no such living record.
    NotFound,
    /// The write contradicts the stored rows.
    Conflict(String),
    /// The request does not fit the stored rows; one text a problem.
    Invalid(Vec<String>),
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(reason) => write!(f, "the store is unavailable: {reason}"),
            Self::Unreadable(row) => write!(f, "a row of the store cannot be read: {row}"),
            Self::Busy => f.write_str("too many requests are queued for the store"),
            Self::NotFound => f.write_str("record not found"),
            Self::Conflict(problem) => f.write_str(problem),
            Self::Invalid(problems) => f.write_str(&problems.join("; ")),
        }
    }
}

impl std::error::Error for StorageError {}

/// Why the store could not be opened. The file is unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// Another process has the file open.
    InUse {
        file: PathBuf,
        /// What the lock file says about that process.
        holder: String,
    },
    /// The file is not a database of this program.
    Foreign {
        file: PathBuf,
        /// What the file is instead.
        found: String,
    },
    /// The file is a database of this program, and damaged.
    Damaged {
        file: PathBuf,
        /// The first damage that was found.
        found: String,
    },
    /// The file cannot be opened, read or migrated.
    Unusable { file: PathBuf, reason: String },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { file, holder } => {
                write!(f, "{} is in use by another service-healthcheck ({holder})", file.display())
            }
            Self::Foreign { file, found } => write!(
                f,
                "{} is {found}, not a database of service-healthcheck; the file is unchanged",
                file.display()
            ),
            Self::Damaged { file, found } => write!(
                f,
                "{} is damaged ({found}); the file is unchanged: replace it with a backup, or \
                 move it away to start with an empty database",
                file.display()
            ),
            Self::Unusable { file, reason } => {
                write!(f, "{} cannot be used: {reason}", file.display())
            }
        }
    }
}

impl std::error::Error for OpenError {}
