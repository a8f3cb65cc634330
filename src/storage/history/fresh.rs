//! Fresh ticks: those that are not sealed yet.
//!
//! They stand in the order in which they were recorded, all services mixed, without a secondary index. The ticks of one service
//! are found by following `step_back` from its newest one: a chain ends where the ticks are sealed.
//!
//! New ones go to `service_ticks`. When a sealing begins, its rows become those of `sealing_ticks`, where a tick is fresh until
//! its service's turn has come ([`super::seal`]); so a chain leads through both.

use std::ops::ControlFlow;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable};
use diesel::sqlite::SqliteConnection;

use crate::domain::ServiceId;
use crate::domain::history::tick::StoredTick;
use crate::storage::StorageError;
use crate::storage::models::TickRow;

/// How far the fresh ticks reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// How many there are, as their ids tell; this program skips none.
    pub ticks: u64,
    /// An id that no tick has ever had, nor any above it.
    pub next_id: i64,
    /// Whether a sealing is under way.
    pub is_sealing: bool,
}

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
    SELECT (SELECT max(id) FROM service_ticks) AS newest, (SELECT min(id) FROM service_ticks) AS oldest, \
        (SELECT max(id) FROM sealing_ticks) AS newest_sealing, (SELECT min(id) FROM sealing_ticks) AS oldest_sealing, \
        sealing_tick_count, sealed_tick_id, sealing_tick_id IS NOT NULL AS is_sealing \
    FROM history";

/// How far the fresh ticks reach. Looks at the ends of the tables only, so it takes no time however many there are.
pub fn extent(connection: &mut SqliteConnection) -> Result<Extent, StorageError> {
    let reach: Reach = diesel::sql_query(REACH).get_result(connection)?;
    let ticks = rows(reach.newest, reach.oldest) + reach.left_to_seal();
    let newest = reach.newest.max(reach.newest_sealing).max(Some(reach.sealed_tick_id));
    Ok(Extent { ticks, next_id: newest.unwrap_or_default() + 1, is_sealing: reach.is_sealing })
}

/// Of the sealing that is under way, how many ticks are left.
pub fn left_to_seal(connection: &mut SqliteConnection) -> Result<u64, StorageError> {
    let reach: Reach = diesel::sql_query(REACH).get_result(connection)?;
    Ok(reach.left_to_seal())
}

/// Rows of a table from its newest id to its oldest.
fn rows(newest: Option<i64>, oldest: Option<i64>) -> u64 {
    newest.zip(oldest).map_or(0, |(newest, oldest)| newest.abs_diff(oldest) + 1)
}

impl Reach {
    fn left_to_seal(&self) -> u64 {
        let all = rows(self.newest_sealing, self.oldest_sealing);
        all.saturating_sub(self.sealing_tick_count.cast_unsigned())
    }
}

/// The columns of a [`TickRow`]; what can be computed from them is left out.
macro_rules! columns {
    () => {
        "t.id, t.service_id, t.step_back, t.is_up, t.is_unknown, t.http_status, t.failure, t.created_at_ms, \
        t.dns_us, t.connect_us, t.tls_us, t.first_byte_us, t.transfer_us, t.unphased_us "
    };
}

/// From the newest fresh tick of each service that `$which` picks from the metrics to its oldest; each step leads `step_back`
/// ids down. A tick has its id in one of the two tables only.
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

/// Shows every fresh tick of a service, newest first, until `each` breaks. Part of the caller's transaction.
pub fn newest_first(
    connection: &mut SqliteConnection,
    id: ServiceId,
    mut each: impl FnMut(StoredTick) -> ControlFlow<()>,
) -> Result<(), StorageError> {
    const CHAIN: &str = chain!("WHERE service_id = ?");
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

/// Shows the fresh ticks of the `services` services behind `after`: the newest of each, then the one before it of each, and so on,
/// until `each` breaks. Part of the caller's transaction. Side by side they stand near each other; one chain after the other, each
/// would lead through the whole table.
pub fn of_services_behind(
    connection: &mut SqliteConnection,
    after: i64,
    services: usize,
    mut each: impl FnMut(TickRow) -> ControlFlow<()>,
) -> Result<(), StorageError> {
    const CHAINS: &str = chain!("WHERE service_id > ? ORDER BY service_id LIMIT ?");
    let rows = diesel::sql_query(CHAINS)
        .bind::<BigInt, _>(after)
        .bind::<BigInt, _>(i64::try_from(services).unwrap_or(i64::MAX))
        .load_iter::<TickRow, DefaultLoadingMode>(connection)?;
    for row in rows {
        if each(row?).is_break() {
            return Ok(());
        }
    }
    Ok(())
}
