//! A copy of the store into another one.

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::REGION;
use super::cold::facts::FactsRow;
use super::cold::rollups::RollupRow;
use super::connection::StoreConnection;
use super::rows::TickRow;
use super::schema::{
    service_events, service_facts, service_metrics, service_rollups, service_tick_chunks,
    service_ticks, services,
};
use super::store::PostgresStore;
use super::{history, transfer_alerting};
use crate::storage::history::rows::NewChunk;
use crate::storage::port::Result;
use crate::storage::transfer;
use crate::storage::transfer::{
    Copied, EachAlertingRow, EachRow, EventCopy, MetricCopy, Row, ServiceCopy, StoreCopy,
    TransferSource, TransferTarget,
};

impl PostgresStore {
    /// Copies the store, as it is at one moment, to `target`.
    pub fn copy_to(&mut self, target: &mut dyn TransferTarget) -> Result<Copied> {
        self.transaction(|store| transfer::copy(store, target))
    }
}

impl TransferSource for PostgresStore {
    fn store(&mut self) -> Result<StoreCopy> {
        self.run(|connection| {
            let marks = history::marks(connection)?;
            let row: StoreRow = diesel::sql_query(STORE).get_result(connection)?;
            Ok(StoreCopy {
                liveness_ms: row.liveness_ms,
                sealed_at_ms: row.sealed_at_ms,
                sealed_event_id: row.sealed_event_id,
                marks,
                last_service_id: row.last_service_id,
                last_event_id: row.last_event_id,
            })
        })
    }

    fn portion(&mut self, after: i64, limit: usize, each: &mut EachRow<'_>) -> Result<Option<i64>> {
        self.run(|connection| {
            let ids: Vec<i64> = services::table
                .filter(services::id.gt(after))
                .order(services::id)
                .limit(i64::try_from(limit).unwrap_or(i64::MAX))
                .select(services::id)
                .load(connection)?;
            let (Some(&first), Some(&last)) = (ids.first(), ids.last()) else { return Ok(None) };
            let range = Range { first, last };
            range.services(connection, each)?;
            range.events(connection, each)?;
            range.ticks(connection, each)?;
            range.metrics(connection, each)?;
            range.rollups(connection, each)?;
            range.chunks(connection, each)?;
            range.facts(connection, each)?;
            Ok(Some(last))
        })
    }

    fn alerting(&mut self, each: &mut EachAlertingRow<'_>) -> Result<()> {
        self.run(|connection| transfer_alerting::read(connection, each))
    }
}

#[derive(QueryableByName)]
struct StoreRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    liveness_ms: Option<i64>,
    #[diesel(sql_type = BigInt)]
    sealed_at_ms: i64,
    #[diesel(sql_type = BigInt)]
    sealed_event_id: i64,
    #[diesel(sql_type = BigInt)]
    last_service_id: i64,
    #[diesel(sql_type = BigInt)]
    last_event_id: i64,
}

/// An identity may be behind ids that another program has written. The times of the roll-ups of a
/// service contain its events up to a mark of its own.
const STORE: &str = "\
    SELECT sealed_at_ms, (SELECT max(committed_at_ms) FROM instances) AS liveness_ms, \
        coalesce((SELECT min(e.id) - 1 FROM service_events e \
                LEFT JOIN service_metrics m USING (service_id, region_id) \
                WHERE e.id > coalesce(m.sealed_event_id, 0)), \
            (SELECT max(id) FROM service_events), 0) AS sealed_event_id, \
        greatest(0, (SELECT max(id) FROM services), pg_sequence_last_value( \
            pg_get_serial_sequence('services', 'id')::regclass)) AS last_service_id, \
        greatest(0, (SELECT max(id) FROM service_events), pg_sequence_last_value( \
            pg_get_serial_sequence('service_events', 'id')::regclass)) AS last_event_id \
    FROM store";

/// The services from one id to another.
#[derive(Clone, Copy)]
struct Range {
    first: i64,
    last: i64,
}

/// The rows of a table of these services.
macro_rules! rows_of {
    ($table:ident, $range:expr) => {
        $table::table
            .filter($table::service_id.between($range.first, $range.last))
            .filter($table::region_id.eq(REGION))
    };
}

impl Range {
    fn services(self, connection: &mut StoreConnection, each: &mut EachRow<'_>) -> Result<()> {
        type Columns = (
            (i64, String, String, Option<String>, bool, Option<f64>, Option<f64>, String),
            (i64, i64, Option<i64>, Option<String>, Option<String>),
        );
        let rows = services::table
            .filter(services::id.between(self.first, self.last))
            .order(services::id)
            .select((
                (
                    services::id,
                    services::name,
                    services::url,
                    services::group_name,
                    services::enabled,
                    services::interval_seconds,
                    services::timeout_seconds,
                    services::origin,
                ),
                (
                    services::created_at,
                    services::updated_at,
                    services::deleted_at,
                    services::conditions,
                    services::options,
                ),
            ))
            .load_iter::<Columns, DefaultLoadingMode>(connection)?;
        for row in rows {
            let (
                (id, name, url, group_name, enabled, interval_seconds, timeout_seconds, origin),
                (created_at, updated_at, deleted_at, conditions, options),
            ) = row?;
            each(Row::Service(Box::new(ServiceCopy {
                id,
                name,
                url,
                group_name,
                enabled,
                interval_seconds,
                timeout_seconds,
                origin,
                created_at,
                updated_at,
                deleted_at,
                conditions,
                options,
            })))?;
        }
        Ok(())
    }

