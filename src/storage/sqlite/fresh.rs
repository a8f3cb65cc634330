//! Fresh ticks: those that are not sealed.
//!
//! They are stored in the order in which they were recorded, of all services together, without a
//! secondary index. The ticks of one service are found by following `step_back` from its newest
//! one: a chain ends where the ticks are sealed.
//!
//! New ticks go to `service_ticks`. When a sealing begins, its rows become those of
//! `sealing_ticks`, where a tick is fresh until its service is sealed ([`super::sealing`]). So a
//! chain passes through both tables.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::sqlite::SqliteConnection;

use super::ids::json_of;
use super::rows::{TickRow, state_of};
use super::schema::{service_count, service_metrics};
use crate::domain::{ServiceId, StoredTick};
use crate::storage::batch::Extent;
use crate::storage::error::StorageError;
use crate::storage::history::rows::{Backlog, Sealing, UnsealedTick};
use crate::storage::port::EachTick;

#[derive(QueryableByName)]
struct Reach {
    #[diesel(sql_type = Nullable<BigInt>)]
    newest: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    oldest: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    newest_sealing: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    oldest_sealing: Option<i64>,
    #[diesel(sql_type = BigInt)]
    sealing_tick_count: i64,
    #[diesel(sql_type = BigInt)]
    sealed_tick_id: i64,
    #[diesel(sql_type = Bool)]
    is_sealing: bool,
}

const REACH: &str = "\
    SELECT (SELECT max(id) FROM service_ticks) AS newest, \
        (SELECT min(id) FROM service_ticks) AS oldest, \
        (SELECT max(id) FROM sealing_ticks) AS newest_sealing, \
        (SELECT min(id) FROM sealing_ticks) AS oldest_sealing, \
        sealing_tick_count, sealed_tick_id, sealing_tick_id IS NOT NULL AS is_sealing \
    FROM history";

/// Reads the ends of the tables only, so its cost does not depend on the number of ticks.
pub fn extent(connection: &mut SqliteConnection) -> Result<Extent, StorageError> {
    let reach: Reach = diesel::sql_query(REACH).get_result(connection)?;
    let ticks = rows(reach.newest, reach.oldest) + reach.left_to_seal();
    let newest = reach.newest.max(reach.newest_sealing).max(Some(reach.sealed_tick_id));
    Ok(Extent { ticks, next_id: newest.unwrap_or_default() + 1, is_sealing: reach.is_sealing })
}

/// Work that is left of the sealing.
pub fn backlog(
    connection: &mut SqliteConnection,
    sealing: &Sealing,
) -> Result<Backlog, StorageError> {
    let services: i64 = service_metrics::table
        .filter(service_metrics::service_id.gt(sealing.done_through))
        .count()
        .get_result(connection)?;
    let reach: Reach = diesel::sql_query(REACH).get_result(connection)?;
    Ok(Backlog { services: services.cast_unsigned(), ticks: reach.left_to_seal() })
}

/// Number of rows from the newest id of a table to its oldest.
fn rows(newest: Option<i64>, oldest: Option<i64>) -> u64 {
    newest.zip(oldest).map_or(0, |(newest, oldest)| newest.abs_diff(oldest) + 1)
}

impl Reach {
    fn left_to_seal(&self) -> u64 {
        let all = rows(self.newest_sealing, self.oldest_sealing);
        all.saturating_sub(self.sealing_tick_count.cast_unsigned())
    }
}

/// The columns of a [`TickRow`], without those that are computed from others.
macro_rules! columns {
    () => {
        "t.id, t.service_id, t.step_back, t.is_up, t.is_unknown, t.http_status, t.failure, \
        t.created_at_ms, t.dns_us, t.connect_us, t.tls_us, t.first_byte_us, t.transfer_us, \
        t.unphased_us "
    };
}

/// From the newest fresh tick of each service that `$which` selects from the metrics to its oldest;
/// each step goes `step_back` ids down. An id is in one of the two tables only.
macro_rules! chain {
    ($which:literal) => {
        concat!(
            "WITH RECURSIVE one AS (SELECT service_id, latest_tick_id FROM service_metrics ",
            $which,
            "), \
            chain AS ( \
                SELECT ",
            columns!(),
            "FROM one CROSS JOIN service_ticks t ON t.id = one.latest_tick_id \
                UNION ALL \
                SELECT ",
            columns!(),
            "FROM one CROSS JOIN sealing_ticks t ON t.id = one.latest_tick_id \
                    WHERE t.service_id > (SELECT sealing_service_id FROM history) \
                UNION ALL \
                SELECT ",
            columns!(),
            "FROM chain CROSS JOIN service_ticks t ON t.id = chain.id - chain.step_back \
                UNION ALL \
                SELECT ",
            columns!(),
            "FROM chain CROSS JOIN sealing_ticks t ON t.id = chain.id - chain.step_back \
                    WHERE t.service_id > (SELECT sealing_service_id FROM history)) \
            SELECT * FROM chain"
        )
    };
}

