//! The writes of a sealing.
//!
//! Its state is in the row of the instance. The ticks of a service are deleted in the transaction
//! that writes their chunk; those that were recorded since stay fresh. Services are written in
//! groups, so that a round trip is for many of them.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bytea, SmallInt};

use super::connection::StoreConnection;
use super::history::{delete_chunks, sealing};
use super::schema::{service_ticks, store as store_row};
use super::shard;
use super::staged::Staged;
use super::statement::statement;
use super::store::PostgresStore;
use crate::domain::ServiceId;
use crate::storage::error::StorageError;
use crate::storage::history::rows::{NewChunk, Packed, Portion, Sealing, Slice};
use crate::storage::history::{rollups, slice};
use crate::storage::port::Result;

/// Bounds of a group: it is read before, and written after `is_enough` has been called for each of
/// its services.
const GROUP_SERVICES: usize = 64;
const GROUP_TICKS: u64 = 8_192;

/// Begins a sealing, unless one is in progress. Whether one is in progress afterwards. Part of the
/// caller's transaction.
pub fn begin(store: &mut PostgresStore) -> Result<bool> {
    if sealing(store)?.is_some() {
        return Ok(true);
    }
    let instance_id = store.instance()?.id();
    let connection = &mut *store.connection;
    let fresh: Option<i64> =
        service_ticks::table.select(service_ticks::seq).first(connection).optional()?;
    if fresh.is_some() {
        Begin { instance_id: &instance_id }.execute(connection)?;
    }
    Ok(fresh.is_some())
}

statement!(
    Begin { instance_id: BigInt = i64 } -> (),
    "UPDATE instances SET sealing_no = sealing_no + 1, sealing_service_id = 0 WHERE id = ?"
);

/// Writes the first services of `slice` until `is_enough`. Part of the caller's transaction.
pub fn publish(
    store: &mut PostgresStore,
    slice: &Slice,
    now_ms: i64,
    is_enough: &mut dyn FnMut() -> bool,
) -> Result<Portion> {
    let is_next =
        |sealing: &Sealing| (sealing.id, sealing.done_through) == (slice.sealing_id, slice.after);
    if !sealing(store)?.as_ref().is_some_and(is_next) {
        return Err(StorageError::Conflict("these ticks are sealed already".to_owned()));
    }
    let instance_id = store.instance()?.id();
    let connection = &mut *store.connection;
    let services: Vec<&Packed> = slice.services.iter().collect();
    let (mut portion, mut growth) = (Portion::default(), Growth::default());
    let mut is_done = false;
    while !is_done && portion.services < services.len() {
        let rest = &services[portion.services..];
        let group = &rest[..group_length(rest)];
        let mut staged = Staged::read(connection, group, now_ms)?;
        let mut count = 0;
        while !is_done && count < group.len() {
            let Packed { id, hours, .. } = group[count];
            let begun_ms = staged.begun_ms(*id);
            let added = rollups::merge(&mut staged, *id, hours, begun_ms, now_ms)?;
            growth.of(*id).rollups += added;
            count += 1;
            is_done = is_enough();
        }
        let group = &group[..count];
        write_chunks(connection, group, &mut growth)?;
        staged.write(connection, group)?;
        portion.services += count;
        portion.ticks += delete_ticks(connection, group)?;
    }
    growth.write(connection)?;
    let done_through = slice.done_through(portion.services);
    Reach { done_through: &done_through, instance_id: &instance_id }.execute(connection)?;
    Ok(portion)
}

statement!(
    Reach { done_through: BigInt = i64, instance_id: BigInt = i64 } -> (),
    "UPDATE instances SET sealing_service_id = ? WHERE id = ?"
);

/// Number of services in the next group; at least one.
fn group_length(services: &[&Packed]) -> usize {
    let mut ticks = 0;
    let within = services.iter().take(GROUP_SERVICES).take_while(|service| {
        ticks += service.ticks;
        ticks <= GROUP_TICKS
    });
    within.count().max(1)
}

