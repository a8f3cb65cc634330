//! Why the store in a database cannot be opened, in sentences.

use super::connect_error::ConnectError;
use super::takeover::Found;
use crate::storage::transfer::target_error::{TargetError, unfinished_move};

/// Why the store in a database could not be opened. What the database contains is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Its version.
    #[error("its server is PostgreSQL {0}, and PostgreSQL 14 or newer is needed")]
    OldServer(String),
    #[error(
        "its encoding is {0}, and UTF8 is needed; create it with ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding(String),
    #[error("no schema of its search_path exists")]
    NoSchema,
    /// One of the tables.
    #[error(
        "it belongs to another program (it has the table {0:?}) and is unchanged; use a database \
         of its own"
    )]
    Foreign(String),
    /// The schema with the store.
    #[error(
        "the store is in the schema {0:?}, and an empty schema comes before it in search_path; \
         set search_path for this user, or drop the empty schema"
    )]
    Hidden(String),
    /// A migration that this version of the program does not know.
    #[error("it was written by a newer version (migration {0})")]
    NewerStore(String),
    /// For a command that only reads.
    #[error("it was written by an older version; start this version on it once")]
    OlderStore,
    /// For a command that only reads.
    #[error("it has no store; a start creates one")]
    NoStore,
    /// A migration that a program must know to use the store.
    #[error("this version of the program is too old for it; update to one with migration {0}")]
    OldProgram(String),
    #[error(
        "it is in use by another service-healthcheck ({:?}, instance {}); one of the same \
         INSTANCE_NAME would take its place", .0.name, .0.id
    )]
    InUse(Found),
    /// For an instance that registers anew.
    #[error(
        "another instance of this INSTANCE_NAME has started meanwhile ({:?}, instance {}) and has \
         its place", .0.name, .0.id
    )]
    Replaced(Found),
    /// It cannot receive a move.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A move has not filled it yet: the name of its source.
    #[error("{}", unfinished_move(.0, "drop its schema"))]
    UnfinishedMove(String),
    /// For a command that needs it for itself.
    #[error("a service uses it ({:?}, instance {}); stop it first", .0.name, .0.id)]
    Used(Found),
    /// It cannot be moved.
    #[error("{0}")]
    LeftOver(String),
    #[error("its tables could not be migrated: {0}")]
    Migration(String),
    /// A statement failed.
    #[error("{0}")]
    Failed(String),
    /// The connection ended, or a statement failed for a reason that may pass.
    #[error("{0}")]
    Interrupted(String),
}

impl StartError {
    /// Whether a later attempt may succeed.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_temporary(),
            Self::Interrupted(_) => true,
            _ => false,
        }
    }
}

impl From<diesel::result::Error> for StartError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
