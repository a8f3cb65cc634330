//! Fresh ticks: those that are not sealed yet.
//!
//! They stand in the order in which they were recorded, all services mixed, without a secondary index. The ticks of one service
//! are found by following `step_back` from its newest one: a chain ends where the ticks are sealed.

use std::ops::ControlFlow;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use crate::domain::ServiceId;
use crate::domain::kept::KeptTick;
use crate::storage::StorageError;
use crate::storage::models::TickRow;
use crate::storage::schema::{history, service_ticks};

/// How far the fresh ticks reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// How many there are.
    pub ticks: u64,
    /// The id of the newest; `None` without any.
    pub newest_id: Option<i64>,
    /// Every tick up to this id is sealed.
    pub sealed_id: i64,
}

impl Extent {
    /// An id that no tick has ever had, nor any above it.
    pub fn next_id(&self) -> i64 {
        self.newest_id.map_or(self.sealed_id, |newest| newest.max(self.sealed_id)) + 1
    }
}

/// How far the fresh ticks reach. Counts them, so it is for the start, for a sealing, and for when only the rows know.
pub fn extent(connection: &mut SqliteConnection) -> Result<Extent, StorageError> {
    let (ticks, newest_id): (i64, Option<i64>) = service_ticks::table
        .select((diesel::dsl::count_star(), diesel::dsl::max(service_ticks::id)))
        .first(connection)?;
    let sealed_id = history::table.select(history::sealed_tick_id).first(connection)?;
    Ok(Extent { ticks: ticks.cast_unsigned(), newest_id, sealed_id })
}

/// From the newest fresh tick of a service to its oldest; each step leads `step_back` ids down.
const CHAIN: &str = "\
    WITH RECURSIVE chain AS ( \
        SELECT t.* FROM service_ticks t \
        WHERE t.id = (SELECT latest_tick_id FROM service_metrics WHERE service_id = ?) \
        UNION ALL \
        SELECT t.* FROM chain JOIN service_ticks t ON t.id = chain.id - chain.step_back) \
    SELECT * FROM chain";

/// Shows every fresh tick of a service, newest first, until `each` breaks.
pub fn newest_first(
    connection: &mut SqliteConnection,
    id: ServiceId,
    mut each: impl FnMut(KeptTick) -> ControlFlow<()>,
) -> Result<(), StorageError> {
    let rows = diesel::sql_query(CHAIN)
        .bind::<BigInt, _>(id.get())
        .load_iter::<TickRow, DefaultLoadingMode>(connection)?;
    for row in rows {
        if each(row?.kept()).is_break() {
            return Ok(());
        }
    }
    Ok(())
}
