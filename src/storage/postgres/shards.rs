//! [`ShardWrite`] on PostgreSQL: taking shards over, giving them back, and what other instances
//! have changed meanwhile.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Nullable, SmallInt};

use super::cold::alerting::gone;
use super::cold::{definitions, events, services as service_reads};
use super::connection::StoreConnection;
use super::gaps::Watched;
use super::inbox;
use super::schema::{services, store as store_row};
use super::statement::statement;
use super::store::PostgresStore;
use crate::domain::alert::EndCause;
use crate::domain::{Outcome, ServiceId, ShardSet};
use crate::storage::coordination::Claimed;
use crate::storage::coordination::command::AlertCommand;
use crate::storage::coordination::port::ShardWrite;
use crate::storage::error::StorageError;
use crate::storage::gaps;
use crate::storage::port::Result;
use crate::storage::records::Gap;

impl ShardWrite for PostgresStore {
    fn claim(
        &mut self,
        (most, except): (usize, &ShardSet),
        now_ms: i64,
        default_interval_ms: i64,
    ) -> Result<Claimed> {
        let instance = self.instance()?;
        let (id, owned) = (instance.id(), instance.owned.get().union(except));
        let claimed = self.write_bulk(None, |store| {
            let taken = take(&mut store.connection, id, &owned, most)?;
            let shards: ShardSet = taken.iter().map(|(shard, _)| *shard).collect();
            if shards.is_empty() {
                return Ok(Claimed::default());
            }
            settle(&mut store.connection, &shards, None)?;
            let gap = close_gaps(store, &taken, now_ms, default_interval_ms)?;
            let connection = &mut store.connection;
            let ids = service_ids(connection, &shards)?;
            Ok(Claimed {
                shards,
                services: service_reads::load(connection, Some(&ids))?,
                live: service_reads::live(connection, Some(&ids))?,
                newest_ms: newest_results(connection, &ids)?,
                gap,
            })
        })?;
        instance.owned.add(&claimed.shards);
        Ok(claimed)
    }

    fn give_back(&mut self, shards: &ShardSet, watched_to_ms: i64) -> Result<()> {
        let instance = self.instance()?;
        let id = instance.id();
        // Before: if the answer is lost, another one may own them already.
        instance.owned.remove(shards);
        self.write(None, |store| {
            let shards = shards.to_bytes();
            GiveBack { watched_to_ms: &watched_to_ms, id: &id, shards: &shards }
                .execute(&mut *store.connection)?;
            Ok(())
        })
    }

    fn settle_definitions(&mut self, ids: &[ServiceId]) -> Result<()> {
        let owned = self.owned();
        let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
        self.write(None, |store| settle(&mut store.connection, &owned, Some(&ids)))
    }

    fn post(&mut self, outcomes: &[Outcome]) -> Result<()> {
        self.write(None, |store| inbox::insert(&mut store.connection, outcomes))
    }

    fn post_command(&mut self, command: &AlertCommand) -> Result<()> {
        self.write(None, |store| inbox::insert_command(&mut store.connection, command))
    }

    fn agree_spread(&mut self, services: usize, is_alone: bool) -> Result<usize> {
        let services = i32::try_from(services).unwrap_or(i32::MAX);
        let agreed = self.write(None, |store| {
            let connection = &mut *store.connection;
            let known: Option<i32> =
                store_row::table.select(store_row::spread).for_update().first(connection)?;
            if let Some(known) = known.filter(|known| !is_alone || *known == services) {
                return Ok(known);
            }
            diesel::update(store_row::table)
                .set(store_row::spread.eq(services))
                .execute(connection)?;
            Ok(services)
        })?;
        Ok(usize::try_from(agreed).unwrap_or_default())
    }
}

/// Takes at most `most` shards without an owner, and those that are owned although this instance
/// has not taken them over: an answer was lost. Each with the end of its observed time.
fn take(
    connection: &mut StoreConnection,
    id: i64,
    owned: &ShardSet,
    most: usize,
) -> Result<Vec<(usize, Option<i64>)>> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let take = Take { id: &id, again: &id, owned: &owned.to_bytes(), limit: &limit };
    let rows: Vec<(i16, Option<i64>)> = take.load(connection)?;
    Ok(rows.into_iter().map(|(shard, mark_ms)| (shard.unsigned_abs().into(), mark_ms)).collect())
}

statement!(
    /// The order spreads what several instances take evenly over the services.
    Take { id: BigInt = i64, again: BigInt = i64, owned: Bytea = Vec<u8>, limit: BigInt = i64 }
        -> (SmallInt, Nullable<BigInt>),
    "UPDATE shards s SET owner_id = ? FROM ( \
            SELECT region_id, shard FROM shards WHERE region_id = 0 AND (owner_id IS NULL \
                OR (owner_id = ? AND get_bit(?, shard::bigint) = 0)) \
            ORDER BY owner_id IS NULL, shard::integer * 389 % 1024 LIMIT ? \
            FOR UPDATE SKIP LOCKED) f \
        WHERE s.region_id = f.region_id AND s.shard = f.shard \
        RETURNING s.shard, s.watched_to_ms"
);

