//! What a result changes in `service_metrics`, in statements that are prepared once.
//!
//! diesel prepares an `UPDATE` and an `ON CONFLICT` anew each time, since what they set may vary; parsing took two thirds of
//! the hot commit. [`Update`] always sets the same columns, and so its prepared statement can be kept.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Nullable};
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::error::StorageError;
use super::schema::service_metrics;
use crate::domain::{ServiceId, Tally};

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
        match Update(self).execute(connection)? {
            0 => Err(StorageError::Conflict("its row in service_metrics has gone".to_owned())),
            _ => Ok(()),
        }
    }
}

/// Sets all of a row but its newest event, which changes seldom and would have its foreign key looked after each time.
struct Update<'a>(&'a TallyRow);

impl QueryId for Update<'_> {
    type QueryId = Update<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<SqliteConnection> for Update<'_> {}

impl QueryFragment<Sqlite> for Update<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let row = self.0;
        out.push_sql("UPDATE service_metrics SET tick_count = ");
        out.push_bind_param::<BigInt, _>(&row.tick_count)?;
        out.push_sql(", up_count = ");
        out.push_bind_param::<BigInt, _>(&row.up_count)?;
        out.push_sql(", unknown_count = ");
        out.push_bind_param::<BigInt, _>(&row.unknown_count)?;
        out.push_sql(", response_time_sum_ns = ");
        out.push_bind_param::<BigInt, _>(&row.response_time_sum_ns)?;
        out.push_sql(", latest_tick_id = ");
        out.push_bind_param::<Nullable<BigInt>, _>(&row.latest_tick_id)?;
        out.push_sql(", known_is_up = ");
        out.push_bind_param::<Nullable<Bool>, _>(&row.known_is_up)?;
        out.push_sql(", streak_is_up = ");
        out.push_bind_param::<Nullable<Bool>, _>(&row.streak_is_up)?;
        out.push_sql(", streak_count = ");
        out.push_bind_param::<Nullable<BigInt>, _>(&row.streak_count)?;
        out.push_sql(", streak_since_ms = ");
        out.push_bind_param::<Nullable<BigInt>, _>(&row.streak_since_ms)?;
        out.push_sql(", recent_states = ");
        out.push_bind_param::<BigInt, _>(&row.recent_states)?;
        out.push_sql(", is_flapping = ");
        out.push_bind_param::<Bool, _>(&row.is_flapping)?;
        out.push_sql(", updated_at = ");
        out.push_bind_param::<BigInt, _>(&row.updated_at)?;
        out.push_sql(" WHERE service_id = ");
        out.push_bind_param::<BigInt, _>(&row.service_id)
    }
}
