//! The number of living services, and of the changes of services.

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
