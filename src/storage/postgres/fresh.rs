//! Fresh ticks: those that are not sealed, a range of the key of `service_ticks`.

use std::collections::HashMap;
use std::ops::ControlFlow;

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Bytea, Nullable};

use super::REGION;
use super::columns::state_of;
use super::connection::StoreConnection;
use super::history::sealing;
use super::rows::TickRow;
use super::schema::service_ticks;
use super::statement::statement;
use super::store::PostgresStore;
use crate::domain::{ServiceId, ShardSet, StoredTick};
use crate::storage::batch::Extent;
use crate::storage::error::StorageError;
use crate::storage::history::rows::{Backlog, Sealing, UnsealedTick};
use crate::storage::port::{EachTick, Result};

/// Maximum number of services, and of their ticks, in a [`Backlog`].
const BACKLOG_SERVICES: i64 = 4_096;
const BACKLOG_TICKS: i64 = 262_144;

/// A tick has no id of its own, so the next one is always 1.
pub fn extent(store: &mut PostgresStore) -> Result<Extent> {
    let is_sealing = sealing(store)?.is_some();
    let owned = store.owned();
    Ok(Extent { ticks: count(&mut store.connection, &owned)?, next_id: 1, is_sealing })
}

/// Number of fresh ticks of these shards: those of all services, without the sealed and the deleted
/// ones. So no tick is read, and a commit counts nothing.
pub fn count(connection: &mut StoreConnection, shards: &ShardSet) -> Result<u64> {
    let count: i64 = Count { shards: &shards.to_bytes() }.get_result(connection)?;
    Ok(u64::try_from(count).unwrap_or_default())
}

statement!(
    Count { shards: Bytea = Vec<u8> } -> BigInt,
    "SELECT ((SELECT coalesce(sum(tick_count + unknown_count), 0) FROM service_metrics \
            WHERE get_bit(p.shards, service_id / 16 % 1024) = 1) \
        - (SELECT coalesce(sum(sealed_tick_count + expired_tick_count), 0) FROM shards \
            WHERE get_bit(p.shards, shard::bigint) = 1))::bigint \
        FROM (SELECT ?::bytea AS shards) p"
);

pub fn backlog(
    connection: &mut StoreConnection,
    sealing: &Sealing,
    shards: &ShardSet,
) -> Result<Backlog> {
    let after = sealing.done_through;
    let next = NextServices { after: &after, shards: &shards.to_bytes(), limit: &BACKLOG_SERVICES };
    let (services, last): (i64, Option<i64>) = next.get_result(connection)?;
    let ticks: i64 = match last {
        Some(last) => TicksWithin { after: &after, last: &last, limit: &BACKLOG_TICKS }
            .get_result(connection)?,
        None => 0,
    };
    Ok(Backlog { services: services.cast_unsigned(), ticks: ticks.cast_unsigned() })
}

statement!(
    /// The next services with a metric: their number, and the last of them.
    NextServices { after: BigInt = i64, shards: Bytea = Vec<u8>, limit: BigInt = i64 }
        -> (BigInt, Nullable<BigInt>),
    "SELECT count(*), max(service_id) FROM ( \
        SELECT service_id FROM service_metrics WHERE service_id > ? AND region_id = 0 \
            AND get_bit(?, service_id / 16 % 1024) = 1 \
        ORDER BY service_id LIMIT ?) m"
);

statement!(
    TicksWithin { after: BigInt = i64, last: BigInt = i64, limit: BigInt = i64 } -> BigInt,
    "SELECT count(*) FROM ( \
        SELECT FROM service_ticks WHERE service_id > ? AND service_id <= ? AND region_id = 0 \
        LIMIT ?) t"
);

