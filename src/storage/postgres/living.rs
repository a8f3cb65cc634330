//! The number of living services, and of the changes of definitions.

use diesel::prelude::*;

use super::connection::StoreConnection;
use super::schema::{services, store};
use crate::domain::ServiceId;
use crate::storage::port::Result;

pub fn count(connection: &mut StoreConnection) -> Result<i64> {
    Ok(store::table.select(store::living).first(connection)?)
}

/// These definitions were changed, and so the number of living services by `by`. The row of `store`
/// is locked until the transaction ends, so that revisions are committed in their order.
pub fn changed(
    connection: &mut StoreConnection,
    ids: &[ServiceId],
    by: i64,
    now_ms: i64,
) -> Result<()> {
    let revision: i64 = diesel::update(store::table)
        .set((store::revision.eq(store::revision + 1), store::living.eq(store::living + by)))
        .returning(store::revision)
        .get_result(connection)?;
    let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    diesel::update(services::table.filter(services::id.eq_any(ids)))
        .set((services::revision.eq(revision), services::changed_ms.eq(now_ms)))
        .execute(connection)?;
    Ok(())
}

/// The newest revision. Nothing else changes it until the transaction of the caller ends.
pub fn lock_revision(connection: &mut StoreConnection) -> Result<i64> {
    Ok(store::table.select(store::revision).for_update().first(connection)?)
}

/// Definitions of other kinds than services were changed.
pub fn settings_changed(connection: &mut StoreConnection) -> Result<()> {
    diesel::update(store::table)
        .set(store::revision.eq(store::revision + 1))
        .execute(connection)?;
    Ok(())
}
