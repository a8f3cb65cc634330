//! The writes of an import.

use std::collections::HashMap;
use std::mem::take;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, SmallInt, Text};

use super::cold::audit;
use super::cold::rows::NewEventRow;
use super::columns::Ticks;
use super::connection::StoreConnection;
use super::schema::{service_events, service_metrics, services};
use super::store::PostgresStore;
use super::{living, sealing};
use crate::domain::audit::AuditEntry;
use crate::domain::{Origin, ServiceId, StoredTick, Tally};
use crate::storage::error::StorageError;
use crate::storage::import::{ImportedEvent, ImportedService, NewService};
use crate::storage::port::{Result, StoreImport};

/// Ticks that are written at once.
const TICKS: usize = 4_096;

/// Events that are written at once. PostgreSQL allows 65,535 parameters, and each event has nine.
const EVENTS: usize = 4_096;

/// An import within a transaction.
pub struct Import<'s> {
    store: &'s mut PostgresStore,
    keeps_ids: bool,
    /// Ticks that are not written yet.
    ticks: Ticks,
    /// Number and time of the newest tick of each service.
    newest_ticks: HashMap<ServiceId, (u64, i64)>,
}

impl<'s> Import<'s> {
    pub fn new(store: &'s mut PostgresStore) -> Result<Self> {
        let count: i64 =
            store.run(|connection| Ok(services::table.count().get_result(connection)?))?;
        let (ticks, newest_ticks) = (Ticks::default(), HashMap::new());
        Ok(Self { store, keeps_ids: count == 0, ticks, newest_ticks })
    }

    /// Ends the import; afterwards the transaction may be committed.
    pub fn finish(mut self) -> Result<()> {
        self.write_ticks()?;
        if self.keeps_ids {
            self.store.run(|connection| {
                diesel::sql_query(FOLLOW_IDS).execute(connection)?;
                Ok(())
            })?;
        }
        Ok(())
    }

    fn write_ticks(&mut self) -> Result<()> {
        let ticks = take(&mut self.ticks);
        if ticks.service_id.is_empty() {
            return Ok(());
        }
        self.store.run(|connection| insert_ticks(connection, ticks))
    }
}

/// Explicit ids do not move the sequence.
const FOLLOW_IDS: &str = "\
    SELECT setval(pg_get_serial_sequence('services', 'id'), max(id)) FROM services \
    HAVING max(id) IS NOT NULL";

const INSERT_TICKS: &str = "\
    INSERT INTO service_ticks (service_id, seq, at_ms, unphased_us, dns_us, connect_us, tls_us, \
        first_byte_us, transfer_us, state, http_status, failure) \
    SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

pub fn insert_ticks(connection: &mut StoreConnection, ticks: Ticks) -> Result<()> {
    let Ticks { service_id, seq, at_ms, unphased_us, phases_us, state, http_status, failure } =
        ticks;
    let [dns_us, connect_us, tls_us, first_byte_us, transfer_us] = phases_us;
    diesel::sql_query(INSERT_TICKS)
        .bind::<Array<BigInt>, _>(service_id)
        .bind::<Array<BigInt>, _>(seq)
        .bind::<Array<BigInt>, _>(at_ms)
        .bind::<Array<Nullable<BigInt>>, _>(unphased_us)
        .bind::<Array<Nullable<Integer>>, _>(dns_us)
        .bind::<Array<Nullable<Integer>>, _>(connect_us)
        .bind::<Array<Nullable<Integer>>, _>(tls_us)
        .bind::<Array<Nullable<Integer>>, _>(first_byte_us)
        .bind::<Array<Nullable<Integer>>, _>(transfer_us)
        .bind::<Array<SmallInt>, _>(state)
        .bind::<Array<Nullable<SmallInt>>, _>(http_status)
        .bind::<Array<Nullable<Text>>, _>(failure)
        .execute(connection)?;
    Ok(())
}

