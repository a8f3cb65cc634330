//! [`AccessRead`] and [`AccessWrite`] on PostgreSQL.

use super::cold::access::{changes, rows};
use super::store::PostgresStore;
use crate::domain::access::{Session, Token};
use crate::domain::audit::AuditSource;
use crate::storage::access::port::{AccessRead, AccessWrite};
use crate::storage::access::{AccessApplied, AccessChange};
use crate::storage::port::Result;

impl AccessRead for PostgresStore {
    fn tokens(&mut self) -> Result<Vec<Token>> {
        self.run(rows::tokens)
    }

    fn sessions(&mut self) -> Result<Vec<Session>> {
        self.run(rows::sessions)
    }
}

impl AccessWrite for PostgresStore {
    fn change_access(
        &mut self,
        change: AccessChange,
        source: &AuditSource,
        now_ms: i64,
    ) -> Result<AccessApplied> {
        self.write(None, |store| changes::change(&mut store.connection, change, source, now_ms))
    }

    fn expire_access(&mut self, revoked_ms: i64, now_ms: i64, limit: u32) -> Result<bool> {
        self.write(None, |store| changes::expire(&mut store.connection, revoked_ms, now_ms, limit))
    }
}
