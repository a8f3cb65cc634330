//! The recorded ticks, read from the database of the service by a read-only connection.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel::sqlite::SqliteConnection;
use service_healthcheck::actors::scheduler::schedule::lateness_ms;
use service_healthcheck::actors::scheduler::spread::Spread;
use service_healthcheck::domain::ServiceId;
use service_healthcheck::storage::sqlite::connection;
use service_healthcheck::storage::sqlite::schema::services;

use crate::figures::Distribution;
use crate::prepare::DATABASE;

/// Longest wait for a commit.
const COMMIT_WITHIN: Duration = Duration::from_secs(2);

/// Upper bound for how much earlier than its slot a probe may begin.
const EARLIER_MS: i64 = 1_000;

/// One tick.
#[derive(Debug, QueryableByName)]
pub struct Tick {
    #[diesel(sql_type = BigInt)]
    service_id: i64,
    #[diesel(sql_type = BigInt)]
    created_at_ms: i64,
    #[diesel(sql_type = BigInt)]
    response_time_us: i64,
    #[diesel(sql_type = Bool)]
    is_up: bool,
}

/// The ticks of a running service.
pub struct Ticks {
    connection: SqliteConnection,
    /// The spread of its services over their intervals.
    spread: Spread,
}

impl Ticks {
    /// The ticks of the service in `folder`.
    pub fn of(folder: &Path) -> Self {
        let file = folder.join(DATABASE);
        let mut connection = connection::reader(&file.to_string_lossy()).expect("a connection");
        // Counted, since an older build has no row with the number.
        let services: i64 = services::table
            .filter(services::deleted_at.is_null())
            .count()
            .get_result(&mut connection)
            .expect("how many services there are");
        Self { connection, spread: Spread::of(services as usize) }
    }

    /// Ticks committed so far; ids have no gaps.
    pub fn committed(&mut self) -> i64 {
        #[derive(QueryableByName)]
        struct Newest {
            #[diesel(sql_type = BigInt)]
            id: i64,
        }
        let newest: Newest =
            diesel::sql_query("SELECT coalesce(max(rowid), 0) AS id FROM service_ticks")
                .get_result(&mut self.connection)
                .expect("the newest tick");
        newest.id
    }

    /// The same, right after a commit, or after two seconds without one.
    pub fn just_committed(&mut self) -> i64 {
        self.just_committed_within(COMMIT_WITHIN)
    }

    /// The same, right after a commit, or after `limit` without one.
    pub fn just_committed_within(&mut self, limit: Duration) -> i64 {
        let (before, since) = (self.committed(), Instant::now());
        loop {
            let now = self.committed();
            if now != before || since.elapsed() > limit {
                return now;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ticks that the metrics of all services count, fresh or sealed.
    pub fn counted(&mut self) -> i64 {
        use diesel::dsl::sql;
        use service_healthcheck::storage::sqlite::schema::service_metrics;
        service_metrics::table
            .select(sql::<BigInt>("coalesce(sum(tick_count + unknown_count), 0)"))
            .first(&mut self.connection)
            .expect("the counts")
    }

    /// Fresh ticks of the services `ids` whose slot lies in `slots` (unix milliseconds).
    fn read(&mut self, ids: &Range<i64>, interval: Duration, slots: &Range<i64>) -> Vec<Tick> {
        let ticks: Vec<Tick> = diesel::sql_query(
            "SELECT service_id, created_at_ms, response_time_us, is_up FROM service_ticks \
             WHERE created_at_ms >= ?1 AND service_id >= ?2 AND service_id < ?3",
        )
        .bind::<BigInt, _>(slots.start - EARLIER_MS)
        .bind::<BigInt, _>(ids.start)
        .bind::<BigInt, _>(ids.end)
        .load(&mut self.connection)
        .expect("ticks");
        let late_ms = |tick: &Tick| tick.lateness_ms(self.spread, interval).floor() as i64;
        let slot = |tick: &Tick| tick.created_at_ms - late_ms(tick);
        ticks.into_iter().filter(|tick| slots.contains(&slot(tick))).collect()
    }
}

impl Tick {
    /// Time from the slot to the start of the probe. Times are stored in whole milliseconds, so up
    /// to one is added.
    fn lateness_ms(&self, spread: Spread, interval: Duration) -> f64 {
        let id = ServiceId::new(self.service_id).expect("positive");
        lateness_ms(spread, id, interval, self.created_at_ms + 1)
    }
}

/// Results of some services in a period.
pub struct SlotResults {
    /// From slot to start, in milliseconds; negative for an early start.
    pub lateness_ms: Distribution,
    /// Reported response times, in milliseconds.
    pub reported_ms: Distribution,
    /// Slots without a tick.
    pub missed: i64,
    /// Ticks that are not up.
    pub not_up: usize,
}

impl SlotResults {
    /// Results of the services `ids` with this interval in `slots` (unix milliseconds), a whole
    /// number of intervals.
    pub fn of(ticks: &mut Ticks, ids: &Range<i64>, interval: Duration, slots: &Range<i64>) -> Self {
        let (found, spread) = (ticks.read(ids, interval, slots), ticks.spread);
        let rounds = (slots.end - slots.start) / interval.as_millis() as i64;
        Self {
            lateness_ms: Distribution::of(
                found.iter().map(|tick| tick.lateness_ms(spread, interval)),
            ),
            reported_ms: Distribution::of(
                found.iter().map(|tick| tick.response_time_us as f64 / 1e3),
            ),
            missed: (ids.end - ids.start) * rounds - found.len() as i64,
            not_up: found.iter().filter(|tick| !tick.is_up).count(),
        }
    }

    /// Lateness and missed slots.
    pub fn summary(&self) -> String {
        let (late, early) = (&self.lateness_ms, -self.lateness_ms.at(0.0));
        format!(
            "{}; at most {:.0} ms early; {} missed",
            late.summary(0, "ms"),
            early.max(0.0),
            self.missed
        )
    }
}
