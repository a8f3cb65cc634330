//! Compares the counters in the tables with the rows that they count.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use super::cold::{alerting, services as service_reads};
use super::connection::StoreConnection;
use super::schema::{services, store};
use crate::storage::port::Result;

/// Maximum number of shards that are named.
const SHARDS: usize = 50;

/// One sentence a difference.
pub fn check(connection: &mut StoreConnection) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let counted: i64 = store::table.select(store::living).first(connection)?;
    let living: i64 =
        services::table.filter(services::deleted_at.is_null()).count().get_result(connection)?;
    if counted != living {
        problems.push(format!("{counted} services are counted as living, and {living} are"));
    }
    let shards: Vec<Shard> = diesel::sql_query(DIFFERENT_SHARDS).load(connection)?;
    problems.extend(alerting::expiry::check(connection)?);
    problems.extend(service_reads::check_relayed(connection)?);
    problems.extend(shards.iter().take(SHARDS).map(Shard::problem));
    Ok(problems)
}

/// The counts of a shard, and the numbers of its rows.
#[derive(QueryableByName)]
struct Shard {
    #[diesel(sql_type = BigInt)]
    shard: i64,
    #[diesel(sql_type = Bool)]
    is_known: bool,
    #[diesel(sql_type = BigInt)]
    chunk_count: i64,
    #[diesel(sql_type = BigInt)]
    sealed_tick_count: i64,
    #[diesel(sql_type = BigInt)]
    sealed_byte_count: i64,
    #[diesel(sql_type = BigInt)]
    rollup_count: i64,
    #[diesel(sql_type = BigInt)]
    chunks: i64,
    #[diesel(sql_type = BigInt)]
    ticks: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
    #[diesel(sql_type = BigInt)]
    rollups: i64,
}

impl Shard {
    fn problem(&self) -> String {
        let Self { shard, is_known, chunk_count, sealed_tick_count, .. } = self;
        if !is_known {
            return format!("shard {shard} has no row");
        }
        let counted = (chunk_count, sealed_tick_count, self.sealed_byte_count, self.rollup_count);
        let found = (self.chunks, self.ticks, self.bytes, self.rollups);
        format!(
            "chunks, sealed ticks, their bytes and roll-ups of shard {shard} are counted as \
             {counted:?} and are {found:?}"
        )
    }
}

const DIFFERENT_SHARDS: &str = "\
    WITH counted AS ( \
        SELECT region_id, shard, chunk_count, sealed_tick_count, sealed_byte_count, rollup_count \
        FROM shards), \
    chunks AS ( \
        SELECT region_id, (service_id / 16 % 1024)::smallint AS shard, count(*) AS chunks, \
            sum(tick_count)::bigint AS ticks, sum(length(data))::bigint AS bytes \
        FROM service_tick_chunks GROUP BY 1, 2), \
    rollups AS ( \
        SELECT region_id, (service_id / 16 % 1024)::smallint AS shard, count(*) AS rollups \
        FROM service_rollups GROUP BY 1, 2), \
    compared AS ( \
        SELECT shard::bigint, chunk_count IS NOT NULL AS is_known, \
            coalesce(chunk_count, 0) AS chunk_count, \
            coalesce(sealed_tick_count, 0) AS sealed_tick_count, \
            coalesce(sealed_byte_count, 0) AS sealed_byte_count, \
            coalesce(rollup_count, 0) AS rollup_count, \
            coalesce(chunks, 0) AS chunks, coalesce(ticks, 0) AS ticks, \
            coalesce(bytes, 0) AS bytes, coalesce(rollups, 0) AS rollups \
        FROM counted FULL JOIN chunks USING (region_id, shard) \
            FULL JOIN rollups USING (region_id, shard)) \
    SELECT * FROM compared \
    WHERE NOT is_known \
        OR (chunk_count, sealed_tick_count, sealed_byte_count, rollup_count) \
            <> (chunks, ticks, bytes, rollups) \
    ORDER BY shard";
