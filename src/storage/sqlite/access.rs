//! [`AccessRead`] and [`AccessWrite`].

use diesel::sqlite::SqliteConnection;

use super::cold::access::{changes, rows};
use crate::domain::access::{Session, Token};
use crate::domain::audit::AuditSource;
use crate::storage::access::port::{AccessRead, AccessWrite};
use crate::storage::access::{AccessApplied, AccessChange};
use crate::storage::port::Result;

impl AccessRead for SqliteConnection {
    fn tokens(&mut self) -> Result<Vec<Token>> {
        rows::tokens(self)
    }

    fn sessions(&mut self) -> Result<Vec<Session>> {
        rows::sessions(self)
    }
}

impl AccessWrite for SqliteConnection {
    fn change_access(
        &mut self,
        change: AccessChange,
        source: &AuditSource,
        now_ms: i64,
    ) -> Result<AccessApplied> {
        self.immediate_transaction(|connection| changes::change(connection, change, source, now_ms))
    }

    fn expire_access(&mut self, revoked_ms: i64, now_ms: i64, limit: u32) -> Result<bool> {
        self.immediate_transaction(|connection| {
            changes::expire(connection, revoked_ms, now_ms, limit)
        })
    }
}
