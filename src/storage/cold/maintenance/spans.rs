//! Rows of times that were planned.

use std::collections::HashMap;

use diesel::prelude::*;

use super::StoreConnection;
use super::schema::{maintenance_spans, maintenances};
use crate::domain::maintenance::MaintenanceId;
use crate::domain::{Planned, ServiceId, Window};
use crate::storage::maintenance::{NewSpan, SpanPart};
use crate::storage::port::Result;

/// The `service_id` of a row for every service.
const EVERY_SERVICE: i64 = 0;

/// Services of one statement.
const IDS: usize = 500;

pub fn planned(
    connection: &mut StoreConnection,
    ids: &[ServiceId],
    window: Window,
) -> Result<HashMap<ServiceId, Planned>> {
    let mut load = |ids: Vec<i64>| -> Result<Vec<(i64, i64, i64)>> {
        Ok(maintenance_spans::table
            .filter(maintenance_spans::service_id.eq_any(ids))
            .filter(maintenance_spans::from_ms.lt(window.to_ms))
            .filter(maintenance_spans::to_ms.gt(window.from_ms))
            .select((
                maintenance_spans::service_id,
                maintenance_spans::from_ms,
                maintenance_spans::to_ms,
            ))
            .load(connection)?)
    };
    let of_all: Vec<(i64, i64)> = load(vec![EVERY_SERVICE])?
        .into_iter()
        .map(|(_, from_ms, to_ms)| (from_ms, to_ms))
        .collect();
    let mut by_service: HashMap<i64, Vec<(i64, i64)>> = HashMap::new();
    for ids in ids.chunks(IDS) {
        for (id, from_ms, to_ms) in load(ids.iter().map(|id| id.get()).collect())? {
            by_service.entry(id).or_default().push((from_ms, to_ms));
        }
    }
    if of_all.is_empty() && by_service.is_empty() {
        return Ok(HashMap::new());
    }
    let planned = ids.iter().map(|id| {
        let own = by_service.remove(&id.get()).unwrap_or_default();
        (*id, Planned::new(of_all.iter().copied().chain(own)))
    });
    Ok(planned.collect())
}

/// Begins and ends, in unix milliseconds.
type Times = Vec<(i64, i64)>;

/// The times of the maintenance that end at `from_ms` or later.
pub fn ending_from(
    connection: &mut StoreConnection,
    id: MaintenanceId,
    from_ms: i64,
) -> Result<HashMap<Option<ServiceId>, Times>> {
    let rows: Vec<(i64, i64, i64)> = maintenance_spans::table
        .filter(maintenance_spans::to_ms.ge(from_ms))
        .filter(maintenance_spans::maintenance_id.eq(id))
        .select((
            maintenance_spans::service_id,
            maintenance_spans::from_ms,
            maintenance_spans::to_ms,
        ))
        .load(connection)?;
    let mut by_service: HashMap<_, Vec<(i64, i64)>> = HashMap::new();
    for (service_id, from_ms, to_ms) in rows {
        by_service.entry(ServiceId::new(service_id)).or_default().push((from_ms, to_ms));
    }
    Ok(by_service)
}

/// Writes the times, unless the definition has changed. Part of the caller's transaction.
pub fn write(connection: &mut StoreConnection, part: &SpanPart) -> Result<()> {
    let effective_ms: Option<i64> = maintenances::table
        .find(part.maintenance_id)
        .select(maintenances::effective_ms)
        .first(connection)
        .optional()?;
    if effective_ms != Some(part.effective_ms) {
        return Ok(());
    }
    for NewSpan { service_id, from_ms, to_ms } in &part.spans {
        diesel::insert_into(maintenance_spans::table)
            .values((
                maintenance_spans::service_id.eq(service_id.map_or(EVERY_SERVICE, ServiceId::get)),
                maintenance_spans::from_ms.eq(from_ms),
                maintenance_spans::to_ms.eq(to_ms),
                maintenance_spans::maintenance_id.eq(part.maintenance_id),
            ))
            .on_conflict((
                maintenance_spans::service_id,
                maintenance_spans::from_ms,
                maintenance_spans::maintenance_id,
            ))
            .do_update()
            .set(maintenance_spans::to_ms.eq(to_ms))
            .execute(connection)?;
    }
    if let Some(mark_ms) = part.mark_ms {
        diesel::update(maintenances::table.find(part.maintenance_id))
            .set(maintenances::mark_ms.eq(mark_ms))
            .execute(connection)?;
    }
    Ok(())
}

/// Ends the times of the maintenance that last at `now_ms`. Part of the caller's transaction.
pub fn cut(connection: &mut StoreConnection, id: MaintenanceId, now_ms: i64) -> Result<()> {
    let lasting = maintenance_spans::table
        .filter(maintenance_spans::to_ms.gt(now_ms))
        .filter(maintenance_spans::maintenance_id.eq(id));
    diesel::delete(lasting.filter(maintenance_spans::from_ms.ge(now_ms))).execute(connection)?;
    diesel::update(lasting).set(maintenance_spans::to_ms.eq(now_ms)).execute(connection)?;
    Ok(())
}

/// Deletes the times of the maintenance that end at `from_ms` or later. Part of the caller's
/// transaction.
pub fn forget(connection: &mut StoreConnection, id: MaintenanceId, from_ms: i64) -> Result<()> {
    let times = maintenance_spans::table
        .filter(maintenance_spans::to_ms.ge(from_ms))
        .filter(maintenance_spans::maintenance_id.eq(id));
    diesel::delete(times).execute(connection)?;
    Ok(())
}

/// Deletes at most `limit` times that ended before `cutoff_ms`. Whether there may be more.
pub fn expire(connection: &mut StoreConnection, cutoff_ms: i64, limit: u32) -> Result<bool> {
    let old: Vec<(i64, i64, i64)> = maintenance_spans::table
        .filter(maintenance_spans::to_ms.lt(cutoff_ms))
        .order(maintenance_spans::to_ms)
        .limit(limit.into())
        .select((
            maintenance_spans::service_id,
            maintenance_spans::from_ms,
            maintenance_spans::maintenance_id,
        ))
        .load(connection)?;
    for key in &old {
        diesel::delete(maintenance_spans::table.find(*key)).execute(connection)?;
    }
    Ok(old.len() == limit as usize)
}
