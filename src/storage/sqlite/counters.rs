//! Compares the counters in the tables with the rows that they count.

use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use super::cold::{alerting, services as service_reads};
use super::schema::{history, service_count, service_rollups, service_tick_chunks, services};
use crate::storage::error::StorageError;

/// One sentence a difference.
pub fn check(connection: &mut SqliteConnection) -> Result<Vec<String>, StorageError> {
    let mut problems = Vec::new();
    let counted: (i64, i64, i64, i64) = history::table
        .select((
            history::chunk_count,
            history::sealed_tick_count,
            history::sealed_byte_count,
            history::rollup_count,
        ))
        .first(connection)?;
    let (chunks, sealed, bytes): (i64, i64, i64) = service_tick_chunks::table
        .select((
            count_star(),
            sql::<BigInt>("coalesce(sum(tick_count), 0)"),
            sql::<BigInt>("coalesce(sum(length(data)), 0)"),
        ))
        .first(connection)?;
    let rollups: i64 = service_rollups::table.count().get_result(connection)?;
    // Rows of sealed services stay until the sealing is finished.
    let (counted_sealing, sealing): (i64, i64) = history::table
        .select((
            history::sealing_tick_count,
            sql::<BigInt>(
                "(SELECT count(*) FROM sealing_ticks WHERE service_id <= sealing_service_id)",
            ),
        ))
        .first(connection)?;
    if counted_sealing != sealing {
        problems.push(format!(
            "the sealing counts {counted_sealing} sealed ticks, and its services have {sealing}"
        ));
    }
    let counted_living: i64 =
        service_count::table.select(service_count::living).first(connection)?;
    let living: i64 =
        services::table.filter(services::deleted_at.is_null()).count().get_result(connection)?;
    if counted_living != living {
        problems.push(format!("{counted_living} services are counted as living, and {living} are"));
    }
    problems.extend(alerting::expiry::check(connection)?);
    problems.extend(service_reads::check_relayed(connection)?);
    let found = (chunks, sealed, bytes, rollups);
    if counted != found {
        problems.push(format!(
            "chunks, sealed ticks, their bytes and roll-ups are counted as {counted:?} and are \
             {found:?}"
        ));
    }
    Ok(problems)
}
