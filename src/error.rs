//! Why a command fails, and the exit code for it.
//!
//! Which error belongs where:
//!
//! - `domain::Invalid`: one value is invalid. The caller, who knows the field, adds its name.
//! - `config::ConfigError`: every mistake in settings, arguments or the services file. Exit code 2.
//! - `storage::OpenError`: a store cannot be opened. It ends the command. Exit code 1.
//! - `storage::StorageError`: one read or write failed. The API answers with a status for it; a
//!   command ends with exit code 1.
//! - `api::error`: an HTTP status and a JSON body. It never ends a command.
//! - [`Error`]: the end of a command. Only `commands`, `app` and `main` return it.

use std::process::ExitCode;

use crate::config::ConfigError;
use crate::services_file::FileError;
use crate::storage::{OpenError, StorageError, StoreChange};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Wrong use, or an invalid configuration or services file. Nothing was started or changed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Everything else that fails a command; the text is complete.
    #[error("{0}")]
    Failed(String),
    /// An actor that the service cannot do without ended.
    #[error("the {0} died")]
    ActorDied(&'static str),
    /// This process may not use its store any more.
    #[error(transparent)]
    StoreChanged(StoreChange),
    /// The store accepted no writes before the end of the grace period.
    #[error("the store accepted no writes before the end; {0} outcomes are lost")]
    OutcomesLost(i64),
}

impl Error {
    /// Exit codes of the contract, section "Command line": 1 failed, 2 wrong use or configuration.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Config(_) => 2,
            Self::Open(_)
            | Self::Storage(_)
            | Self::Failed(_)
            | Self::ActorDied(_)
            | Self::StoreChanged(_)
            | Self::OutcomesLost(_) => 1,
        })
    }

    /// [`Error::Failed`] with the text of `cause`.
    #[expect(clippy::needless_pass_by_value, reason = "`map_err` passes the error itself")]
    pub fn failed(cause: impl ToString) -> Self {
        Self::Failed(cause.to_string())
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Refused(problems) => Self::Config(ConfigError { problems }),
            FileError::Store(error) => Self::Storage(error),
        }
    }
}
