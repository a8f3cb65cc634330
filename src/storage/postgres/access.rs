//! [`AccessRead`] and [`AccessWrite`] on PostgreSQL.

use super::cold::access::{changes, rows};
use super::living;
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
        // The time of a use is no definition.
        if matches!(change, AccessChange::NoteUses(_)) {
            return self.write(None, |store| {
                changes::change(&mut store.connection, change, source, now_ms)
            });
        }
        self.define_as_own(None, |store| {
            let applied = changes::change(&mut store.connection, change, source, now_ms)?;
            living::settings_changed(&mut store.connection)?;
            Ok(applied)
        })
    }

    fn expire_access(&mut self, revoked_ms: i64, now_ms: i64, limit: u32) -> Result<bool> {
        self.write(None, |store| changes::expire(&mut store.connection, revoked_ms, now_ms, limit))
    }
}
