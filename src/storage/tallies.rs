//! What a result changes in `service_metrics`.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use crate::domain::{ServiceId, Tally};
use crate::storage::error::StorageError;
use crate::storage::prepared::{Prepared, Text};
use crate::storage::schema::service_metrics;

/// What a tally writes into `service_metrics`.
#[derive(Debug, Insertable)]
#[diesel(table_name = service_metrics, treat_none_as_default_value = false)]
pub struct TallyRow {
    pub service_id: i64,
    pub tick_count: i64,
    pub up_count: i64,
    pub unknown_count: i64,
    pub response_time_sum_ns: i64,
    pub latest_event_id: Option<i64>,
    pub latest_tick_id: Option<i64>,
    pub known_is_up: Option<bool>,
    pub streak_is_up: Option<bool>,
    pub streak_count: Option<i64>,
    pub streak_since_ms: Option<i64>,
    pub recent_states: i64,
    pub is_flapping: bool,
    pub updated_at: i64,
}

impl TallyRow {
    /// The columns of `tally`, whose newest event and tick are `latest_event_id` and `latest_tick_id`.
    pub fn new(
        id: ServiceId,
        tally: &Tally,
        latest_event_id: Option<i64>,
        latest_tick_id: Option<i64>,
        now: i64,
    ) -> Self {
        Self {
            service_id: id.get(),
            tick_count: tally.tick_count.cast_signed(),
            up_count: tally.up_count.cast_signed(),
            unknown_count: tally.unknown_count.cast_signed(),
            // 292 years of response time fit.
            response_time_sum_ns: i64::try_from(tally.response_time_sum.as_nanos())
                .unwrap_or(i64::MAX),
            latest_event_id,
            latest_tick_id,
            known_is_up: tally.known_is_up,
            streak_is_up: tally.streak.map(|streak| streak.is_up),
            streak_count: tally.streak.map(|streak| streak.count.into()),
            streak_since_ms: tally.streak.map(|streak| streak.since_ms),
            recent_states: tally.recent.bits(),
            is_flapping: tally.is_flapping,
            updated_at: now,
        }
    }

    /// Writes the first row of its service.
    pub fn insert(self, connection: &mut SqliteConnection) -> QueryResult<()> {
        let created_at = service_metrics::created_at.eq(self.updated_at);
        diesel::insert_into(service_metrics::table)
            .values((self, created_at))
            .execute(connection)?;
        Ok(())
    }

    /// Brings the row of its service up to date; which event is the newest is left as it is.
    ///
    /// Errors: `Conflict` when there is no row any more.
    pub fn update(&self, connection: &mut SqliteConnection) -> Result<(), StorageError> {
        let numbers = [
            Some(self.tick_count),
            Some(self.up_count),
            Some(self.unknown_count),
            Some(self.response_time_sum_ns),
            self.latest_tick_id,
            self.known_is_up.map(i64::from),
            self.streak_is_up.map(i64::from),
            self.streak_count,
            self.streak_since_ms,
            Some(self.recent_states),
            Some(self.is_flapping.into()),
            Some(self.updated_at),
            Some(self.service_id),
        ];
        match Prepared::new(Update, numbers).execute(connection)? {
            0 => Err(StorageError::Conflict("its row in service_metrics has gone".to_owned())),
            _ => Ok(()),
        }
    }
}

/// Sets all of a row but its newest event, which changes seldom and would have its foreign key looked after each time.
struct Update;

impl Text<13> for Update {
    const PARTS: [&'static str; 13] = [
        "UPDATE service_metrics SET tick_count = ",
        ", up_count = ",
        ", unknown_count = ",
        ", response_time_sum_ns = ",
        ", latest_tick_id = ",
        ", known_is_up = ",
        ", streak_is_up = ",
        ", streak_count = ",
        ", streak_since_ms = ",
        ", recent_states = ",
        ", is_flapping = ",
        ", updated_at = ",
        " WHERE service_id = ",
    ];
}
