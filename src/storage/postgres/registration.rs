//! The rows of the instances that use a store, and which of them owns its shards.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::REGION;
use super::connection::StoreConnection;
use super::instance::Joined;
use super::schema::{duties, instances, shards, store};
use super::start_error::StartError;
use super::takeover::Found;
use crate::clock;
use crate::domain::time::shared_clock::behind_ms;
use crate::domain::{Role, ShardSet};
use crate::storage::coordination::Duty;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The role of a command, which runs alone.
const ROLE: &str = "all";

/// Shards that were watched until at most this much earlier than others belong to the same run.
const SAME_RUN_MS: i64 = 2_000;

/// Held by a transaction that migrates. Any number that other programs do not use.
const MIGRATION_LOCK: i64 = 0x7368_636b;

/// Takes the lock of migrations for the transaction of the caller. `false` when another one has it.
pub fn lock_migrations(connection: &mut StoreConnection) -> QueryResult<bool> {
    define_sql_function!(fn pg_try_advisory_xact_lock(key: BigInt) -> Bool);
    diesel::select(pg_try_advisory_xact_lock(MIGRATION_LOCK)).get_result(connection)
}

/// The instances that have not ended, by id.
pub fn living(connection: &mut StoreConnection) -> QueryResult<Vec<Found>> {
    let rows: Vec<(i64, String, i64)> = instances::table
        .filter(instances::ended_at_ms.is_null())
        .order(instances::id)
        .select((instances::id, instances::name, instances::commit_no))
        .load(connection)?;
    Ok(rows.into_iter().map(|(id, name, commit_no)| Found { id, name, commit_no }).collect())
}

/// The instance of this process, as it is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    pub id: i64,
    pub store_id: String,
}

/// What every newcomer locks: the rows of the living instances, in the order of all writers, which
/// waits for the commits that they have under way; and then the row of the store, so that one of
/// two newcomers sees the other. Returns the id of the store.
fn lock(connection: &mut StoreConnection) -> QueryResult<String> {
    instances::table
        .filter(instances::ended_at_ms.is_null())
        .order(instances::id)
        .select(instances::id)
        .for_update()
        .load::<i64>(connection)?;
    store::table.select(store::store_id).for_update().first(connection)
}

/// Adds the row of a newcomer. Returns its id.
fn insert(
    connection: &mut StoreConnection,
    (name, role): (&str, &str),
    mark_ms: Option<i64>,
) -> QueryResult<i64> {
    diesel::insert_into(instances::table)
        .values((
            instances::name.eq(name),
            instances::role.eq(role),
            instances::region_id.eq(REGION),
            instances::version.eq(VERSION),
            instances::committed_at_ms.eq(mark_ms),
        ))
        .returning(instances::id)
        .get_result(connection)
}

/// Notes that `by` has ended these living instances.
fn end(connection: &mut StoreConnection, ids: &[i64], by: i64, now_ms: i64) -> QueryResult<()> {
    diesel::update(instances::table.filter(instances::id.eq_any(ids)))
        .set((instances::ended_at_ms.eq(now_ms), instances::ended_by.eq(by)))
        .execute(connection)?;
    Ok(())
}

/// Registers an instance of this name, ends `others` and takes all shards, in one transaction.
/// `None`, and nothing is changed, when the living instances are not `others` any more, or one of
/// another name has written something.
///
/// The new row has the liveness mark of the row before it, at which the observed time ended.
pub fn register(
    connection: &mut StoreConnection,
    name: &str,
    others: &[Found],
    now_ms: i64,
) -> Result<Option<Registered>, StartError> {
    connection.transaction(|connection| {
        let store_id = lock(connection)?;
        let is_same = |(now, before): (&Found, &Found)| {
            now.id == before.id && (now.commit_no == before.commit_no || now.name == name)
        };
        let found = living(connection)?;
        if found.len() != others.len() || !found.iter().zip(others).all(is_same) {
            return Ok(None);
        }
        // One that has only moved or looked has no mark.
        let mark: Option<Option<i64>> = instances::table
            .filter(instances::committed_at_ms.is_not_null())
            .order(instances::id.desc())
            .select(instances::committed_at_ms)
            .first(connection)
            .optional()?;
        let id = insert(connection, (name, ROLE), mark.flatten())?;
        let before: Vec<i64> = found.iter().map(|found| found.id).collect();
        end(connection, &before, id, now_ms)?;
        free_ended(connection)?;
        diesel::update(shards::table).set(shards::owner_id.eq(id)).execute(connection)?;
        Ok(Some(Registered { id, store_id }))
    })
}

