//! Roll-ups: what the sealed ticks of an hour or a day add up to, and what the events say of that time.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use crate::domain::ServiceId;
use crate::domain::Window;
use crate::domain::history::sketch::Sketch;
use crate::domain::history::stats::Stats;
use crate::domain::history::tick::PHASES;
use crate::domain::history::timeline::Totals;
use crate::storage::StorageError;
use crate::storage::history::uptime::{spans, totals_of};
use crate::storage::schema::service_rollups;

/// Length of an hour's bucket, in seconds.
pub const HOUR_S: i32 = 3_600;
/// Length of a day's (UTC).
pub const DAY_S: i32 = 86_400;

/// Which roll-up of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// Its length in seconds: [`HOUR_S`] or [`DAY_S`].
    pub step_s: i32,
    /// Its first second, a multiple of its length.
    pub start_s: i64,
}

impl Bucket {
    /// The hour that holds `at_ms`.
    pub fn hour(at_ms: i64) -> Self {
        Self::holding(at_ms.div_euclid(1_000), HOUR_S)
    }

    /// The day that holds it.
    pub fn day(self) -> Self {
        Self::holding(self.start_s, DAY_S)
    }

    fn holding(at_s: i64, step_s: i32) -> Self {
        Self { step_s, start_s: at_s.div_euclid(step_s.into()) * i64::from(step_s) }
    }

    /// The second after its last.
    pub fn end_s(self) -> i64 {
        self.start_s + i64::from(self.step_s)
    }