fn write_chunks(
    connection: &mut StoreConnection,
    group: &[&Packed],
    growth: &mut Growth,
) -> Result<()> {
    let replaced = group.iter().filter_map(|service| service.replaced);
    let (service_id, first_seq): (Vec<i64>, Vec<i64>) =
        replaced.clone().map(|chunk| (chunk.service_id.get(), chunk.first_seq)).unzip();
    if !service_id.is_empty() {
        let lengths = delete_chunks(connection, &service_id, &first_seq)?;
        if lengths.len() < service_id.len() {
            return Err(StorageError::Conflict("a chunk to be replaced is missing".to_owned()));
        }
        for (service_id, bytes) in lengths {
            growth.of_shard(shard(service_id)).bytes -= bytes;
        }
        for chunk in replaced {
            let growth = growth.of(chunk.service_id);
            growth.chunks -= 1;
            growth.ticks -= chunk.tick_count;
        }
    }
    let mut columns = ChunkColumns::default();
    for service in group {
        for chunk in &service.chunks {
            columns.push(service.id.get(), chunk);
            let growth = growth.of(service.id);
            growth.chunks += 1;
            growth.ticks += chunk.tick_count;
            growth.bytes += chunk.data.len() as i64;
        }
    }
    columns.insert(connection)
}

/// Chunks to be written, as arrays: one a column.
#[derive(Default)]
pub struct ChunkColumns {
    numbers: [Vec<i64>; 7],
    data: Vec<Vec<u8>>,
}

impl ChunkColumns {
    pub fn push(&mut self, service_id: i64, chunk: &NewChunk) {
        let NewChunk { first_seq, from_ms, to_ms, tick_count, up_count, down_count, data } = chunk;
        let numbers =
            [service_id, *first_seq, *from_ms, *to_ms, *tick_count, *up_count, *down_count];
        self.numbers.iter_mut().zip(numbers).for_each(|(column, value)| column.push(value));
        self.data.push(data.clone());
    }

    /// Stores rows that do not exist.
    pub fn insert(&self, connection: &mut StoreConnection) -> Result<()> {
        if self.data.is_empty() {
            return Ok(());
        }
        let [service_id, first_seq, from_ms, to_ms, tick_count, up_count, down_count] =
            &self.numbers;
        InsertChunks {
            service_id,
            first_seq,
            from_ms,
            to_ms,
            tick_count,
            up_count,
            down_count,
            data: &self.data,
        }
        .execute(connection)?;
        Ok(())
    }
}

statement!(
    InsertChunks {
        service_id: Array<BigInt> = [i64],
        first_seq: Array<BigInt> = [i64],
        from_ms: Array<BigInt> = [i64],
        to_ms: Array<BigInt> = [i64],
        tick_count: Array<BigInt> = [i64],
        up_count: Array<BigInt> = [i64],
        down_count: Array<BigInt> = [i64],
        data: Array<Bytea> = [Vec<u8>],
    } -> (),
    "INSERT INTO service_tick_chunks (service_id, first_seq, from_ms, to_ms, tick_count, \
            up_count, down_count, data) \
        SELECT * FROM unnest(?, ?, ?, ?, ?, ?, ?, ?)"
);

/// Deletes the ticks that the chunks of `group` contain. Returns their number.
fn delete_ticks(connection: &mut StoreConnection, group: &[&Packed]) -> Result<u64> {
    let sealed = group.iter().filter_map(|service| {
        let last = service.chunks.last()?;
        Some((service.id.get(), last.first_seq + last.tick_count - 1))
    });
    let (service_id, last_seq): (Vec<i64>, Vec<i64>) = sealed.unzip();
    if service_id.is_empty() {
        return Ok(0);
    }
    let deleted =
        DeleteTicks { service_id: &service_id, last_seq: &last_seq }.execute(connection)?;
    let ticks: u64 = group.iter().map(|service| service.ticks).sum();
    if deleted as u64 == ticks {
        Ok(ticks)
    } else {
        let why = format!("{ticks} ticks were to be sealed, and {deleted} were fresh");
        Err(StorageError::Conflict(why))
    }
}

