//! The instance that writes, and the numbers of its writes.
//!
//! Each transaction that writes results begins with the *fence*: it increments the number in the
//! instance's row, and does nothing when that row has another number or was ended. An answer may be
//! lost with its connection. Then the number is in doubt, and is settled before the next write,
//! which takes the number after it: so it is known whether the lost transaction was stored, and it
//! is never stored later.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard};

use diesel::prelude::*;

use super::connection::StoreConnection;
use super::schema::{instances, store};
use crate::domain::{Role, ShardSet};
use crate::storage::coordination::owned::OwnedShards;
use crate::storage::error::StorageError;
use crate::storage::port::Result;

/// Most changes of this instance whose revisions are remembered: the newest ones.
const OWN_REVISIONS: usize = 4_096;

/// The registered instance. Invariant: one transaction of it runs at a time.
#[derive(Debug)]
pub struct Instance {
    /// Another one after the instance was ended and has registered anew.
    id: AtomicI64,
    /// The shards that it may write to.
    pub owned: OwnedShards,
    /// `None` for a command, which runs alone.
    joined: Option<Joined>,
    /// Of the store in which it is registered; `None` when connections are not checked.
    store_id: Option<String>,
    state: Mutex<State>,
}

/// An instance that runs beside others. It registers anew after one of another name has ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    pub name: String,
    pub role: Role,
}

#[derive(Debug, Default)]
struct State {
    /// Number of the newest write that is stored, or was settled.
    newest: i64,
    /// The write after it, if that may be stored, too.
    in_doubt: Option<Write>,
    /// Whether a commit that was in doubt has turned out to be stored, until this is asked for.
    has_stored_commit: bool,
    /// Why nothing can be written any more.
    end: Option<End>,
    /// The revisions of its own changes of definitions.
    own_revisions: BTreeSet<i64>,
}

/// Why an instance may not write.
#[derive(Debug)]
struct End {
    detail: String,
    /// Whether it may register anew.
    may_rejoin: bool,
}

/// Kinds of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Of a group of outcomes.
    Commit,
    Other,
}

/// What the row of the instance says.
#[derive(Debug, Queryable)]
struct Row {
    commit_no: i64,
    was_stored: bool,
    ended_at_ms: Option<i64>,
    ended_by: Option<i64>,
}

impl Instance {
    /// An instance that has just been registered, with the number 0.
    pub fn new(id: i64) -> Self {
        Self {
            id: AtomicI64::new(id),
            owned: OwnedShards::default(),
            joined: None,
            store_id: None,
            state: Mutex::default(),
        }
    }

    /// The same instance beside others, which owns `owned`.
    pub fn of_several(self, joined: Joined, owned: OwnedShards) -> Self {
        Self { owned, joined: Some(joined), ..self }
    }

    /// `None` for a command.
    pub fn joined(&self) -> Option<&Joined> {
        self.joined.as_ref()
    }

    pub fn id(&self) -> i64 {
        self.id.load(Ordering::Acquire)
    }

    /// It has registered anew, with the number 0, and owns nothing.
    pub fn rejoined(&self, id: i64) {
        self.owned.remove(&ShardSet::ALL);
        let mut state = self.state();
        let own_revisions = std::mem::take(&mut state.own_revisions);
        *state = State { own_revisions, ..State::default() };
        self.id.store(id, Ordering::Release);
    }

    /// It may not register anew: another one has its place.
    pub fn replaced(&self, detail: String) {
        self.state().end = Some(End { detail, may_rejoin: false });
    }

    /// A change of definitions is stored with this revision.
    pub fn note_revision(&self, revision: i64) {
        let own = &mut self.state().own_revisions;
        own.insert(revision);
        if own.len() > OWN_REVISIONS {
            own.pop_first();
        }
    }

    /// Whether this instance made the change with this revision. `false` when that is unknown.
    pub fn made(&self, revision: i64) -> bool {
        self.state().own_revisions.contains(&revision)
    }

    /// The same instance, registered in the store with this id.
    pub fn in_store(self, store_id: String) -> Self {
        Self { store_id: Some(store_id), ..self }
    }

    /// For each new connection: error when it leads to another store than that of this instance,
    /// which ends this instance.
    pub fn check_store(&self, connection: &mut StoreConnection) -> Result<()> {
        let Some(own) = &self.store_id else { return Ok(()) };
        let found: Option<String> =
            store::table.select(store::store_id).first(connection).optional()?;
        if found.as_ref() == Some(own) {
            return Ok(());
        }
        let detail = "DATABASE_URL leads to another store than at the start".to_owned();
        self.state().end = Some(End { detail: detail.clone(), may_rejoin: false });
        Err(StorageError::Unavailable(detail))
    }

    /// Why this process must stop: one of the same name has ended this instance, or the store is
    /// another one.
    pub fn end(&self) -> Option<String> {
        let state = self.state();
        state.end.as_ref().filter(|end| !end.may_rejoin).map(|end| end.detail.clone())
    }

    /// Why this instance may not write until it has registered anew: another one took it for dead.
    pub fn fenced(&self) -> Option<String> {
        let state = self.state();
        state.end.as_ref().filter(|end| end.may_rejoin).map(|end| end.detail.clone())
    }

    /// The number of the next write.
    pub fn next_number(&self) -> i64 {
        self.state().newest + 1
    }

