//! Primitives of access, part of the storage port.

use crate::domain::access::{Session, Token};
use crate::domain::audit::AuditSource;
use crate::storage::access::{AccessApplied, AccessChange};
use crate::storage::error::StorageError;

type Result<T> = std::result::Result<T, StorageError>;

/// Reads of tokens and sessions.
pub trait AccessRead {
    /// By id, with those that are revoked.
    fn tokens(&mut self) -> Result<Vec<Token>>;
    /// The sessions, also those that are over.
    fn sessions(&mut self) -> Result<Vec<Session>>;
}

/// Writes of tokens and sessions. Each method is one transaction.
pub trait AccessWrite: AccessRead {
    /// Errors: `NotFound` for a token that does not exist or is revoked, and for a session that
    /// does not exist; `Conflict` for a name that is taken, and for too many tokens.
    fn change_access(
        &mut self,
        change: AccessChange,
        source: &AuditSource,
        now_ms: i64,
    ) -> Result<AccessApplied>;
    /// Deletes at most `limit` tokens that were revoked before `revoked_ms`, and `limit` sessions
    /// that are over at `now_ms`. Whether there may be more.
    fn expire_access(&mut self, revoked_ms: i64, now_ms: i64, limit: u32) -> Result<bool>;
}
