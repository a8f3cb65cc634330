//! Gaps: periods that the monitor did not observe, because it did not run or stalled.

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Nullable};

use super::clock_step;
use super::cold::rows::ServiceRow;
use super::connection::StoreConnection;
use super::schema::{instances, services};
use super::store::PostgresStore;
use crate::domain::ShardSet;
use crate::domain::time::step_back::StepBack;
use crate::storage::gaps::{GapWrite, Moments, Unobserved};
use crate::storage::port::Result;

/// Shards that were watched until the same moment.
pub struct Watched<'s> {
    store: &'s mut PostgresStore,
    shards: ShardSet,
    moments: Moments,
}

impl<'s> Watched<'s> {
    /// What this instance owns at its start, or when it stalled. Its liveness mark is that of the
    /// run before it until its first commit.
    pub fn of_start(store: &'s mut PostgresStore, shards: ShardSet) -> Result<Self> {
        let id = store.instance()?.id();
        let moments = store.run(|connection| {
            let mark_ms =
                instances::table.find(id).select(instances::committed_at_ms).first(connection)?;
            let newest: Newest = diesel::sql_query(NEWEST)
                .bind::<Bytea, _>(shards.to_bytes())
                .get_result(connection)?;
            Ok(Moments { mark_ms, newest_ms: newest.at_ms.max(mark_ms) })
        })?;
        Ok(Self { store, shards, moments })
    }

    /// Shards that another instance watched until `mark_ms`. Both have the same clock, and so
    /// nothing is later than `now_ms`.
    pub fn of_claim(
        store: &'s mut PostgresStore,
        shards: ShardSet,
        mark_ms: Option<i64>,
        now_ms: i64,
    ) -> Self {
        let mark_ms = mark_ms.map(|mark_ms| mark_ms.min(now_ms));
        Self { store, shards, moments: Moments { mark_ms, newest_ms: mark_ms } }
    }
}

impl GapWrite for Watched<'_> {
    fn moments(&mut self) -> Result<Moments> {
        Ok(self.moments)
    }

    fn move_back(&mut self, step: &StepBack) -> Result<usize> {
        let shards = self.shards;
        self.store.run(|connection| clock_step::apply(connection, step, &shards))
    }

    fn begin_unobserved(&mut self, gap: &Unobserved) -> Result<usize> {
        let id = self.store.instance()?.id();
        let shards = self.shards.to_bytes();
        self.store.run(|connection| {
            let optional = optional_jobs(connection)?;
            let services = begin_unobserved(connection, gap, &optional, &shards)?;
            diesel::update(instances::table.find(id))
                .set(instances::committed_at_ms.eq(gap.now_ms))
                .execute(connection)?;
            Ok(services)
        })
    }
}

#[derive(QueryableByName)]
struct Newest {
    #[diesel(sql_type = Nullable<BigInt>)]
    at_ms: Option<i64>,
}

/// Of the ticks only the newest one of each service: the others are older unless a clock was set
/// back, and then they were moved.
const NEWEST: &str = "\
    SELECT greatest( \
        (SELECT max(greatest(date_started_ms, date_ended_ms)) FROM service_events \
            WHERE get_bit($1, service_id / 16 % 1024) = 1), \
        (SELECT max(t.at_ms) FROM service_metrics m JOIN service_ticks t \
            ON t.service_id = m.service_id AND t.region_id = m.region_id \
            AND t.seq = m.tick_count + m.unknown_count \
            WHERE get_bit($1, m.service_id / 16 % 1024) = 1)) AS at_ms";

/// The services whose heartbeats are optional, by id. Read here, since a JSON function of the
/// server fails for a text with an escaped NUL character.
fn optional_jobs(connection: &mut StoreConnection) -> Result<Vec<i64>> {
    let is_job =
        sql::<Bool>("lower(url COLLATE \"C\") LIKE 'push:%' AND options LIKE '%optional%'");
    let rows = services::table
        .filter(services::deleted_at.is_null())
        .filter(is_job)
        .select(ServiceRow::as_select())
        .load_iter::<ServiceRow, DefaultLoadingMode>(connection)?;
    let mut ids = Vec::new();
    for row in rows {
        let row = row?;
        let heartbeat = row.options().ok().and_then(|options| options.heartbeat.clone());
        if heartbeat.is_some_and(|heartbeat| heartbeat.is_optional) {
            ids.push(row.id);
        }
    }
    Ok(ids)
}