    /// The time it holds, up to `now_ms`.
    pub fn window(self, now_ms: i64) -> Window {
        let from_ms = self.start_s * 1_000;
        // A clock that was set back may leave ticks in the future.
        Window { from_ms, to_ms: (self.end_s() * 1_000).min(now_ms).max(from_ms) }
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
    /// The row of what ticks add up to, before the events are asked.
    pub fn new(id: ServiceId, bucket: Bucket, stats: &Stats) -> Self {
        let phase = |nth: usize| stats.phases_us[nth].cast_signed();
        Self {
            service_id: id.get(),
            step_s: bucket.step_s,
            start_s: bucket.start_s,
            up_count: stats.up.cast_signed(),
            down_count: stats.down.cast_signed(),
            unknown_count: stats.unknown.cast_signed(),
            up_ms: 0,
            down_ms: 0,
            unknown_ms: 0,
            paused_ms: 0,
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

    /// The row with what the events say of its time.
    fn with(self, totals: &Totals) -> Self {
        Self {
            up_ms: totals.up_ms.cast_signed(),
            down_ms: totals.down_ms.cast_signed(),
            unknown_ms: totals.unknown_ms.cast_signed(),
            paused_ms: totals.paused_ms.cast_signed(),
            ..self
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

/// Adds the `fresh` hours to the roll-ups of a service, makes those of the days that are over, and computes the times of all
/// that are concerned anew; part of the caller's transaction. `fresh` is by start. Gives how many rows are new. `begun_ms` is when the first event
/// began that was not looked at yet.
pub fn merge(
    connection: &mut SqliteConnection,
    id: ServiceId,
    fresh: &[RollupRow],
    begun_ms: Option<i64>,
    now_ms: i64,
) -> Result<i64, StorageError> {
    let days = days_over(connection, id, fresh, now_ms)?;
    let begun = begun_ms.map(|at_ms| Bucket::hour(at_ms).day());
    let first = days
        .iter()
        .copied()
        .chain(fresh.iter().map(RollupRow::bucket))
        .chain(begun)
        .map(|bucket| bucket.start_s)
        .min();
    let Some(first_s) = first else { return Ok(0) };
    let window = Window { from_ms: first_s * 1_000, to_ms: now_ms.max(first_s * 1_000 + 1) };
    let known = spans(connection, id, window)?;
    let totals = |bucket: Bucket| totals_of(&known, bucket.window(now_ms));
    let mut added = 0;
    for row in fresh {
        let row = row.clone().with(&totals(row.bucket()));
        // Most are new, and then need not be looked for.
        let is_new = insert(connection, &row)?;
        if !is_new {
            let kept: RollupRow =
                row_of(id, row.bucket()).select(RollupRow::as_select()).first(connection)?;
            let mut all = kept.stats()?;
            all.merge(&row.stats()?);
            let all = RollupRow::new(id, row.bucket(), &all).with(&row.totals());
            diesel::update(row_of(id, row.bucket())).set(&all).execute(connection)?;
        }
        added += i64::from(is_new);
    }
    for &day in &days {
        let mut all = Stats::default();
        for hour in within(connection, id, HOUR_S, day.window(i64::MAX))? {
            all.merge(&hour.stats()?);
        }
        let row = RollupRow::new(id, day, &all).with(&totals(day));
        let is_new = insert(connection, &row)?;
        if !is_new {
            diesel::update(row_of(id, day)).set(&row).execute(connection)?;
        }
        added += i64::from(is_new);
    }
    if let Some(begun_ms) = begun_ms {
        let is_done = |bucket: &Bucket| {
            days.contains(bucket) || fresh.binary_search_by_key(bucket, RollupRow::bucket).is_ok()
        };
        refresh_times(connection, id, begun_ms, is_done, totals)?;
    }
    Ok(added)
}

/// Writes a roll-up, unless there is one; whether there was none.
fn insert(connection: &mut SqliteConnection, row: &RollupRow) -> Result<bool, StorageError> {
    let insert = diesel::insert_or_ignore_into(service_rollups::table).values(row);
    Ok(insert.execute(connection)? > 0)
}

/// The days whose roll-up is to be made now: those that are over, and have hours which they do not hold yet. A day that is not
/// over has none: it would be written again with every sealing. Behind a clock that was set back, a day that has one is not over.
fn days_over(
    connection: &mut SqliteConnection,
    id: ServiceId,
    fresh: &[RollupRow],
    now_ms: i64,
) -> Result<BTreeSet<Bucket>, StorageError> {
    let made_to_s = days_end_s(connection, id)?;
    let kept: Vec<i64> = service_rollups::table
        .filter(service_rollups::service_id.eq(id.get()))
        .filter(service_rollups::step_s.eq(HOUR_S))
        .filter(service_rollups::start_s.ge(made_to_s))
        .select(service_rollups::start_s)
        .load(connection)?;
    let kept = kept.into_iter().map(|start_s| Bucket { step_s: HOUR_S, start_s });
    let days = fresh.iter().map(RollupRow::bucket).chain(kept).map(Bucket::day);
    Ok(days.filter(|day| day.end_s() * 1_000 <= now_ms || day.start_s < made_to_s).collect())
}

/// The end of the newest day that has a roll-up: what hours there are from there on belong to no day's.
pub fn days_end_s(connection: &mut SqliteConnection, id: ServiceId) -> Result<i64, StorageError> {
    let newest: Option<i64> = service_rollups::table
        .filter(service_rollups::service_id.eq(id.get()))
        .filter(service_rollups::step_s.eq(DAY_S))
        .select(diesel::dsl::max(service_rollups::start_s))
        .first(connection)?;
    Ok(newest.map_or(i64::MIN, |start_s| Bucket { step_s: DAY_S, start_s }.end_s()))
}

/// Computes the times of the rows from `begun_ms` on anew, but for those that are done.
fn refresh_times(
    connection: &mut SqliteConnection,
    id: ServiceId,
    begun_ms: i64,
    is_done: impl Fn(&Bucket) -> bool,
    totals: impl Fn(Bucket) -> Totals,
) -> Result<(), StorageError> {
    let hour = Bucket::hour(begun_ms);
    for first in [hour, hour.day()] {
        let starts: Vec<i64> = service_rollups::table
            .filter(service_rollups::service_id.eq(id.get()))
            .filter(service_rollups::step_s.eq(first.step_s))
            .filter(service_rollups::start_s.ge(first.start_s))
            .select(service_rollups::start_s)
            .load(connection)?;
        let buckets = starts.into_iter().map(|start_s| Bucket { start_s, ..first });
        for bucket in buckets.filter(|bucket| !is_done(bucket)) {
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

/// Days of a service that lie in `window`, oldest first, and then the hours that belong to no day yet.
pub fn days_within(
    connection: &mut SqliteConnection,
    id: ServiceId,
    window: Window,
) -> Result<Vec<RollupRow>, StorageError> {
    let mut rows = within(connection, id, DAY_S, window)?;
    let from_ms = days_end_s(connection, id)?.saturating_mul(1_000).max(window.from_ms);
    if from_ms < window.to_ms {
        rows.extend(within(connection, id, HOUR_S, Window { from_ms, ..window })?);
    }
    Ok(rows)
}
