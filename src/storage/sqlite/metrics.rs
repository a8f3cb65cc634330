//! The columns of `service_metrics` that a commit writes.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::prepared::{Prepared, Text};
use super::schema::service_metrics;
use crate::domain::alert::Runs;
use crate::domain::{ServiceId, Tally};
use crate::storage::error::StorageError;

/// The columns that a tally sets.
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
    /// `now` is in unix seconds.
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

    /// Stores the first row of its service.
    pub fn insert(self, connection: &mut SqliteConnection) -> QueryResult<()> {
        let created_at = service_metrics::created_at.eq(self.updated_at);
        diesel::insert_into(service_metrics::table)
            .values((self, created_at))
            .execute(connection)?;
        Ok(())
    }

    /// Updates the row of its service, except for `latest_event_id`. Error `Conflict` when the row
    /// is missing.
    pub fn update(
        &self,
        connection: &mut SqliteConnection,
        relayed_seq: Option<u64>,
    ) -> Result<(), StorageError> {
        let numbers = self.numbers();
        let updated = match relayed_seq {
            None => Prepared::new(Update, numbers).execute(connection)?,
            Some(seq) => {
                let [columns @ .., service_id] = numbers;
                let mut numbers = [service_id; 14];
                numbers[..columns.len()].copy_from_slice(&columns);
                numbers[columns.len()] = Some(seq.cast_signed());
                Prepared::new(UpdateRelayed, numbers).execute(connection)?
            }
        };
        match updated {
            0 => Err(StorageError::Conflict("its row in service_metrics is missing".to_owned())),
            _ => Ok(()),
        }
    }

    fn numbers(&self) -> [Option<i64>; 13] {
        [
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
        ]
    }
}

/// The parts of an update, with those of `$more` before the service.
macro_rules! update {
    ($($more:literal)?) => {
        [
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
            $($more,)?
            " WHERE service_id = ",
        ]
    };
}

/// Without `latest_event_id`, which changes seldom and whose foreign key SQLite would check each
/// time.
struct Update;

impl Text<13> for Update {
    const PARTS: [&'static str; 13] = update!();
}

/// As [`Update`], with the cursor of remote write.
struct UpdateRelayed;

impl Text<14> for UpdateRelayed {
    const PARTS: [&'static str; 14] = update!(", relayed_seq = ");
}

/// Stores up to which tick a service is relayed, unless its row has a later one.
pub fn set_relayed(
    connection: &mut SqliteConnection,
    id: ServiceId,
    seq: u64,
) -> Result<(), StorageError> {
    let seq = Some(seq.cast_signed());
    Prepared::new(SetRelayed, [seq, Some(id.get()), seq]).execute(connection)?;
    Ok(())
}

struct SetRelayed;

impl Text<3> for SetRelayed {
    const PARTS: [&'static str; 3] = [
        "UPDATE service_metrics SET relayed_seq = ",
        " WHERE service_id = ",
        " AND relayed_seq < ",
    ];
}

/// Makes an event the newest one of its service.
pub fn set_latest_event(
    connection: &mut SqliteConnection,
    id: ServiceId,
    event_id: i64,
) -> Result<(), StorageError> {
    Prepared::new(SetLatestEvent, [event_id, id.get()].map(Some)).execute(connection)?;
    Ok(())
}

struct SetLatestEvent;

impl Text<2> for SetLatestEvent {
    const PARTS: [&'static str; 2] =
        ["UPDATE service_metrics SET latest_event_id = ", " WHERE service_id = "];
}

/// Sets the runs of a service. Seldom: a run is counted up to the longest one that is signalled.
pub fn set_runs(
    connection: &mut SqliteConnection,
    id: ServiceId,
    runs: &Runs,
) -> Result<(), StorageError> {
    let numbers = [
        Some(runs.results.into()),
        Some(runs.slow.into()),
        runs.certificate_step.map(i64::from),
        runs.certificate_fine_since_ms,
        Some(id.get()),
    ];
    Prepared::new(SetRuns, numbers).execute(connection)?;
    Ok(())
}

struct SetRuns;

impl Text<5> for SetRuns {
    const PARTS: [&'static str; 5] = [
        "UPDATE service_metrics SET result_run = ",
        ", slow_run = ",
        ", certificate_step = ",
        ", certificate_fine_since_ms = ",
        " WHERE service_id = ",
    ];
}

/// Clears the time up to which the imported history of a service reaches.
pub fn clear_unwatched(
    connection: &mut SqliteConnection,
    id: ServiceId,
) -> Result<(), StorageError> {
    diesel::update(service_metrics::table.find(id.get()))
        .set(service_metrics::unwatched_from_ms.eq(None::<i64>))
        .execute(connection)?;
    Ok(())
}