impl StoreImport for Import<'_> {
    fn add_service(&mut self, service: &NewService<'_>) -> Result<ImportedService> {
        let NewService { id, name, target, created_at, updated_at, deleted_at } = *service;
        let created_at = created_at.unwrap_or_default();
        let updated_at = updated_at.unwrap_or(created_at);
        let columns = (
            services::name.eq(name.as_str()),
            services::url.eq(target.as_str()),
            services::origin.eq(Origin::Api.as_str()),
            services::created_at.eq(created_at),
            services::updated_at.eq(updated_at),
            services::deleted_at.eq(deleted_at),
        );
        let own_id = self.keeps_ids.then(|| services::id.eq(id));
        let id = self.store.run(|connection| {
            let insert = diesel::insert_into(services::table);
            let inserted: QueryResult<i64> = match own_id {
                Some(own_id) => {
                    insert.values((own_id, columns)).returning(services::id).get_result(connection)
                }
                None => insert.values(columns).returning(services::id).get_result(connection),
            };
            let id = inserted.map_err(|error| name_taken(error, name.as_str()))?;
            let id = ServiceId::new(id)
                .ok_or_else(|| StorageError::Conflict(format!("id: {id} is not positive")))?;
            let by = i64::from(deleted_at.is_none());
            living::changed(connection, &[id], by, updated_at.saturating_mul(1_000))?;
            Ok(id)
        })?;
        Ok(ImportedService { id, name: name.as_str().to_owned(), deleted_at })
    }

    fn add_tick(&mut self, service: &ImportedService, tick: &StoredTick) -> Result<()> {
        let newest = self.newest_ticks.entry(service.id).or_default();
        *newest = (newest.0 + 1, tick.at_ms);
        self.ticks.push(service.id.get(), newest.0, tick);
        if self.ticks.service_id.len() < TICKS { Ok(()) } else { self.write_ticks() }
    }

    fn add_events(
        &mut self,
        service: &ImportedService,
        events: &[ImportedEvent],
        tally: &Tally,
    ) -> Result<()> {
        let row = |event: &ImportedEvent| NewEventRow {
            service_id: service.id.get(),
            event: event.state.event(),
            failure: None,
            failure_detail: None,
            date_started_ms: event.started_ms,
            date_ended_ms: event.ended_ms,
            created_at: event.created_at,
            updated_at: event.updated_at,
        };
        let mut newest = None;
        for part in events.chunks(EVENTS) {
            let rows: Vec<NewEventRow<'_>> = part.iter().map(row).collect();
            let ids: Vec<i64> = self.store.run(|connection| {
                Ok(diesel::insert_into(service_events::table)
                    .values(rows)
                    .returning(service_events::id)
                    .get_results(connection)?)
            })?;
            newest = ids.into_iter().max();
        }
        let (Some(event_id), Some(event)) = (newest, events.last()) else { return Ok(()) };
        let unwatched_from_ms = self.newest_ticks.get(&service.id).map(|(_, at_ms)| *at_ms);
        let sum_ns = i64::try_from(tally.response_time_sum.as_nanos()).unwrap_or(i64::MAX);
        self.store.run(|connection| {
            diesel::insert_into(service_metrics::table)
                .values((
                    service_metrics::service_id.eq(service.id.get()),
                    service_metrics::tick_count.eq(tally.tick_count.cast_signed()),
                    service_metrics::up_count.eq(tally.up_count.cast_signed()),
                    service_metrics::unknown_count.eq(tally.unknown_count.cast_signed()),
                    service_metrics::response_time_sum_ns.eq(sum_ns),
                    service_metrics::latest_event_id.eq(event_id),
                    service_metrics::known_is_up.eq(tally.known_is_up),
                    service_metrics::streak_is_up.eq(tally.streak.map(|streak| streak.is_up)),
                    service_metrics::streak_count
                        .eq(tally.streak.map(|streak| i64::from(streak.count))),
                    service_metrics::streak_since_ms.eq(tally.streak.map(|streak| streak.since_ms)),
                    service_metrics::recent_states.eq(tally.recent.bits()),
                    service_metrics::is_flapping.eq(tally.is_flapping),
                    service_metrics::created_at.eq(event.updated_at),
                    service_metrics::updated_at.eq(event.updated_at),
                    service_metrics::unwatched_from_ms.eq(unwatched_from_ms),
                ))
                .execute(connection)?;
            Ok(())
        })
    }

    fn seal_all(&mut self, chunk_ticks: usize, now_ms: i64) -> Result<()> {
        self.write_ticks()?;
        sealing::seal_all(self.store, chunk_ticks, now_ms)
    }

    fn record_audit(&mut self, entry: &AuditEntry) -> Result<()> {
        self.store.run(|connection| audit::write(connection, std::slice::from_ref(entry)))
    }
}

fn name_taken(error: diesel::result::Error, name: &str) -> StorageError {
    match StorageError::from(error) {
        StorageError::Conflict(_) => StorageError::Conflict(format!(
            "name: {name:?} is already taken here by a service without a group"
        )),
        other => other,
    }
}
