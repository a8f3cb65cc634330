//! Writing history that was made elsewhere; part of the caller's transaction.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use crate::domain::history::tick::StoredTick;
use crate::domain::{Name, Origin, ServiceId, State, Tally, Target};
use crate::storage::error::StorageError;
use crate::storage::history::{fresh, seal};
use crate::storage::models::{NewEvent, TickRow, origin_word};
use crate::storage::schema::{service_events, service_metrics, service_ticks, services};
use crate::storage::tallies::TallyRow;

/// A service that was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedService {
    /// Its key here.
    pub id: ServiceId,
    /// Its name here.
    pub name: String,
    /// Unix seconds of its deletion, if it was deleted.
    pub deleted_at: Option<i64>,
}

/// An event that was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedEvent {
    /// What it says.
    pub state: State,
    /// Unix milliseconds of its start.
    pub started_ms: i64,
    /// Unix milliseconds of its end; `None` while it lasts.
    pub ended_ms: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// History under writing.
pub struct History<'c> {
    connection: &'c mut SqliteConnection,
    keeps_ids: bool,
    next_tick_id: i64,
    /// Id and time of the newest tick of each service.
    newest_ticks: HashMap<ServiceId, (i64, i64)>,
}

impl<'c> History<'c> {
    /// Ids are kept while the store has never had a service.
    pub fn new(connection: &'c mut SqliteConnection) -> Result<Self, StorageError> {
        let count: i64 = services::table.count().get_result(connection)?;
        let next_tick_id = fresh::extent(connection)?.next_id;
        let newest_ticks = HashMap::new();
        Ok(Self { connection, keeps_ids: count == 0, next_tick_id, newest_ticks })
    }

    /// Adds a service, with its old `id` where ids are kept. Times are unix seconds.
    pub fn add_service(
        &mut self,
        id: i64,
        name: &Name,
        target: &Target,
        created_at: Option<i64>,
        updated_at: Option<i64>,
        deleted_at: Option<i64>,
    ) -> Result<ImportedService, StorageError> {
        let created_at = created_at.unwrap_or_default();
        let columns = (
            services::name.eq(name.as_str()),
            services::url.eq(target.as_str()),
            services::origin.eq(origin_word(Origin::Api)),
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
            StorageError::Conflict(_) => {
                StorageError::Conflict(format!("name: {:?} is already taken here", name.as_str()))
            }
            other => other,
        })?;
        let id = ServiceId::new(id)
            .ok_or_else(|| StorageError::Conflict(format!("id: {id} is not positive")))?;
        Ok(ImportedService { id, name: name.as_str().to_owned(), deleted_at })
    }

    /// Adds a tick behind those that the service has.
    pub fn add_tick(
        &mut self,
        service: &ImportedService,
        tick: &StoredTick,
    ) -> Result<(), StorageError> {
        let id = self.next_tick_id;
        self.next_tick_id += 1;
        let previous = self.newest_ticks.insert(service.id, (id, tick.at_ms));
        let previous = previous.map(|(id, _)| id);
        let row = TickRow::new(id, service.id, previous, tick);
        diesel::insert_into(service_ticks::table).values(row).execute(self.connection)?;
        Ok(())
    }

    /// Seals all ticks, in chunks of `chunk_ticks`.
    pub fn finish(self, chunk_ticks: usize, now_ms: i64) -> Result<(), StorageError> {
        seal::seal_all(self.connection, chunk_ticks, now_ms)
    }

    /// Adds the events of a service, oldest first, and then what its ticks add up to. Without an event there is no tick
    /// either, and nothing to keep.
    pub fn add_events(
        &mut self,
        service: &ImportedService,
        events: &[ImportedEvent],
        tally: &Tally,
    ) -> Result<(), StorageError> {
        let mut newest = None;
        for event in events {
            let row = NewEvent {
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
        let newest_tick = self.newest_ticks.get(&service.id);
        let unwatched_from_ms = newest_tick.map(|(_, at_ms)| *at_ms);
        if let Some((event_id, at)) = newest {
            diesel::insert_into(service_metrics::table)
                .values((
                    TallyRow::new(
                        service.id,
                        tally,
                        Some(event_id),
                        newest_tick.map(|it| it.0),
                        at,
                    ),
                    service_metrics::created_at.eq(at),
                    service_metrics::unwatched_from_ms.eq(unwatched_from_ms),
                ))
                .execute(self.connection)?;
        }
        Ok(())
    }
}