    fn events(self, connection: &mut StoreConnection, each: &mut EachRow<'_>) -> Result<()> {
        type Columns =
            (i64, i64, String, Option<String>, Option<String>, i64, Option<i64>, i64, i64);
        let rows = rows_of!(service_events, self)
            .order(service_events::id)
            .select((
                service_events::id,
                service_events::service_id,
                service_events::event,
                service_events::failure,
                service_events::failure_detail,
                service_events::date_started_ms,
                service_events::date_ended_ms,
                service_events::created_at,
                service_events::updated_at,
            ))
            .load_iter::<Columns, DefaultLoadingMode>(connection)?;
        for row in rows {
            let (id, service_id, event, failure, failure_detail, started_ms, ended_ms, at, to) =
                row?;
            each(Row::Event(EventCopy {
                id,
                service_id,
                event,
                failure,
                failure_detail,
                date_started_ms: started_ms,
                date_ended_ms: ended_ms,
                created_at: at,
                updated_at: to,
            }))?;
        }
        Ok(())
    }

    fn ticks(self, connection: &mut StoreConnection, each: &mut EachRow<'_>) -> Result<()> {
        let rows = rows_of!(service_ticks, self)
            .order((service_ticks::service_id, service_ticks::seq))
            .select(TickRow::as_select())
            .load_iter::<TickRow, DefaultLoadingMode>(connection)?;
        for row in rows {
            let row = row?;
            each(Row::Tick(row.service_id, row.tick()))?;
        }
        Ok(())
    }

    fn metrics(self, connection: &mut StoreConnection, each: &mut EachRow<'_>) -> Result<()> {
        type Columns = (
            (i64, i64, i64, i64, i64, Option<i64>, Option<i64>),
            (Option<bool>, Option<bool>, Option<i64>, Option<i64>, i64, bool),
            (i64, i64),
            (i32, i32, Option<i16>, Option<i64>),
            i64,
        );
        let rows = rows_of!(service_metrics, self)
            .order(service_metrics::service_id)
            .select((
                (
                    service_metrics::service_id,
                    service_metrics::tick_count,
                    service_metrics::up_count,
                    service_metrics::unknown_count,
                    service_metrics::response_time_sum_ns,
                    service_metrics::latest_event_id,
                    service_metrics::unwatched_from_ms,
                ),
                (
                    service_metrics::known_is_up,
                    service_metrics::streak_is_up,
                    service_metrics::streak_count,
                    service_metrics::streak_since_ms,
                    service_metrics::recent_states,
                    service_metrics::is_flapping,
                ),
                (service_metrics::created_at, service_metrics::updated_at),
                (
                    service_metrics::result_run,
                    service_metrics::slow_run,
                    service_metrics::certificate_step,
                    service_metrics::certificate_fine_since_ms,
                ),
                service_metrics::relayed_seq,
            ))
            .load_iter::<Columns, DefaultLoadingMode>(connection)?;
        for row in rows {
            let (counts, state, (created_at, updated_at), runs, relayed_seq) = row?;
            let (result_run, slow_run, certificate_step, certificate_fine_since_ms) = runs;
            let (service_id, tick_count, up_count, unknown_count, sum_ns, latest, unwatched) =
                counts;
            let (known, streak_is_up, streak_count, streak_since_ms, recent, is_flapping) = state;
            each(Row::Metric(MetricCopy {
                service_id,
                tick_count,
                up_count,
                unknown_count,
                response_time_sum_ns: sum_ns,
                latest_event_id: latest,
                known_is_up: known,
                streak_is_up,
                streak_count,
                streak_since_ms,
                recent_states: recent,
                is_flapping,
                unwatched_from_ms: unwatched,
                result_run,
                slow_run,
                certificate_step,
                certificate_fine_since_ms,
                relayed_seq,
                created_at,
                updated_at,
            }))?;
        }
        Ok(())
    }

    fn rollups(self, connection: &mut StoreConnection, each: &mut EachRow<'_>) -> Result<()> {
        let rows = rows_of!(service_rollups, self)
            .order((service_rollups::service_id, service_rollups::step_s, service_rollups::start_s))
            .select((service_rollups::service_id, RollupRow::as_select()))
            .load_iter::<(i64, RollupRow), DefaultLoadingMode>(connection)?;
        for row in rows {
            let (service_id, row) = row?;
            each(Row::Rollup(service_id, Box::new(row.into())))?;
        }
        Ok(())
    }

    fn facts(self, connection: &mut StoreConnection, each: &mut EachRow<'_>) -> Result<()> {
        let rows = service_facts::table
            .filter(service_facts::service_id.between(self.first, self.last))
            .order((service_facts::service_id, service_facts::at_ms, service_facts::id))
            .select(FactsRow::as_select())
            .load_iter::<FactsRow, DefaultLoadingMode>(connection)?;
        for row in rows {
            each(Row::Facts(row?.new_facts()?))?;
        }
        Ok(())
    }

    fn chunks(self, connection: &mut StoreConnection, each: &mut EachRow<'_>) -> Result<()> {
        type Columns = (i64, i64, i64, i64, i64, i64, i64, Vec<u8>);
        let rows = rows_of!(service_tick_chunks, self)
            .order((service_tick_chunks::service_id, service_tick_chunks::first_seq))
            .select((
                service_tick_chunks::service_id,
                service_tick_chunks::first_seq,
                service_tick_chunks::from_ms,
                service_tick_chunks::to_ms,
                service_tick_chunks::tick_count,
                service_tick_chunks::up_count,
                service_tick_chunks::down_count,
                service_tick_chunks::data,
            ))
            .load_iter::<Columns, DefaultLoadingMode>(connection)?;
        for row in rows {
            let (service_id, first_seq, from_ms, to_ms, tick_count, up_count, down_count, data) =
                row?;
            let chunk =
                NewChunk { first_seq, from_ms, to_ms, tick_count, up_count, down_count, data };
            each(Row::Chunk(service_id, chunk))?;
        }
        Ok(())
    }
}
