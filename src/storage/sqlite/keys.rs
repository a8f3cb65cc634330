//! The rows of a service, by the keys of their tables.

use diesel::prelude::*;

use super::cold::services::Condition;
use super::ids::IsListed;
use super::schema::{service_rollups, service_tick_chunks};
use crate::domain::ServiceId;
use crate::storage::history::rows::Bucket;

/// The services with these ids.
pub fn with_ids(ids: &[ServiceId]) -> Condition {
    Box::new(IsListed::new("services.id", ids))
}

/// The alerts of these services.
pub fn alerts_of(ids: &[ServiceId]) -> IsListed {
    IsListed::new("alerts.service_id", ids)
}

#[diesel::dsl::auto_type]
pub fn chunks_of(id: ServiceId) -> _ {
    let id: i64 = id.get();
    service_tick_chunks::table.filter(service_tick_chunks::service_id.eq(id))
}

#[diesel::dsl::auto_type]
pub fn rollups_of(id: ServiceId, step_s: i32) -> _ {
    let id: i64 = id.get();
    service_rollups::table
        .filter(service_rollups::service_id.eq(id))
        .filter(service_rollups::step_s.eq(step_s))
}

#[diesel::dsl::auto_type]
pub fn rollups_of_all(ids: Vec<i64>, step_s: i32) -> _ {
    service_rollups::table
        .filter(service_rollups::service_id.eq_any(ids))
        .filter(service_rollups::step_s.eq(step_s))
}

#[diesel::dsl::auto_type]
pub fn rollup_of(id: ServiceId, bucket: Bucket) -> _ {
    let (id, step_s, start_s): (i64, i32, i64) = (id.get(), bucket.step_s, bucket.start_s);
    service_rollups::table.find((id, step_s, start_s))
}

/// The rows of a table that belongs to services.
macro_rules! rows_of {
    ($table:ident) => {
        $table::table
    };
}
pub(super) use rows_of;
