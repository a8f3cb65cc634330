//! The rows of the instances that use a store, and which of them owns its shards.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::REGION;
use super::connection::StoreConnection;
use super::schema::{instances, shards, store};
use super::start_error::StartError;
use super::takeover::Found;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// An instance that does everything.
const ROLE: &str = "all";

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

/// Registers an instance of this name, ends `others` and takes all shards, in one transaction.
/// `None`, and nothing is changed, when the living instances are not `others` any more, or one of
/// another name has written something.
///
/// The new row has the liveness mark of the row before it, at which the observed time ended.
///
/// Every newcomer locks the row of the store, so one of two sees the other. The rows of living
/// instances are locked before it, in the order of all writers.
pub fn register(
    connection: &mut StoreConnection,
    name: &str,
    others: &[Found],
    now_ms: i64,
) -> Result<Option<Registered>, StartError> {
    connection.transaction(|connection| {
        // Waits for the commits that these instances have under way.
        instances::table
            .filter(instances::ended_at_ms.is_null())
            .order(instances::id)
            .select(instances::id)
            .for_update()
            .load::<i64>(connection)?;
        let store_id = store::table.select(store::store_id).for_update().first(connection)?;
        let is_same = |(now, before): (&Found, &Found)| {
            now.id == before.id && (now.commit_no == before.commit_no || now.name == name)
        };
        let found = living(connection)?;
        if found.len() != others.len() || !found.iter().zip(others).all(is_same) {
            return Ok(None);
        }
        let mark: Option<Option<i64>> = instances::table
            .order(instances::id.desc())
            .select(instances::committed_at_ms)
            .first(connection)
            .optional()?;
        let id: i64 = diesel::insert_into(instances::table)
            .values((
                instances::name.eq(name),
                instances::role.eq(ROLE),
                instances::region_id.eq(REGION),
                instances::version.eq(VERSION),
                instances::committed_at_ms.eq(mark.flatten()),
            ))
            .returning(instances::id)
            .get_result(connection)?;
        let before = instances::ended_at_ms.is_null().and(instances::id.ne(id));
        diesel::update(instances::table.filter(before))
            .set((instances::ended_at_ms.eq(now_ms), instances::ended_by.eq(id)))
            .execute(connection)?;
        diesel::update(shards::table).set(shards::owner_id.eq(id)).execute(connection)?;
        Ok(Some(Registered { id, store_id }))
    })
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
        diesel::update(shards::table.filter(shards::owner_id.eq(id)))
            .set(shards::owner_id.eq(None::<i64>))
            .execute(connection)?;
        Ok(())
    })
}
