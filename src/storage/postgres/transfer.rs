//! What a copy reads and writes in its own way in a database.

use diesel::connection::{DefaultLoadingMode, TransactionManager};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::cold::transfer::rows::Range;
use super::cold::transfer::set_alerting;
use super::connection::StoreConnection;
use super::history;
use super::keys::rows_of;
use super::rows::TickRow;
use super::schema::{instances, service_metrics, service_ticks, shards};
use super::store::PostgresStore;
use crate::storage::error::StorageError;
use crate::storage::port::Result;
use crate::storage::transfer;
use crate::storage::transfer::tables::NUMBERED;
use crate::storage::transfer::{
    AlertingCopy, Copied, EachRow, Progress, Row, StoreCopy, TickCopy, TransferSource,
    TransferTarget,
};

type Manager = <StoreConnection as Connection>::TransactionManager;

/// The role of an instance that is a move.
const ROLE: &str = "move";

const VERSION: &str = env!("CARGO_PKG_VERSION");

impl PostgresStore {
    /// Copies the store, as it is at one moment, to `target`.
    pub fn copy_to(&mut self, target: &mut dyn TransferTarget) -> Result<Copied> {
        self.transaction(|store| {
            transfer::copy(&mut *store.connection, target, Progress::START, &mut |_| {})
        })
    }
}

impl PostgresStore {
    /// Runs `work` on one snapshot. For a store that only reads.
    pub fn snapshot<T, E: From<StorageError>>(
        &mut self,
        work: impl FnOnce(&mut dyn TransferSource) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.connection.begin().map_err(StorageError::from)?;
        let done = work(&mut *self.connection);
        // The connection is dropped when this fails.
        let _ = Manager::rollback_transaction(&mut *self.connection);
        done
    }
}

/// The newest instance, and the number of all writes: each service that uses the store changes one
/// of them.
pub fn use_mark(connection: &mut StoreConnection) -> Result<String> {
    #[derive(QueryableByName)]
    struct Mark {
        #[diesel(sql_type = Text)]
        mark: String,
    }
    const MARK: &str = "\
        SELECT coalesce(max(id), 0) || '.' || coalesce(sum(commit_no), 0) AS mark FROM instances";
    let mark: Mark = diesel::sql_query(MARK).get_result(connection)?;
    Ok(mark.mark)
}

/// Whether a service has used the database.
pub fn is_used(connection: &mut StoreConnection) -> Result<bool> {
    let used: i64 =
        instances::table.filter(instances::role.ne(ROLE)).count().get_result(connection)?;
    Ok(used > 0)
}

pub fn store(connection: &mut StoreConnection, alerting: AlertingCopy) -> Result<StoreCopy> {
    let marks = history::marks(connection)?;
    let row: StoreRow = diesel::sql_query(STORE).get_result(connection)?;
    let mut last_ids = [0; NUMBERED.len()];
    for (table, last_id) in NUMBERED.iter().zip(&mut last_ids) {
        let query = LAST_ID.replace("TABLE", table);
        let last: LastId = diesel::sql_query(query).get_result(connection)?;
        *last_id = last.last_id;
    }
    Ok(StoreCopy {
        liveness_ms: row.liveness_ms,
        sealed_at_ms: row.sealed_at_ms,
        sealed_event_id: row.sealed_event_id,
        marks,
        last_ids,
        alerting,
    })
}

#[derive(QueryableByName)]
struct StoreRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    liveness_ms: Option<i64>,
    #[diesel(sql_type = BigInt)]
    sealed_at_ms: i64,
    #[diesel(sql_type = BigInt)]
    sealed_event_id: i64,
}

/// The times of the roll-ups of a service contain its events up to a mark of its own.
const STORE: &str = "\
    SELECT sealed_at_ms, (SELECT max(committed_at_ms) FROM instances) AS liveness_ms, \
        coalesce((SELECT min(e.id) - 1 FROM service_events e \
                LEFT JOIN service_metrics m USING (service_id, region_id) \
                WHERE e.id > coalesce(m.sealed_event_id, 0)), \
            (SELECT max(id) FROM service_events), 0) AS sealed_event_id \
    FROM store";

#[derive(QueryableByName)]
struct LastId {
    #[diesel(sql_type = BigInt)]
    last_id: i64,
}

/// An identity may be behind ids that another program has written.
const LAST_ID: &str = "\
    SELECT greatest(0, (SELECT max(id) FROM TABLE), pg_sequence_last_value( \
        pg_get_serial_sequence('TABLE', 'id')::regclass)) AS last_id";

