//! The writes of an import.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::cold::audit;
use super::cold::rows::NewEventRow;
use super::metrics::TallyRow;
use super::rows::TickRow;
use super::schema::{service_events, service_metrics, services};
use super::{fresh, sealing};
use crate::domain::audit::AuditEntry;
use crate::domain::{Origin, ServiceId, StoredTick, Tally};
use crate::storage::error::StorageError;
use crate::storage::import::{ImportedEvent, ImportedService, NewService};
use crate::storage::port::{Result, StoreImport};

/// An import within a transaction.
pub struct Import<'c> {
    connection: &'c mut SqliteConnection,
    keeps_ids: bool,
    next_tick_id: i64,
    /// Id and time of the newest tick of each service.
    newest_ticks: HashMap<ServiceId, (i64, i64)>,
}

impl<'c> Import<'c> {
    pub fn new(connection: &'c mut SqliteConnection) -> Result<Self> {
        let count: i64 = services::table.count().get_result(connection)?;
        let next_tick_id = fresh::extent(connection)?.next_id;
        let newest_ticks = HashMap::new();
        Ok(Self { connection, keeps_ids: count == 0, next_tick_id, newest_ticks })
    }
}

impl StoreImport for Import<'_> {
    fn add_service(&mut self, service: &NewService<'_>) -> Result<ImportedService> {
        let NewService { id, name, target, created_at, updated_at, deleted_at } = *service;
        let created_at = created_at.unwrap_or_default();
        let columns = (
            services::name.eq(name.as_str()),
            services::url.eq(target.as_str()),
            services::origin.eq(Origin::Api.as_str()),
            services::created_at.eq(created_at),
            services::updated_at.eq(updated_at.unwrap_or(created_at)),
            services::deleted_at.eq(deleted_at),
        );
        let insert = diesel::insert_into(services::table);
        let inserted: QueryResult<i64> = if self.keeps_ids {
            insert
                .values((services::id.eq(id), columns))
                .returning(services::id)
                .get_result(self.connection)
        } else {
            insert.values(columns).returning(services::id).get_result(self.connection)
        };
        let id = inserted.map_err(|error| match StorageError::from(error) {
            StorageError::Conflict(_) => StorageError::Conflict(format!(
                "name: {:?} is already taken here by a service without a group",
                name.as_str()
            )),
            other => other,
        })?;
        let id = ServiceId::new(id)
            .ok_or_else(|| StorageError::Conflict(format!("id: {id} is not positive")))?;
        Ok(ImportedService { id, name: name.as_str().to_owned(), deleted_at })
    }

    fn add_tick(&mut self, service: &ImportedService, tick: &StoredTick) -> Result<()> {
        let id = self.next_tick_id;
        self.next_tick_id += 1;
        let previous = self.newest_ticks.insert(service.id, (id, tick.at_ms));
        let previous = previous.map(|(id, _)| id);
        let row = TickRow::new(id, service.id, previous, tick);
        row.insert(self.connection)?;
        Ok(())
    }

    fn add_events(
        &mut self,
        service: &ImportedService,
        events: &[ImportedEvent],
        tally: &Tally,
    ) -> Result<()> {
        let mut newest = None;
        for event in events {
            let row = NewEventRow {
                service_id: service.id.get(),
                event: event.state.event(),
                failure: None,
                failure_detail: None,
                date_started_ms: event.started_ms,
                date_ended_ms: event.ended_ms,
                created_at: event.created_at,
                updated_at: event.updated_at,
            };
            let id: i64 = diesel::insert_into(service_events::table)
                .values(row)
                .returning(service_events::id)
                .get_result(self.connection)?;
            newest = Some((id, event.updated_at));
        }
        let Some((event_id, at)) = newest else { return Ok(()) };
        let (tick_id, unwatched_from_ms) = self.newest_ticks.get(&service.id).copied().unzip();
        diesel::insert_into(service_metrics::table)
            .values((
                TallyRow::new(service.id, tally, Some(event_id), tick_id, at),
                service_metrics::created_at.eq(at),
                service_metrics::unwatched_from_ms.eq(unwatched_from_ms),
            ))
            .execute(self.connection)?;
        Ok(())
    }

    fn seal_all(&mut self, chunk_ticks: usize, now_ms: i64) -> Result<()> {
        sealing::seal_all(self.connection, chunk_ticks, now_ms)
    }

    fn record_audit(&mut self, entry: &AuditEntry) -> Result<()> {
        audit::write(self.connection, std::slice::from_ref(entry))
    }
}
