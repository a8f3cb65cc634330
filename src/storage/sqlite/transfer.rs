//! A new file that receives a copy of a store.

use std::collections::HashMap;
use std::path::Path;

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;

use super::cold::facts::FactsRow;
use super::connection::{connect, set};
use super::rows::{NewChunkRow, NewRollupRow, TickRow};
use super::schema::{
    history, liveness, service_events, service_facts, service_metrics, service_rollups,
    service_tick_chunks, service_ticks, services,
};
use super::store::set_up_if_empty;
use super::{migrations, transfer_alerting};
use crate::domain::{ServiceId, StoredTick};
use crate::storage::error::StorageError;
use crate::storage::port::Result;
use crate::storage::transfer::{
    AlertingRow, EventCopy, MetricCopy, Row, ServiceCopy, StoreCopy, TransferTarget,
};

type Manager = AnsiTransactionManager;

/// PRAGMAs for a file that is removed when the copy fails. The caller syncs it.
const COPYING: [&str; 4] =
    ["journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "cache_size = -65536"];

/// A file that is being filled, without a log beside it.
pub struct NewFile {
    connection: SqliteConnection,
    next_tick_id: i64,
    /// The newest tick of each service of the portion.
    newest_ticks: HashMap<i64, i64>,
    counters: Counters,
}

/// Counters of `history`.
#[derive(Debug, Default)]
struct Counters {
    chunks: i64,
    sealed_ticks: i64,
    sealed_bytes: i64,
    rollups: i64,
}

impl NewFile {
    /// Creates the tables in `file`, which must be empty and unused.
    pub fn create(file: &Path) -> std::result::Result<Self, String> {
        let path = file.to_str().ok_or("its path is not UTF-8")?;
        let mut connection = connect(path).map_err(|error| error.to_string())?;
        set(&mut connection, &COPYING)
            .and_then(|()| set_up_if_empty(&mut connection))
            .map_err(|error| error.to_string())?;
        migrations::run(&mut connection)?;
        let (newest_ticks, counters) = (HashMap::new(), Counters::default());
        Ok(Self { connection, next_tick_id: 1, newest_ticks, counters })
    }

    fn add_tick(&mut self, service_id: i64, tick: &StoredTick) -> Result<()> {
        let id = self.next_tick_id;
        self.next_tick_id += 1;
        let previous = self.newest_ticks.insert(service_id, id);
        let row = TickRow::new(id, known_id(service_id)?, previous, tick);
        diesel::insert_into(service_ticks::table).values(row).execute(&mut self.connection)?;
        Ok(())
    }
}

impl TransferTarget for NewFile {
    fn begin(&mut self) -> Result<()> {
        self.newest_ticks.clear();
        Ok(Manager::begin_transaction(&mut self.connection)?)
    }

    fn add(&mut self, row: Row) -> Result<()> {
        match row {
            Row::Service(service) => add_service(&mut self.connection, &service),
            Row::Event(event) => add_event(&mut self.connection, &event),
            Row::Tick(service_id, tick) => self.add_tick(service_id, &tick),
            Row::Metric(metric) => {
                let newest_tick = self.newest_ticks.get(&metric.service_id).copied();
                add_metric(&mut self.connection, &metric, newest_tick)
            }
            Row::Rollup(service_id, rollup) => {
                let row = NewRollupRow::new(known_id(service_id)?, &rollup);
                let insert = diesel::insert_into(service_rollups::table).values(row);
                self.counters.rollups += 1;
                insert.execute(&mut self.connection).map(drop).map_err(Into::into)
            }
            Row::Chunk(service_id, chunk) => {
                let row = NewChunkRow::new(known_id(service_id)?, &chunk);
                let insert = diesel::insert_into(service_tick_chunks::table).values(row);
                self.counters.chunks += 1;
                self.counters.sealed_ticks += chunk.tick_count;
                self.counters.sealed_bytes += chunk.data.len() as i64;
                insert.execute(&mut self.connection).map(drop).map_err(Into::into)
            }
            Row::Facts(new) => {
                let insert = diesel::insert_into(service_facts::table);
                insert.values(FactsRow::from(&new)).execute(&mut self.connection)?;
                Ok(())
            }
        }
    }

    fn add_alerting(&mut self, row: AlertingRow) -> Result<()> {
        transfer_alerting::add(&mut self.connection, row)
    }

    fn commit(&mut self) -> Result<()> {
        Ok(Manager::commit_transaction(&mut self.connection)?)
    }

    fn finish(&mut self, store: &StoreCopy) -> Result<()> {
        let StoreCopy { liveness_ms, sealed_at_ms, sealed_event_id, marks, .. } = *store;
        let Counters { chunks, sealed_ticks, sealed_bytes, rollups } = self.counters;
        self.connection.transaction(|connection| {
            diesel::update(history::table)
                .set((
                    history::sealed_event_id.eq(sealed_event_id),
                    history::sealed_at_ms.eq(sealed_at_ms),
                    history::chunk_count.eq(chunks),
                    history::sealed_tick_count.eq(sealed_ticks),
                    history::sealed_byte_count.eq(sealed_bytes),
                    history::rollup_count.eq(rollups),
                    history::expired_tick_count.eq(marks.expired_ticks.cast_signed()),
                    history::ticks_expired_to_ms.eq(marks.ticks_expired_to_ms),
                    history::rollups_expired_to_ms.eq(marks.rollups_expired_to_ms),
                ))
                .execute(connection)?;
            if let Some(at_ms) = liveness_ms {
                diesel::insert_into(liveness::table)
                    .values((liveness::id.eq(1_i64), liveness::at_ms.eq(at_ms)))
                    .execute(connection)?;
            }
            continue_after(connection, "services", store.last_service_id)?;
            continue_after(connection, "service_events", store.last_event_id)
        })
    }
}

/// The next row of `table` gets a greater id than `last`.
fn continue_after(connection: &mut SqliteConnection, table: &str, last: i64) -> Result<()> {
    diesel::sql_query("DELETE FROM sqlite_sequence WHERE name = ?")
        .bind::<Text, _>(table)
        .execute(connection)?;
    diesel::sql_query("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)")
        .bind::<Text, _>(table)
        .bind::<BigInt, _>(last)
        .execute(connection)?;
    Ok(())
}

fn known_id(id: i64) -> Result<ServiceId> {
    ServiceId::new(id).ok_or_else(|| StorageError::Unreadable(format!("services has the id {id}")))
}

fn add_service(connection: &mut SqliteConnection, service: &ServiceCopy) -> Result<()> {
    diesel::insert_into(services::table)
        .values((
            services::id.eq(service.id),
            services::name.eq(&service.name),
            services::url.eq(&service.url),
            services::group_name.eq(&service.group_name),
            services::enabled.eq(service.enabled),
            services::interval_seconds.eq(service.interval_seconds),
            services::timeout_seconds.eq(service.timeout_seconds),
            services::origin.eq(&service.origin),
            services::created_at.eq(service.created_at),
            services::updated_at.eq(service.updated_at),
            services::deleted_at.eq(service.deleted_at),
            services::conditions.eq(&service.conditions),
            services::options.eq(&service.options),
        ))
        .execute(connection)?;
    Ok(())
}

fn add_event(connection: &mut SqliteConnection, event: &EventCopy) -> Result<()> {
    diesel::insert_into(service_events::table)
        .values((
            service_events::id.eq(event.id),
            service_events::service_id.eq(event.service_id),
            service_events::event.eq(&event.event),
            service_events::failure.eq(&event.failure),
            service_events::failure_detail.eq(&event.failure_detail),
            service_events::date_started_ms.eq(event.date_started_ms),
            service_events::date_ended_ms.eq(event.date_ended_ms),
            service_events::created_at.eq(event.created_at),
            service_events::updated_at.eq(event.updated_at),
        ))
        .execute(connection)?;
    Ok(())
}

fn add_metric(
    connection: &mut SqliteConnection,
    metric: &MetricCopy,
    newest_tick: Option<i64>,
) -> Result<()> {
    diesel::insert_into(service_metrics::table)
        .values((
            service_metrics::service_id.eq(metric.service_id),
            service_metrics::tick_count.eq(metric.tick_count),
            service_metrics::up_count.eq(metric.up_count),
            service_metrics::unknown_count.eq(metric.unknown_count),
            service_metrics::response_time_sum_ns.eq(metric.response_time_sum_ns),
            service_metrics::latest_event_id.eq(metric.latest_event_id),
            service_metrics::latest_tick_id.eq(newest_tick),
            service_metrics::known_is_up.eq(metric.known_is_up),
            service_metrics::streak_is_up.eq(metric.streak_is_up),
            service_metrics::streak_count.eq(metric.streak_count),
            service_metrics::streak_since_ms.eq(metric.streak_since_ms),
            service_metrics::recent_states.eq(metric.recent_states),
            service_metrics::is_flapping.eq(metric.is_flapping),
            service_metrics::created_at.eq(metric.created_at),
            service_metrics::updated_at.eq(metric.updated_at),
            service_metrics::unwatched_from_ms.eq(metric.unwatched_from_ms),
            service_metrics::result_run.eq(metric.result_run),
            service_metrics::slow_run.eq(metric.slow_run),
            service_metrics::certificate_step.eq(metric.certificate_step),
            service_metrics::certificate_fine_since_ms.eq(metric.certificate_fine_since_ms),
            service_metrics::relayed_seq.eq(metric.relayed_seq),
        ))
        .execute(connection)?;
    Ok(())
}