/// Writes what is beside the rows, which are all there.
pub fn set_store(connection: &mut StoreConnection, copy: &StoreCopy, now_ms: i64) -> Result<()> {
    let StoreCopy { liveness_ms, sealed_at_ms, marks, last_ids, alerting, .. } = copy;
    for (table, last_id) in NUMBERED.iter().zip(last_ids) {
        // A sequence begins at 1, and with FALSE it gives that number next.
        diesel::sql_query(format!(
            "SELECT setval(pg_get_serial_sequence('{table}', 'id'), greatest($1, 1), $1 > 0)"
        ))
        .bind::<BigInt, _>(last_id)
        .execute(connection)?;
    }
    diesel::sql_query(FOLLOW_FACTS).execute(connection)?;
    diesel::sql_query(SET_STORE).bind::<BigInt, _>(sealed_at_ms).execute(connection)?;
    diesel::sql_query(DATE_CHANGES).execute(connection)?;
    diesel::sql_query(COUNT_SHARDS).execute(connection)?;
    diesel::update(shards::table)
        .set((
            shards::watched_to_ms.eq(liveness_ms),
            shards::ticks_expired_to_ms.eq(marks.ticks_expired_to_ms),
            shards::rollups_expired_to_ms.eq(marks.rollups_expired_to_ms),
        ))
        .execute(connection)?;
    // Only the sum over all shards is ever compared with anything.
    diesel::update(shards::table.filter(shards::shard.eq(0)))
        .set(shards::expired_tick_count.eq(marks.expired_ticks.cast_signed()))
        .execute(connection)?;
    // Its liveness mark is the one from which the next instance goes on.
    let id: i64 = diesel::insert_into(instances::table)
        .values((
            instances::name.eq(ROLE),
            instances::role.eq(ROLE),
            instances::version.eq(VERSION),
            instances::committed_at_ms.eq(liveness_ms),
            instances::ended_at_ms.eq(now_ms),
        ))
        .returning(instances::id)
        .get_result(connection)?;
    diesel::update(instances::table.find(id))
        .set(instances::ended_by.eq(id))
        .execute(connection)?;
    set_alerting(connection, alerting)
}

const FOLLOW_FACTS: &str = "\
    SELECT setval(pg_get_serial_sequence('service_facts', 'id'), coalesce(max(id), 1), \
        max(id) IS NOT NULL) FROM service_facts";

const SET_STORE: &str = "\
    UPDATE store SET sealed_at_ms = $1, \
        living = (SELECT count(*) FROM services WHERE deleted_at IS NULL)";

/// As an import does: the moment of the newest change in milliseconds is not in every store.
const DATE_CHANGES: &str = "UPDATE services SET changed_ms = updated_at * 1000";

const COUNT_SHARDS: &str = "\
    WITH chunks AS ( \
        SELECT region_id, (service_id / 16 % 1024)::smallint AS shard, count(*) AS chunks, \
            sum(tick_count)::bigint AS ticks, sum(length(data))::bigint AS bytes \
        FROM service_tick_chunks GROUP BY 1, 2), \
    rollups AS ( \
        SELECT region_id, (service_id / 16 % 1024)::smallint AS shard, count(*) AS rollups \
        FROM service_rollups GROUP BY 1, 2) \
    UPDATE shards s SET chunk_count = coalesce(u.chunks, 0), \
        sealed_tick_count = coalesce(u.ticks, 0), sealed_byte_count = coalesce(u.bytes, 0), \
        rollup_count = coalesce(u.rollups, 0), expired_tick_count = 0 \
    FROM (SELECT region_id, shard, chunks, ticks, bytes, rollups FROM shards \
        LEFT JOIN chunks USING (region_id, shard) LEFT JOIN rollups USING (region_id, shard)) u \
    WHERE s.region_id = u.region_id AND s.shard = u.shard";

/// Deletes what is beside the rows and is not set by [`set_store`].
pub fn clear(connection: &mut StoreConnection) -> Result<()> {
    diesel::delete(instances::table).execute(connection)?;
    Ok(())
}

/// Passes how many events of each service the roll-ups contain.
pub fn sealed_events(
    connection: &mut StoreConnection,
    range: Range,
    each: &mut EachRow<'_>,
) -> Result<()> {
    let rows: Vec<(i64, i64)> = rows_of!(service_metrics)
        .filter(service_metrics::service_id.between(range.first, range.last))
        .order(service_metrics::service_id)
        .select((service_metrics::service_id, service_metrics::sealed_event_id))
        .load(connection)?;
    rows.into_iter()
        .try_for_each(|(service_id, event_id)| each(Row::SealedEvents { service_id, event_id }))
}

/// Passes the fresh ticks of these services, oldest first.
pub fn ticks(connection: &mut StoreConnection, range: Range, each: &mut EachRow<'_>) -> Result<()> {
    let rows = rows_of!(service_ticks)
        .filter(service_ticks::service_id.between(range.first, range.last))
        .order((service_ticks::service_id, service_ticks::seq))
        .select((service_ticks::seq, TickRow::as_select()))
        .load_iter::<(i64, TickRow), DefaultLoadingMode>(connection)?;
    for row in rows {
        let (seq, row) = row?;
        let (service_id, tick) = (row.service_id, row.tick());
        each(Row::Tick(TickCopy { service_id, seq: seq.cast_unsigned(), tick }))?;
    }
    Ok(())
}

/// Why the store cannot be copied as a whole: `None` when it can.
pub fn left_over(connection: &mut StoreConnection) -> Result<Option<String>> {
    #[derive(QueryableByName)]
    struct LeftOver {
        #[diesel(sql_type = BigInt)]
        regions: i64,
        #[diesel(sql_type = BigInt)]
        outcomes: i64,
    }
    const LEFT_OVER: &str = "\
        SELECT (SELECT count(*) FROM regions) AS regions, (SELECT count(*) FROM inbox) AS outcomes";
    let LeftOver { regions, outcomes } = diesel::sql_query(LEFT_OVER).get_result(connection)?;
    Ok(if regions > 1 {
        Some(format!("it has {regions} regions, and a store with one region can be moved"))
    } else if outcomes > 0 {
        Some(format!(
            "{outcomes} outcomes in it are not recorded yet; start the service and stop it"
        ))
    } else {
        None
    })
}
