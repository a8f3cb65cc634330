//! The number of living services, which triggers maintain.

use diesel::prelude::*;

use super::schema::service_count;
use crate::domain::ServiceId;
use crate::storage::port::Result;

pub fn count(connection: &mut SqliteConnection) -> Result<i64> {
    Ok(service_count::table.select(service_count::living).first(connection)?)
}

/// Definitions were changed, and so the number of living services by `_by`: nothing is left to do.
pub fn changed(_: &mut SqliteConnection, _: &[ServiceId], _by: i64, _now_ms: i64) -> Result<()> {
    Ok(())
}