    /// Takes the result of the write with the next number over. After `Unavailable`, the number is
    /// in doubt; any other error has rolled the transaction back.
    pub fn note<T>(&self, write: Write, result: &Result<T>) {
        let mut state = self.state();
        match result {
            Ok(_) => state.newest += 1,
            Err(StorageError::Unavailable(_)) if state.end.is_none() => {
                state.in_doubt = Some(write);
            }
            Err(_) => {}
        }
    }

    /// Settles a number in doubt. The settling takes the number after it, and notes in the row
    /// whether the lost write was stored, since its own answer may be lost, too.
    pub fn settle(&self, connection: &mut StoreConnection) -> Result<()> {
        let Some(write) = self.state().in_doubt else { return Ok(()) };
        let lost = self.next_number();
        let was_stored = match settle(connection, self.id(), lost)? {
            Some(was_stored) => was_stored,
            None => {
                let row = self.living_row(connection)?;
                if row.commit_no != lost + 1 {
                    self.go_back_to(row.commit_no);
                    return Ok(());
                }
                row.was_stored
            }
        };
        let mut state = self.state();
        (state.newest, state.in_doubt) = (lost + 1, None);
        state.has_stored_commit |= was_stored && write == Write::Commit;
        Ok(())
    }

    /// Whether the newest commit was in doubt and turned out to be stored. Says so once.
    pub fn take_stored_commit(&self) -> bool {
        std::mem::take(&mut self.state().has_stored_commit)
    }

    /// The fence at the beginning of a transaction. `committed_at_ms` moves the liveness mark.
    pub fn pass_fence(
        &self,
        connection: &mut StoreConnection,
        committed_at_ms: Option<i64>,
    ) -> Result<()> {
        let number = self.next_number();
        if take(connection, self.id(), number, committed_at_ms)? {
            return Ok(());
        }
        Err(self.stopped_by_fence(connection)?)
    }

    /// Why the fence did not let a write pass: the database has lost commits, and the instance goes
    /// on from there. An error when it was ended.
    pub fn stopped_by_fence(&self, connection: &mut StoreConnection) -> Result<StorageError> {
        let row = self.living_row(connection)?;
        self.go_back_to(row.commit_no);
        Ok(StorageError::Unavailable(
            "the database has lost its newest commits, as after a failover to a server that was \
             behind; what it has is read again"
                .to_owned(),
        ))
    }

    /// The row of this instance; an error when it was ended.
    fn living_row(&self, connection: &mut StoreConnection) -> Result<Row> {
        let id = self.id();
        let row: Option<Row> = instances::table
            .find(id)
            .select((
                instances::commit_no,
                instances::was_stored,
                instances::ended_at_ms,
                instances::ended_by,
            ))
            .first(connection)
            .optional()?;
        let (detail, may_rejoin) = match row {
            Some(row @ Row { ended_at_ms: None, .. }) => return Ok(row),
            None => {
                let unknown = "this instance is unknown to the database: it is another one, or an \
                               old copy";
                (unknown.to_owned(), false)
            }
            Some(Row { ended_by: None, .. }) => ("this instance was ended".to_owned(), false),
            Some(Row { ended_by: Some(other), .. }) => {
                let name = name_of(connection, other)?;
                let is_other = |own: &Joined| name.as_ref() != Some(&own.name);
                let may_rejoin = self.joined.as_ref().is_some_and(is_other);
                let name = name.map(|name| format!(" ({name:?})")).unwrap_or_default();
                (format!("this instance ({id}) was ended by instance {other}{name}"), may_rejoin)
            }
        };
        self.state().end = Some(End { detail: detail.clone(), may_rejoin });
        Err(StorageError::Unavailable(detail))
    }

    /// For an instance that does not live any more: whether it may register anew.
    pub fn was_fenced(&self, connection: &mut StoreConnection) -> Result<bool> {
        match self.living_row(connection) {
            Ok(_) => Ok(false),
            Err(_) if self.fenced().is_some() => Ok(true),
            Err(_) if self.end().is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn go_back_to(&self, commit_no: i64) {
        let mut state = self.state();
        (state.newest, state.in_doubt) = (commit_no, None);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The name of an instance.
fn name_of(connection: &mut StoreConnection, id: i64) -> Result<Option<String>> {
    Ok(instances::table.find(id).select(instances::name).first(connection).optional()?)
}

/// Takes the number, if it is the next one of the living instance.
fn take(
    connection: &mut StoreConnection,
    id: i64,
    number: i64,
    committed_at_ms: Option<i64>,
) -> Result<bool> {
    let living = instances::table
        .filter(instances::id.eq(id))
        .filter(instances::commit_no.eq(number - 1))
        .filter(instances::ended_at_ms.is_null());
    let taken = diesel::update(living).set((
        instances::commit_no.eq(number),
        committed_at_ms.map(|at_ms| instances::committed_at_ms.eq(at_ms)),
    ));
    Ok(taken.execute(connection)? > 0)
}

/// Takes the number after a lost write, whether that has taken its own or not. Whether it has;
/// `None` when the row has another number, or the instance was ended.
fn settle(connection: &mut StoreConnection, id: i64, lost: i64) -> Result<Option<bool>> {
    let living = instances::table
        .filter(instances::id.eq(id))
        .filter(instances::commit_no.eq_any([lost - 1, lost]))
        .filter(instances::ended_at_ms.is_null());
    let settled = diesel::update(living)
        .set((
            instances::commit_no.eq(lost + 1),
            instances::was_stored.eq(instances::commit_no.eq(lost)),
        ))
        .returning(instances::was_stored)
        .get_result(connection)
        .optional()?;
    Ok(settled)
}