/// The fresh ticks of a service, newest first.
pub fn newest_first(
    connection: &mut SqliteConnection,
    id: ServiceId,
    each: &mut EachTick<'_, StoredTick>,
) -> Result<(), StorageError> {
    const CHAIN: &str = chain!("WHERE service_id = ?");
    let rows = diesel::sql_query(CHAIN)
        .bind::<BigInt, _>(id.get())
        .load_iter::<TickRow, DefaultLoadingMode>(connection)?;
    for row in rows {
        if each(row?.tick()).is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// The tables are read as a whole when at least one service of so many is wanted: a step along a
/// chain takes six times as long as the next row.
const SCAN_FROM: i64 = 6;

/// The fresh ticks of these services in no order; without `has_durations`, only their times and
/// states.
pub fn of(
    connection: &mut SqliteConnection,
    ids: &[ServiceId],
    has_durations: bool,
    each: &mut EachTick<'_, (ServiceId, StoredTick)>,
) -> Result<(), StorageError> {
    let living: i64 = service_count::table.select(service_count::living).first(connection)?;
    let is_scan = ids.len() as i64 * SCAN_FROM >= living;
    if is_scan && !has_durations {
        return states_of(connection, ids, each);
    }
    const ALL: &str = concat!("SELECT ", columns!(), "FROM fresh_ticks t");
    const CHAINS: &str = chain!("WHERE service_id IN (SELECT value FROM json_each(?))");
    let wanted: HashSet<ServiceId> = ids.iter().copied().collect();
    let mut pass = |row: QueryResult<TickRow>| -> Result<ControlFlow<()>, StorageError> {
        let row = row?;
        let id = ServiceId::new(row.service_id).filter(|id| wanted.contains(id));
        Ok(id.map_or(ControlFlow::Continue(()), |id| each((id, row.tick()))))
    };
    if is_scan {
        let rows = diesel::sql_query(ALL).load_iter::<TickRow, DefaultLoadingMode>(connection)?;
        for row in rows {
            if pass(row)?.is_break() {
                break;
            }
        }
        return Ok(());
    }
    let rows = diesel::sql_query(CHAINS)
        .bind::<Text, _>(json_of(ids))
        .load_iter::<TickRow, DefaultLoadingMode>(connection)?;
    for row in rows {
        if pass(row)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Times and states of the fresh ticks of these services, from all of them.
fn states_of(
    connection: &mut SqliteConnection,
    ids: &[ServiceId],
    each: &mut EachTick<'_, (ServiceId, StoredTick)>,
) -> Result<(), StorageError> {
    type Row = (i64, i64, bool, bool);
    let wanted: HashSet<ServiceId> = ids.iter().copied().collect();
    let states = diesel::dsl::sql::<(BigInt, BigInt, Bool, Bool)>(
        "SELECT service_id, created_at_ms, is_up, is_unknown FROM fresh_ticks",
    );
    for row in states.load_iter::<Row, DefaultLoadingMode>(connection)? {
        let (service_id, at_ms, is_up, is_unknown) = row?;
        let Some(id) = ServiceId::new(service_id).filter(|id| wanted.contains(id)) else {
            continue;
        };
        if each((id, StoredTick::of_state(at_ms, state_of(is_up, is_unknown)))).is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// The fresh ticks of the services from one id to another: the newest of each, then the one before
/// it of each, and so on.
pub fn of_range(
    connection: &mut SqliteConnection,
    (first, last): (i64, i64),
    each: &mut dyn FnMut(i64, StoredTick),
) -> Result<(), StorageError> {
    const CHAINS: &str = chain!("WHERE service_id BETWEEN ? AND ?");
    let rows = diesel::sql_query(CHAINS)
        .bind::<BigInt, _>(first)
        .bind::<BigInt, _>(last)
        .load_iter::<TickRow, DefaultLoadingMode>(connection)?;
    for row in rows {
        let row = row?;
        each(row.service_id, row.tick());
    }
    Ok(())
}

/// The fresh ticks of the `limit` services that follow the sealed ones: the newest of each, then
/// the one before it of each, and so on. In this order they are close together in the table;
/// one chain after the other, each would pass through the whole of it.
pub fn unsealed(
    connection: &mut SqliteConnection,
    sealing: &Sealing,
    limit: usize,
    each: &mut EachTick<'_, UnsealedTick>,
) -> Result<(), StorageError> {
    const CHAINS: &str = chain!("WHERE service_id > ? ORDER BY service_id LIMIT ?");
    let rows = diesel::sql_query(CHAINS)
        .bind::<BigInt, _>(sealing.done_through)
        .bind::<BigInt, _>(i64::try_from(limit).unwrap_or(i64::MAX))
        .load_iter::<TickRow, DefaultLoadingMode>(connection)?;
    for row in rows {
        let row = row?;
        let service_id = ServiceId::new(row.service_id).ok_or_else(|| {
            StorageError::Unreadable(format!("service_ticks, service_id {}", row.service_id))
        })?;
        let is_later = row.id > sealing.id;
        if each(UnsealedTick { service_id, is_later, tick: row.tick() }) == ControlFlow::Break(()) {
            return Ok(());
        }
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    service_id: i64,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Number of fresh ticks of each service: one pass over tables that have no index by service.
pub fn counts(connection: &mut SqliteConnection) -> Result<HashMap<ServiceId, u64>, StorageError> {
    let counts: Vec<Count> = diesel::sql_query(
        "SELECT service_id, count(*) AS count FROM fresh_ticks GROUP BY service_id",
    )
    .load(connection)?;
    let counts = counts.into_iter();
    Ok(counts
        .filter_map(|row| Some((ServiceId::new(row.service_id)?, row.count.cast_unsigned())))
        .collect())
}