statement!(
    DeleteTicks { service_id: Array<BigInt> = [i64], last_seq: Array<BigInt> = [i64] } -> (),
    "DELETE FROM service_ticks t USING unnest(?, ?) u(service_id, last_seq) \
        WHERE t.service_id = u.service_id AND t.region_id = 0 AND t.seq <= u.last_seq"
);

/// Changes of the counts in `shards`.
#[derive(Default)]
struct Growth(BTreeMap<i16, ShardGrowth>);

#[derive(Default)]
struct ShardGrowth {
    chunks: i64,
    ticks: i64,
    bytes: i64,
    rollups: i64,
}

impl Growth {
    fn of(&mut self, id: ServiceId) -> &mut ShardGrowth {
        self.of_shard(shard(id.get()))
    }

    fn of_shard(&mut self, shard: i16) -> &mut ShardGrowth {
        self.0.entry(shard).or_default()
    }

    fn write(&self, connection: &mut StoreConnection) -> Result<()> {
        let column =
            |value: fn(&ShardGrowth) -> i64| -> Vec<i64> { self.0.values().map(value).collect() };
        let shards: Vec<i16> = self.0.keys().copied().collect();
        GrowShards {
            shard: &shards,
            chunks: &column(|growth| growth.chunks),
            ticks: &column(|growth| growth.ticks),
            bytes: &column(|growth| growth.bytes),
            rollups: &column(|growth| growth.rollups),
        }
        .execute(connection)?;
        Ok(())
    }
}

statement!(
    GrowShards {
        shard: Array<SmallInt> = [i16],
        chunks: Array<BigInt> = [i64],
        ticks: Array<BigInt> = [i64],
        bytes: Array<BigInt> = [i64],
        rollups: Array<BigInt> = [i64],
    } -> (),
    "UPDATE shards s SET chunk_count = s.chunk_count + u.chunks, \
            sealed_tick_count = s.sealed_tick_count + u.ticks, \
            sealed_byte_count = s.sealed_byte_count + u.bytes, \
            rollup_count = s.rollup_count + u.rollups \
        FROM unnest(?, ?, ?, ?, ?) u(shard, chunks, ticks, bytes, rollups) \
        WHERE s.region_id = 0 AND s.shard = u.shard"
);

/// Finishes a sealing of which every service is sealed. No tick is left to be deleted. Part of the
/// caller's transaction.
pub fn finish(store: &mut PostgresStore, now_ms: i64) -> Result<u64> {
    if !sealing(store)?.as_ref().is_some_and(Sealing::is_done) {
        return Err(StorageError::Conflict("no sealing can be finished".to_owned()));
    }
    let instance_id = store.instance()?.id();
    let connection = &mut *store.connection;
    Finish { instance_id: &instance_id }.execute(connection)?;
    diesel::update(store_row::table).set(store_row::sealed_at_ms.eq(now_ms)).execute(connection)?;
    Ok(0)
}

statement!(
    Finish { instance_id: BigInt = i64 } -> (),
    "UPDATE instances SET sealing_service_id = NULL WHERE id = ?"
);

/// Seals all fresh ticks. Part of the caller's transaction, which is an import.
pub fn seal_all(store: &mut PostgresStore, chunk_ticks: usize, now_ms: i64) -> Result<()> {
    // A second time if a sealing was in progress, which has passed by later ticks.
    while begin(store)? {
        while let Some(slice) = slice::next_slice(store, chunk_ticks, slice::SLICE)? {
            publish(store, &slice, now_ms, &mut || false)?;
        }
        finish(store, now_ms)?;
    }
    Ok(())
}
