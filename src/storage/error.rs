//! Errors of the store: [`OpenError`] ends the start, [`StorageError`] answers one read or write,
//! [`StoreChange`] ends the process.

use std::path::PathBuf;

use crate::storage::postgres::start_error::StartError;

/// Why a read or a write failed. A failed write stored nothing, except for `Unavailable`: then
/// only reading the rows back can tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The store does not answer, or takes no writes now; a later attempt may succeed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A row holds an invalid value, which another program wrote. The text names the row.
    #[error("a row of the store cannot be read: {0}")]
    Unreadable(String),
    /// Too many requests are queued; a later attempt will succeed.
    #[error("too many requests are queued for the store")]
    Busy,
    /// There is no such living record.
    #[error("record not found")]
    NotFound,
    /// The write contradicts the stored rows.
    #[error("{0}")]
    Conflict(String),
    /// The request does not fit the stored rows; one text a problem.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
}

/// Why the store could not be opened. Its content is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process has the file open.
    #[error("{} is in use by another service-healthcheck ({holder})", file.display())]
    InUse {
        file: PathBuf,
        /// What the lock file says about that process.
        holder: String,
    },
    /// The file is not a database of this program.
    #[error(
        "{} is {found}, not a database of service-healthcheck; the file is unchanged",
        file.display()
    )]
    Foreign {
        file: PathBuf,
        /// What the file is instead.
        found: String,
    },
    /// The file is a database of this program, and damaged.
    #[error(
        "{} is damaged ({found}); the file is unchanged: replace it with a backup, or move it away \
         to start with an empty database",
        file.display()
    )]
    Damaged {
        file: PathBuf,
        /// The first damage that was found.
        found: String,
    },
    /// The file cannot be opened, read or migrated.
    #[error("{} cannot be used: {reason}", file.display())]
    Unusable { file: PathBuf, reason: String },
    /// The store in a database cannot be opened.
    #[error("{database}: {why}")]
    Database {
        /// The URL without its password.
        database: String,
        why: StartError,
    },
    /// A signal ended the start while it waited for the database.
    #[error("the start was ended by a signal")]
    Interrupted,
}

/// Why this process may not use its store any more. Nothing is written after it, and the process
/// must end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{summary}: {detail}")]
pub struct StoreChange {
    /// The kind of change, as a sentence.
    pub summary: &'static str,
    /// What exactly was found.
    pub detail: String,
}
