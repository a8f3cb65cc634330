//! Adding many services.

use diesel::sqlite::SqliteConnection;

use super::cold::definitions::insert;
use crate::domain::{Definition, Origin, ServiceId};
use crate::storage::port::Result;

/// The ids, in the order of the definitions. Part of the caller's transaction.
pub fn insert_all(
    connection: &mut SqliteConnection,
    definitions: &[Definition],
    origin: Origin,
    now_ms: i64,
) -> Result<Vec<ServiceId>> {
    definitions.iter().map(|added| insert(connection, added, origin, now_ms)).collect()
}
