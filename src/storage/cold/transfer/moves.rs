//! The row of `moves`: which move fills the store, and how far it is.

use diesel::prelude::*;

use super::super::schema::{moves, store};
use super::super::{Backend, StoreConnection, own_transfer};
use super::rows;
use crate::storage::error::StorageError;
use crate::storage::port::Result;
use crate::storage::transfer::Progress;
use crate::storage::transfer::moving::{Begun, MoveSource};
use crate::storage::transfer::target_error::TargetError;

/// The id of the only row.
const ID: i64 = 1;

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = moves, check_for_backend(Backend))]
struct MoveRow {
    source_id: String,
    source_state: String,
    source_name: String,
    behind_service_id: i64,
    is_copied: bool,
    finished_ms: Option<i64>,
}

fn read(connection: &mut StoreConnection) -> Result<Option<MoveRow>> {
    Ok(moves::table.select(MoveRow::as_select()).first(connection).optional()?)
}

/// The name of the source of an unfinished move: nobody may use the store.
pub fn unfinished(connection: &mut StoreConnection) -> QueryResult<Option<String>> {
    let names: Option<String> = moves::table
        .filter(moves::finished_ms.is_null())
        .select(moves::source_name)
        .first(connection)
        .optional()?;
    Ok(names)
}

/// Where a move to this store begins. Changes nothing.
pub fn look(
    connection: &mut StoreConnection,
    from: &MoveSource,
) -> std::result::Result<Begun, TargetError> {
    let own_id: String = store::table.select(store::store_id).first(connection)?;
    if own_id == from.state.store_id {
        return Err(TargetError::Itself);
    }
    let row = read(connection)?.ok_or(TargetError::NotEmpty)?;
    let is_finished = row.finished_ms.is_some();
    if row.source_id != from.state.store_id {
        return Err(match is_finished {
            true => TargetError::NotEmpty,
            false => TargetError::OtherMove(row.source_name),
        });
    }
    if is_finished && own_transfer::is_used(connection)? {
        return Err(TargetError::Used(row.source_name));
    }
    Ok(match (row.source_state == from.state.state, is_finished) {
        (false, _) => Begun::Anew,
        (true, true) => Begun::Finished,
        (true, false) => Begun::GoesOn(Progress {
            behind_service_id: row.behind_service_id,
            is_copied: row.is_copied,
        }),
    })
}

/// Begins the move, or goes on with it; from then on, no other process can. Part of the caller's
/// transaction.
pub fn begin(
    connection: &mut StoreConnection,
    from: &MoveSource,
    mover: &str,
    begun: Begun,
) -> Result<()> {
    match begun {
        Begun::Finished => return Ok(()),
        Begun::GoesOn(_) => {
            diesel::update(moves::table).set(moves::mover.eq(mover)).execute(connection)?;
            return Ok(());
        }
        Begun::New => {}
        Begun::Anew => {
            diesel::delete(moves::table).execute(connection)?;
            rows::clear(connection)?;
            own_transfer::clear(connection)?;
        }
    }
    let Progress { behind_service_id, is_copied } = begun.progress();
    diesel::insert_into(moves::table)
        .values((
            moves::id.eq(ID),
            moves::source_id.eq(&from.state.store_id),
            moves::source_state.eq(&from.state.state),
            moves::source_name.eq(&from.name),
            moves::mover.eq(mover),
            moves::behind_service_id.eq(behind_service_id),
            moves::is_copied.eq(is_copied),
        ))
        .execute(connection)?;
    Ok(())
}

/// Notes how far the move is. Part of the caller's transaction; an error ends it when another
/// process has gone on with the move.
pub fn note(connection: &mut StoreConnection, mover: &str, progress: Progress) -> Result<()> {
    let Progress { behind_service_id, is_copied } = progress;
    let own = moves::table.filter(moves::mover.eq(mover)).filter(moves::finished_ms.is_null());
    let noted = diesel::update(own)
        .set((moves::behind_service_id.eq(behind_service_id), moves::is_copied.eq(is_copied)))
        .execute(connection)?;
    is_ours(noted)
}

/// The store may be used. Part of the caller's transaction.
pub fn finish(connection: &mut StoreConnection, mover: &str, now_ms: i64) -> Result<()> {
    let own = moves::table
        .filter(moves::mover.eq(mover))
        .filter(moves::is_copied.eq(true))
        .filter(moves::finished_ms.is_null());
    let finished = diesel::update(own).set(moves::finished_ms.eq(now_ms)).execute(connection)?;
    is_ours(finished)
}

/// The next move begins anew, since no store is ever in the state that is noted. Part of the
/// caller's transaction.
pub fn forget(connection: &mut StoreConnection, mover: &str) -> Result<()> {
    let own = moves::table.filter(moves::mover.eq(mover)).filter(moves::finished_ms.is_null());
    let forgotten = diesel::update(own).set(moves::source_state.eq("")).execute(connection)?;
    is_ours(forgotten)
}

fn is_ours(rows: usize) -> Result<()> {
    if rows == 1 {
        return Ok(());
    }
    let why = "another process goes on with this move";
    Err(StorageError::Conflict(why.to_owned()))
}
