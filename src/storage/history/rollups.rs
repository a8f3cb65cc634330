//! Roll-ups: what the sealed ticks of an hour or a day add up to, and what the events say of that time.

use std::collections::BTreeMap;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::Window;
use super::uptime::spans;
use crate::domain::ServiceId;
use crate::domain::kept::PHASES;
use crate::domain::sketch::Sketch;
use crate::domain::stats::Stats;
use crate::domain::timeline::{self, Totals};
use crate::storage::StorageError;
use crate::storage::schema::{service_events, service_rollups};

/// The lengths of the buckets, in seconds: an hour and a day (UTC).
pub const STEPS_S: [i32; 2] = [HOUR_S, DAY_S];
/// An hour.
pub const HOUR_S: i32 = 3_600;
/// A day.
pub const DAY_S: i32 = 86_400;

/// Which roll-up of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// Its length in seconds, one of [`STEPS_S`].
    pub step_s: i32,
    /// Its first second, a multiple of its length.
    pub start_s: i64,
}

impl Bucket {
    /// The buckets that hold `at_ms`.
    pub fn of(at_ms: i64) -> [Self; 2] {
        let at_s = at_ms.div_euclid(1_000);
        STEPS_S.map(|step_s| Self {
            step_s,
            start_s: at_s.div_euclid(step_s.into()) * i64::from(step_s),
        })
    }

    /// The time it holds, up to `now_ms`.
    pub fn window(self, now_ms: i64) -> Window {
        let from_ms = self.start_s * 1_000;
        let end_ms = (self.start_s + i64::from(self.step_s)) * 1_000;
        // A clock that was set back may leave ticks in the future.
        Window { from_ms, to_ms: end_ms.min(now_ms).max(from_ms) }
    }
}

/// A row of `service_rollups`.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = service_rollups, check_for_backend(diesel::sqlite::Sqlite), treat_none_as_null = true)]
#[diesel(primary_key(service_id, step_s, start_s))]
pub struct RollupRow {
    service_id: i64,
    step_s: i32,
    start_s: i64,
    up_count: i64,
    down_count: i64,
    unknown_count: i64,
    up_ms: i64,
    down_ms: i64,
    unknown_ms: i64,
    paused_ms: i64,
    response_sum_us: i64,
    response_min_us: Option<i64>,
    response_max_us: Option<i64>,
    phased_count: i64,
    dns_us: i64,
    connect_us: i64,
    tls_us: i64,
    first_byte_us: i64,
    transfer_us: i64,
    sketch: Vec<u8>,
}

impl RollupRow {
    fn new(id: ServiceId, bucket: Bucket, stats: &Stats, totals: &Totals) -> Self {
        let phase = |nth: usize| stats.phases_us[nth].cast_signed();
        Self {
            service_id: id.get(),
            step_s: bucket.step_s,
            start_s: bucket.start_s,
            up_count: stats.up.cast_signed(),
            down_count: stats.down.cast_signed(),
            unknown_count: stats.unknown.cast_signed(),
            up_ms: totals.up_ms.cast_signed(),
            down_ms: totals.down_ms.cast_signed(),
            unknown_ms: totals.unknown_ms.cast_signed(),
            paused_ms: totals.paused_ms.cast_signed(),
            response_sum_us: stats.sum_us.cast_signed(),
            response_min_us: stats.min_us.map(u64::cast_signed),
            response_max_us: stats.max_us.map(u64::cast_signed),
            phased_count: stats.phased.cast_signed(),
            dns_us: phase(0),
            connect_us: phase(1),
            tls_us: phase(2),
            first_byte_us: phase(3),
            transfer_us: phase(4),
            sketch: stats.sketch.encode(),
        }
    }

    /// Which one it is.
    pub fn bucket(&self) -> Bucket {
        Bucket { step_s: self.step_s, start_s: self.start_s }
    }

    /// What its ticks add up to.
    pub fn stats(&self) -> Result<Stats, StorageError> {
        let phases: [i64; PHASES] =
            [self.dns_us, self.connect_us, self.tls_us, self.first_byte_us, self.transfer_us];
        let sketch = Sketch::decode(&self.sketch).ok_or_else(|| {
            let Self { service_id, step_s, start_s, .. } = self;
            let row = format!("service_rollups ({service_id}, {step_s}, {start_s}): sketch");
            StorageError::Unreadable(row)
        })?;
        Ok(Stats {
            up: self.up_count.cast_unsigned(),
            down: self.down_count.cast_unsigned(),
            unknown: self.unknown_count.cast_unsigned(),
            sum_us: self.response_sum_us.cast_unsigned(),
            min_us: self.response_min_us.map(i64::cast_unsigned),
            max_us: self.response_max_us.map(i64::cast_unsigned),
            phased: self.phased_count.cast_unsigned(),
            phases_us: phases.map(i64::cast_unsigned),
            sketch,
        })
    }

    /// What the events said of its time when it was written.
    pub fn totals(&self) -> Totals {
        Totals {
            up_ms: self.up_ms.cast_unsigned(),
            down_ms: self.down_ms.cast_unsigned(),
            unknown_ms: self.unknown_ms.cast_unsigned(),
            paused_ms: self.paused_ms.cast_unsigned(),
        }
    }
}