/// The fresh ticks of these services in no order; without `has_durations`, only their times and
/// states.
pub fn of(
    connection: &mut StoreConnection,
    ids: &[ServiceId],
    has_durations: bool,
    each: &mut EachTick<'_, (ServiceId, StoredTick)>,
) -> Result<()> {
    let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    let fresh = service_ticks::table
        .filter(service_ticks::service_id.eq_any(ids))
        .filter(service_ticks::region_id.eq(REGION));
    let mut pass = |service_id, tick| match ServiceId::new(service_id) {
        Some(id) => each((id, tick)),
        None => ControlFlow::Continue(()),
    };
    if has_durations {
        let rows = fresh.select(TickRow::as_select());
        for row in rows.load_iter::<TickRow, DefaultLoadingMode>(connection)? {
            let row = row?;
            if pass(row.service_id, row.tick()).is_break() {
                break;
            }
        }
        return Ok(());
    }
    let rows =
        fresh.select((service_ticks::service_id, service_ticks::at_ms, service_ticks::state));
    for row in rows.load_iter::<(i64, i64, i16), DefaultLoadingMode>(connection)? {
        let (service_id, at_ms, state) = row?;
        if pass(service_id, StoredTick::of_state(at_ms, state_of(state))).is_break() {
            break;
        }
    }
    Ok(())
}

/// The fresh ticks of a service, newest first.
pub fn newest_first(
    connection: &mut StoreConnection,
    id: ServiceId,
    each: &mut EachTick<'_, StoredTick>,
) -> Result<()> {
    let rows = service_ticks::table
        .filter(service_ticks::service_id.eq(id.get()))
        .filter(service_ticks::region_id.eq(REGION))
        .order(service_ticks::seq.desc())
        .select(TickRow::as_select())
        .load_iter::<TickRow, DefaultLoadingMode>(connection)?;
    for row in rows {
        if each(row?.tick()).is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// The fresh ticks of the `limit` services that follow the sealed ones. None is later than the
/// sealing: it contains every tick that it finds.
pub fn unsealed(
    connection: &mut StoreConnection,
    (sealing, shards): (&Sealing, &ShardSet),
    limit: usize,
    each: &mut EachTick<'_, UnsealedTick>,
) -> Result<()> {
    let (after, limit) = (sealing.done_through, i64::try_from(limit).unwrap_or(i64::MAX));
    let bytes = shards.to_bytes();
    let (_, last): (i64, Option<i64>) =
        NextServices { after: &after, shards: &bytes, limit: &limit }.get_result(connection)?;
    let Some(last) = last else { return Ok(()) };
    let is_owned = sql::<Bool>("get_bit(")
        .bind::<Bytea, _>(bytes)
        .sql(", service_ticks.service_id / 16 % 1024) = 1");
    // The order of the key, backwards.
    let rows = service_ticks::table
        .filter(service_ticks::service_id.gt(after))
        .filter(service_ticks::service_id.le(last))
        .filter(service_ticks::region_id.eq(REGION))
        .filter(is_owned)
        .order((service_ticks::service_id.desc(), service_ticks::seq.desc()))
        .select(TickRow::as_select())
        .load_iter::<TickRow, DefaultLoadingMode>(connection)?;
    for row in rows {
        let row = row?;
        let service_id = ServiceId::new(row.service_id).ok_or_else(|| {
            StorageError::Unreadable(format!("service_ticks, service_id {}", row.service_id))
        })?;
        let tick = UnsealedTick { service_id, is_later: false, tick: row.tick() };
        if each(tick) == ControlFlow::Break(()) {
            return Ok(());
        }
    }
    Ok(())
}

/// Number of fresh ticks of each service: one pass over all.
pub fn counts(connection: &mut StoreConnection) -> Result<HashMap<ServiceId, u64>> {
    let counts: Vec<(i64, i64)> = service_ticks::table
        .filter(service_ticks::region_id.eq(REGION))
        .group_by(service_ticks::service_id)
        .select((service_ticks::service_id, count_star()))
        .load(connection)?;
    let counts = counts.into_iter();
    Ok(counts
        .filter_map(|(id, count)| Some((ServiceId::new(id)?, count.cast_unsigned())))
        .collect())
}
