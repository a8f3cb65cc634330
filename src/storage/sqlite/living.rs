//! The number of living services, which triggers maintain.

use diesel::prelude::*;

use super::page_cache;
use super::schema::service_count;
use crate::domain::ServiceId;
use crate::storage::port::Result;

pub fn count(connection: &mut SqliteConnection) -> Result<i64> {
    Ok(service_count::table.select(service_count::living).first(connection)?)
}

/// Definitions were changed, and so the number of living services by `by`.
pub fn changed(
    connection: &mut SqliteConnection,
    _: &[ServiceId],
    by: i64,
    _now_ms: i64,
) -> Result<()> {
    if by != 0 {
        page_cache::fit(connection)?;
    }
    Ok(())
}