/// Sets the clock of this process to that of the database.
pub fn follow_clock(connection: &mut StoreConnection) -> QueryResult<()> {
    const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let before_ms = clock::followed_ms();
    let database_ms: i64 = diesel::select(sql::<BigInt>(NOW)).get_result(connection)?;
    clock::adjust(behind_ms(before_ms, database_ms, clock::followed_ms()));
    Ok(())
}

/// An instance that has joined others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: i64,
    pub store_id: String,
    /// Shards that it has at once.
    pub shards: ShardSet,
    pub duties: Vec<Duty>,
    pub is_alone: bool,
}

/// Which living instances of its name a newcomer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces {
    /// A start takes their place.
    All,
    /// An instance that registers anew takes the place of one that has written nothing: that of an
    /// earlier attempt whose answer was lost. Another one is its successor.
    Unused,
}

/// Registers an instance beside the living ones, and ends those of the same name, whose shards it
/// takes over. Without other instances that probe, it takes everything that was watched until the
/// same moment; the rest has no owner. `duties` are those that it may have.
///
/// The new row has the liveness mark of what it takes over, at which the observed time ended.
pub fn join(
    connection: &mut StoreConnection,
    joined: &Joined,
    replaces: Replaces,
    duties: &[Duty],
    now_ms: i64,
) -> Result<Member, StartError> {
    connection.transaction(|connection| {
        let store_id = lock(connection)?;
        let of_name = living(connection)?.into_iter().filter(|found| found.name == joined.name);
        let of_name: Vec<Found> = of_name.collect();
        if replaces == Replaces::Unused
            && let Some(successor) = of_name.iter().find(|found| found.commit_no > 0)
        {
            return Err(StartError::Replaced(successor.clone()));
        }
        let id = insert(connection, (&joined.name, joined.role.as_str()), None)?;
        let predecessors: Vec<i64> = of_name.iter().map(|found| found.id).collect();
        end(connection, &predecessors, id, now_ms)?;
        let of_predecessors = shards_of(connection, &predecessors)?;
        free_ended(connection)?;
        let others: Vec<String> = instances::table
            .filter(instances::ended_at_ms.is_null().and(instances::id.ne(id)))
            .select(instances::role)
            .load(connection)?;
        let is_alone = others.is_empty();
        let runs_alone = others.iter().all(|role| role == Role::Api.as_str());
        let shards = match joined.role.owns() {
            true if runs_alone => ShardSet::ALL,
            true => of_predecessors,
            false => ShardSet::EMPTY,
        };
        let (shards, mark_ms) = take_run(connection, id, &shards)?;
        diesel::update(instances::table.find(id))
            .set(instances::committed_at_ms.eq(mark_ms))
            .execute(connection)?;
        let mut held = Vec::new();
        for duty in duties.iter().filter(|_| joined.role.owns()) {
            if take_duty(connection, id, duty.as_str())? {
                held.push(*duty);
            }
        }
        Ok(Member { id, store_id, shards, duties: held, is_alone })
    })
}

fn shards_of(connection: &mut StoreConnection, owners: &[i64]) -> QueryResult<ShardSet> {
    let rows: Vec<i16> = shards::table
        .filter(shards::owner_id.eq_any(owners))
        .select(shards::shard)
        .load(connection)?;
    Ok(rows.into_iter().map(|shard| shard.unsigned_abs().into()).collect())
}