statement!(
    GiveBack { watched_to_ms: BigInt = i64, id: BigInt = i64, shards: Bytea = Vec<u8> } -> (),
    "UPDATE shards SET owner_id = NULL, watched_to_ms = ? \
        WHERE owner_id = ? AND get_bit(?, shard::bigint) = 1"
);

/// Closes the gap of each part of the shards that was watched until the same moment. Returns the
/// longest gap, with the services of all.
fn close_gaps(
    store: &mut PostgresStore,
    taken: &[(usize, Option<i64>)],
    now_ms: i64,
    default_interval_ms: i64,
) -> Result<Option<Gap>> {
    let mut parts: BTreeMap<Option<i64>, ShardSet> = BTreeMap::new();
    for (shard, mark_ms) in taken {
        parts.entry(*mark_ms).or_default().insert(*shard);
    }
    let mut all: Option<Gap> = None;
    for (mark_ms, shards) in parts {
        let mut watched = Watched::of_claim(store, shards, mark_ms, now_ms);
        if let Some(gap) = gaps::close(&mut watched, now_ms, default_interval_ms)?.gap {
            let whole = all.get_or_insert(Gap { services: 0, ..gap });
            whole.services += gap.services;
            whole.from_ms = whole.from_ms.min(gap.from_ms);
        }
    }
    Ok(all)
}

/// Writes what changes of definitions that other instances have made mean for the events of the
/// services of `shards`, at the times of the changes; of these ids, or of all.
fn settle(connection: &mut StoreConnection, shards: &ShardSet, ids: Option<&[i64]>) -> Result<()> {
    type Row = (i64, bool, bool, i64);
    let bytes = shards.to_bytes();
    let rows: Vec<Row> = match ids {
        Some(ids) => Unsettled { ids, shards: &bytes }.load(connection)?,
        None => UnsettledOfShards { shards: &bytes }.load(connection)?,
    };
    for (id, is_deleted, is_enabled, changed_ms) in rows {
        let id = ServiceId::new(id)
            .ok_or_else(|| StorageError::Unreadable(format!("services, id {id}: id")))?;
        if is_deleted {
            events::end(connection, id, changed_ms)?;
            gone::signal(connection, &[id], EndCause::Removed, changed_ms)?;
        } else if is_enabled {
            definitions::resume(connection, id, changed_ms)?;
        } else {
            definitions::pause(connection, id, changed_ms)?;
            gone::signal(connection, &[id], EndCause::Paused, changed_ms)?;
        }
    }
    Ok(())
}

/// Of a service that was deleted, an open event; of one that is paused, another event than a pause;
/// of another one, a pause.
macro_rules! unsettled {
    ($condition:literal) => {
        concat!(
            "SELECT s.id, s.deleted_at IS NOT NULL, s.enabled, s.changed_ms FROM services s \
                JOIN service_events e ON e.service_id = s.id AND e.region_id = 0 \
                    AND e.date_ended_ms IS NULL \
                WHERE ",
            $condition,
            " AND (s.deleted_at IS NOT NULL OR s.enabled = (e.event = 'paused')) \
                AND get_bit(?, s.id / 16 % 1024) = 1 ORDER BY s.id"
        )
    };
}

statement!(
    Unsettled { ids: Array<BigInt> = [i64], shards: Bytea = Vec<u8> }
        -> (BigInt, Bool, Bool, BigInt),
    unsettled!("s.id = ANY(?)")
);

statement!(
    UnsettledOfShards { shards: Bytea = Vec<u8> } -> (BigInt, Bool, Bool, BigInt),
    unsettled!("s.id > 0")
);

/// The living services of `shards`, by id.
fn service_ids(connection: &mut StoreConnection, shards: &ShardSet) -> Result<Vec<ServiceId>> {
    let is_of_shards = diesel::dsl::sql::<Bool>("get_bit(")
        .bind::<Bytea, _>(shards.to_bytes())
        .sql(", services.id / 16 % 1024) = 1");
    let ids: Vec<i64> = services::table
        .filter(services::deleted_at.is_null())
        .filter(is_of_shards)
        .order(services::id)
        .select(services::id)
        .load(connection)?;
    Ok(ids.into_iter().filter_map(ServiceId::new).collect())
}

fn newest_results(
    connection: &mut StoreConnection,
    ids: &[ServiceId],
) -> Result<Vec<(ServiceId, i64)>> {
    let service_id: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    let rows: Vec<(i64, i64)> = NewestResults { service_id: &service_id }.load(connection)?;
    Ok(rows.into_iter().filter_map(|(id, at_ms)| Some((ServiceId::new(id)?, at_ms))).collect())
}

statement!(
    /// The newest tick may be sealed: then the time at which it was stored.
    NewestResults { service_id: Array<BigInt> = [i64] } -> (BigInt, BigInt),
    "SELECT m.service_id, coalesce( \
            (SELECT t.at_ms FROM service_ticks t WHERE t.service_id = m.service_id \
                AND t.region_id = 0 AND t.seq = m.tick_count + m.unknown_count), \
            m.updated_at * 1000) \
        FROM unnest(?) u(service_id) \
        JOIN service_metrics m ON m.service_id = u.service_id AND m.region_id = 0"
);