/// The events that began since the last sealing.
#[derive(Debug, Default)]
pub struct Begun {
    /// When the first of each service began.
    pub since_ms: BTreeMap<ServiceId, i64>,
    /// The id of the newest.
    pub up_to: i64,
}

/// The events behind the one of that id. By their ids and not by a clock, which may be set back: whatever moment they are dated
/// to, the times of the roll-ups there are no longer right.
pub fn begun_behind(
    connection: &mut SqliteConnection,
    event_id: i64,
) -> Result<Begun, StorageError> {
    let mut begun = Begun { up_to: event_id, ..Begun::default() };
    let events = service_events::table
        .filter(service_events::id.gt(event_id))
        .order(service_events::id)
        .select((service_events::id, service_events::service_id, service_events::date_started_ms))
        .load_iter::<(i64, i64, i64), DefaultLoadingMode>(connection)?;
    for event in events {
        let (event_id, id, started_ms) = event?;
        begun.up_to = event_id;
        if let Some(id) = ServiceId::new(id) {
            let first_ms = begun.since_ms.entry(id).or_insert(started_ms);
            *first_ms = started_ms.min(*first_ms);
        }
    }
    Ok(begun)
}

/// Adds `fresh` to the roll-ups of a service and computes the times of all that are concerned anew; part of the caller's
/// transaction. Gives how many rows are new. `begun_ms` is when the first event began that was not looked at yet.
pub fn merge(
    connection: &mut SqliteConnection,
    id: ServiceId,
    fresh: &BTreeMap<Bucket, Stats>,
    begun_ms: Option<i64>,
    now_ms: i64,
) -> Result<i64, StorageError> {
    let days = begun_ms.map(|at_ms| Bucket::of(at_ms)[1]);
    let starts = fresh.keys().copied().chain(days).map(|bucket| bucket.start_s * 1_000);
    let Some(from_ms) = starts.min() else { return Ok(0) };
    let known = spans(connection, id, Window { from_ms, to_ms: now_ms.max(from_ms + 1) })?;
    let totals = |bucket: Bucket| {
        let window = bucket.window(now_ms);
        timeline::totals(&known, window.from_ms, window.to_ms)
    };
    let mut added = 0;
    for (bucket, stats) in fresh {
        let row = RollupRow::new(id, *bucket, stats, &totals(*bucket));
        let is_new = diesel::insert_or_ignore_into(service_rollups::table)
            .values(&row)
            .execute(connection)?;
        added += is_new as i64;
        if is_new == 0 {
            let kept: RollupRow =
                row_of(id, *bucket).select(RollupRow::as_select()).first(connection)?;
            let mut all = kept.stats()?;
            all.merge(stats);
            let row = RollupRow::new(id, *bucket, &all, &totals(*bucket));
            diesel::update(row_of(id, *bucket)).set(&row).execute(connection)?;
        }
    }
    if let Some(begun_ms) = begun_ms {
        refresh_times(connection, id, begun_ms, fresh, totals)?;
    }
    Ok(added)
}

/// Computes the times of the rows from `begun_ms` on anew, but for those of `done`.
fn refresh_times(
    connection: &mut SqliteConnection,
    id: ServiceId,
    begun_ms: i64,
    done: &BTreeMap<Bucket, Stats>,
    totals: impl Fn(Bucket) -> Totals,
) -> Result<(), StorageError> {
    for first in Bucket::of(begun_ms) {
        let starts: Vec<i64> = service_rollups::table
            .filter(service_rollups::service_id.eq(id.get()))
            .filter(service_rollups::step_s.eq(first.step_s))
            .filter(service_rollups::start_s.ge(first.start_s))
            .select(service_rollups::start_s)
            .load(connection)?;
        for start_s in starts {
            let bucket = Bucket { step_s: first.step_s, start_s };
            if done.contains_key(&bucket) {
                continue;
            }
            let totals = totals(bucket);
            diesel::update(row_of(id, bucket))
                .set((
                    service_rollups::up_ms.eq(totals.up_ms.cast_signed()),
                    service_rollups::down_ms.eq(totals.down_ms.cast_signed()),
                    service_rollups::unknown_ms.eq(totals.unknown_ms.cast_signed()),
                    service_rollups::paused_ms.eq(totals.paused_ms.cast_signed()),
                ))
                .execute(connection)?;
        }
    }
    Ok(())
}

#[diesel::dsl::auto_type]
fn row_of(id: ServiceId, bucket: Bucket) -> _ {
    let (id, step_s, start_s): (i64, i32, i64) = (id.get(), bucket.step_s, bucket.start_s);
    service_rollups::table.find((id, step_s, start_s))
}

/// The roll-ups of that length of a service whose start lies in `window`, oldest first.
pub fn within(
    connection: &mut SqliteConnection,
    id: ServiceId,
    step_s: i32,
    window: Window,
) -> Result<Vec<RollupRow>, StorageError> {
    let rows = service_rollups::table
        .filter(service_rollups::service_id.eq(id.get()))
        .filter(service_rollups::step_s.eq(step_s))
        .filter(service_rollups::start_s.ge(window.from_ms.div_euclid(1_000)))
        .filter(service_rollups::start_s.lt((window.to_ms - 1).div_euclid(1_000) + 1))
        .order(service_rollups::start_s)
        .select(RollupRow::as_select())
        .load(connection)?;
    Ok(rows)
}