/// Takes those of `wanted` that have no owner and were watched until the same moment, the latest.
/// Returns them, and that moment.
fn take_run(
    connection: &mut StoreConnection,
    id: i64,
    wanted: &ShardSet,
) -> QueryResult<(ShardSet, Option<i64>)> {
    let rows: Vec<(i16, Option<i64>)> = shards::table
        .filter(shards::owner_id.is_null())
        .select((shards::shard, shards::watched_to_ms))
        .load(connection)?;
    let rows = rows.into_iter().map(|(shard, mark_ms)| (shard.unsigned_abs().into(), mark_ms));
    let wanted: Vec<(usize, Option<i64>)> = rows.filter(|(shard, _)| wanted.has(*shard)).collect();
    let newest_ms = wanted.iter().filter_map(|(_, mark_ms)| *mark_ms).max();
    let is_of_run = |mark_ms: &Option<i64>| match (mark_ms, newest_ms) {
        (Some(mark_ms), Some(newest_ms)) => newest_ms - mark_ms <= SAME_RUN_MS,
        _ => true,
    };
    let of_run = wanted.into_iter().filter(|(_, mark_ms)| is_of_run(mark_ms));
    let taken: ShardSet = of_run.map(|(shard, _)| shard).collect();
    let numbers: Vec<i16> = taken.iter().filter_map(|shard| i16::try_from(shard).ok()).collect();
    diesel::update(shards::table.filter(shards::shard.eq_any(numbers)))
        .set(shards::owner_id.eq(id))
        .execute(connection)?;
    Ok((taken, newest_ms))
}

/// Shards of instances that have ended have no owner; they were watched until the newest commit of
/// that instance. Part of the caller's transaction.
pub fn free_ended(connection: &mut StoreConnection) -> QueryResult<()> {
    diesel::sql_query(
        "UPDATE shards s SET owner_id = NULL, \
            watched_to_ms = coalesce(i.committed_at_ms, s.watched_to_ms) \
        FROM instances i WHERE i.id = s.owner_id AND i.ended_at_ms IS NOT NULL",
    )
    .execute(connection)?;
    // A version that knew no marks of shards gave them back.
    diesel::sql_query(
        "UPDATE shards SET watched_to_ms = (SELECT max(committed_at_ms) FROM instances) \
        WHERE owner_id IS NULL AND watched_to_ms IS NULL",
    )
    .execute(connection)?;
    Ok(())
}

/// Takes the duty unless a living instance has it. Whether the instance has it afterwards.
pub fn take_duty(connection: &mut StoreConnection, id: i64, name: &str) -> QueryResult<bool> {
    diesel::sql_query(
        "INSERT INTO duties (name, owner_id) \
            SELECT $1, i.id FROM instances i WHERE i.id = $2 AND i.ended_at_ms IS NULL \
        ON CONFLICT (name) DO UPDATE SET owner_id = excluded.owner_id \
            WHERE NOT EXISTS (SELECT FROM instances o \
                WHERE o.id = duties.owner_id AND o.ended_at_ms IS NULL)",
    )
    .bind::<Text, _>(name)
    .bind::<BigInt, _>(id)
    .execute(connection)?;
    let owner: Option<Option<i64>> =
        duties::table.find(name).select(duties::owner_id).first(connection).optional()?;
    Ok(owner.flatten() == Some(id))
}

/// Ends an instance that stops by itself, and gives its shards back.
pub fn leave(
    connection: &mut StoreConnection,
    id: i64,
    now_ms: i64,
) -> Result<(), diesel::result::Error> {
    connection.transaction(|connection| {
        let living = instances::table.find(id).filter(instances::ended_at_ms.is_null());
        diesel::update(living)
            .set((instances::ended_at_ms.eq(now_ms), instances::ended_by.eq(id)))
            .execute(connection)?;
        free_ended(connection)
    })
}