/// `optional` are the ids of services whose heartbeats are optional; `shards` are those of the gap,
/// as bits.
fn begin_unobserved(
    connection: &mut StoreConnection,
    gap: &Unobserved,
    optional: &[i64],
    shards: &[u8],
) -> Result<usize> {
    let Unobserved { from_ms, now_ms, until_ms, excused_ms } = *gap;
    diesel::sql_query(END_AT_MARK)
        .bind::<BigInt, _>(from_ms)
        .bind::<BigInt, _>(now_ms)
        .bind::<Nullable<BigInt>, _>(excused_ms)
        .bind::<Array<BigInt>, _>(optional)
        .bind::<BigInt, _>(until_ms)
        .bind::<Bytea, _>(shards)
        .execute(connection)?;
    let services = diesel::sql_query(BEGIN_UNOBSERVED)
        .bind::<BigInt, _>(now_ms / 1_000)
        .bind::<Bytea, _>(shards)
        .execute(connection)?;
    diesel::sql_query(DATE_STREAKS)
        .bind::<BigInt, _>(from_ms)
        .bind::<BigInt, _>(now_ms)
        .bind::<Nullable<BigInt>, _>(excused_ms)
        .bind::<Array<BigInt>, _>(optional)
        .bind::<Bytea, _>(shards)
        .execute(connection)?;
    if services > 0 {
        diesel::sql_query(SET_LATEST).bind::<Bytea, _>(shards).execute(connection)?;
    }
    Ok(services)
}

/// Whether the service `s` with the metric `m` missed more than one interval from `$1` to `$2`;
/// `$3` is the default interval, or null to excuse none. A job that reports by heartbeat is not
/// judged by its last report, since its wait begins anew; and one whose heartbeats are optional,
/// those of `$4`, misses nothing.
macro_rules! missed_more {
    () => {
        "(NOT s.enabled OR m.unwatched_from_ms IS NOT NULL OR s.id NOT IN (SELECT unnest($4)) \
        AND ($3 IS NULL OR $2 - $1 > coalesce(s.interval_seconds * 1000, $3) \
        OR (lower(s.url COLLATE \"C\") NOT LIKE 'push:%' AND $2 - coalesce( \
            (SELECT t.at_ms FROM service_ticks t WHERE t.service_id = m.service_id \
                AND t.region_id = 0 AND t.seq = m.tick_count + m.unknown_count), \
            m.updated_at * 1000) > 2 * coalesce(s.interval_seconds * 1000, $3))))"
    };
}

/// Of an enabled service, an open event that is not unknown; of another, one that is not a pause.
const END_AT_MARK: &str = concat!(
    "UPDATE service_events e SET updated_at = $2 / 1000, \
        date_ended_ms = greatest(e.date_started_ms, coalesce(m.unwatched_from_ms, $1)) \
    FROM services s LEFT JOIN service_metrics m ON m.service_id = s.id AND m.region_id = 0 \
    WHERE e.date_ended_ms IS NULL AND e.date_started_ms <= $5 AND e.region_id = 0 \
        AND s.id = e.service_id AND s.deleted_at IS NULL \
        AND get_bit($6, s.id / 16 % 1024) = 1 \
        AND e.event <> CASE WHEN s.enabled THEN 'unknown' ELSE 'paused' END AND ",
    missed_more!(),
);

/// The newest event of a living service is open, so one that is not was ended just now.
const BEGIN_UNOBSERVED: &str = "\
    INSERT INTO service_events (service_id, event, date_started_ms, created_at, updated_at) \
    SELECT s.id, CASE WHEN s.enabled THEN 'unknown' ELSE 'paused' END, e.date_ended_ms, $1, $1 \
    FROM services s JOIN service_metrics m ON m.service_id = s.id AND m.region_id = 0 \
    JOIN service_events e ON e.id = m.latest_event_id \
    WHERE s.deleted_at IS NULL AND e.date_ended_ms IS NOT NULL \
        AND get_bit($2, s.id / 16 % 1024) = 1 ORDER BY s.id";

const SET_LATEST: &str = "\
    UPDATE service_metrics m SET latest_event_id = e.id, unwatched_from_ms = NULL \
    FROM service_events e WHERE e.service_id = m.service_id AND e.region_id = m.region_id \
        AND e.date_ended_ms IS NULL AND e.id <> m.latest_event_id AND m.region_id = 0 \
        AND get_bit($1, m.service_id / 16 % 1024) = 1";

/// A streak continues, but its event begins after the gap: dated before it, it would cover it.
const DATE_STREAKS: &str = concat!(
    "UPDATE service_metrics m SET streak_since_ms = $2 FROM services s \
    WHERE s.id = m.service_id AND m.region_id = 0 AND m.streak_count IS NOT NULL \
        AND get_bit($5, m.service_id / 16 % 1024) = 1 AND ",
    missed_more!(),
);
