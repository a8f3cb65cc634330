//! The rows of a service, by the keys of their tables.

use diesel::prelude::*;

use super::REGION;
use super::cold::services::Condition;
use super::schema::{alerts, service_rollups, service_tick_chunks, services};
use crate::domain::ServiceId;

/// The services with these ids.
pub fn with_ids(ids: &[ServiceId]) -> Condition {
    let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    Box::new(services::id.eq_any(ids).nullable())
}

/// The alerts of these services.
pub fn alerts_of(ids: &[ServiceId]) -> diesel::dsl::EqAny<alerts::service_id, Vec<i64>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    alerts::service_id.eq_any(ids)
}

#[diesel::dsl::auto_type]
pub fn chunks_of(id: ServiceId) -> _ {
    let (id, region_id): (i64, i16) = (id.get(), REGION);
    service_tick_chunks::table
        .filter(service_tick_chunks::service_id.eq(id))
        .filter(service_tick_chunks::region_id.eq(region_id))
}

#[diesel::dsl::auto_type]
pub fn rollups_of(id: ServiceId, step_s: i32) -> _ {
    let (id, region_id): (i64, i16) = (id.get(), REGION);
    service_rollups::table
        .filter(service_rollups::service_id.eq(id))
        .filter(service_rollups::region_id.eq(region_id))
        .filter(service_rollups::step_s.eq(step_s))
}

#[diesel::dsl::auto_type]
pub fn rollups_of_all(ids: Vec<i64>, step_s: i32) -> _ {
    let region_id: i16 = REGION;
    service_rollups::table
        .filter(service_rollups::service_id.eq_any(ids))
        .filter(service_rollups::region_id.eq(region_id))
        .filter(service_rollups::step_s.eq(step_s))
}

/// The rows of a table that belongs to services.
macro_rules! rows_of {
    (services) => {
        services::table
    };
    (service_facts) => {
        service_facts::table
    };
    ($table:ident) => {
        $table::table.filter($table::region_id.eq($crate::storage::postgres::REGION))
    };
}
pub(super) use rows_of;
