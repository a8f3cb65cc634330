//! What the service has recorded, read from its database by a connection of our own that can only read.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel::sqlite::SqliteConnection;
use service_healthcheck::actors::schedule::lateness_ms;
use service_healthcheck::actors::spread::Spread;
use service_healthcheck::domain::ServiceId;
use service_healthcheck::storage::connection;
use service_healthcheck::storage::schema::services;

use crate::figures::Distribution;
use crate::prepare::DATABASE;

/// Longest time for a commit to come.
const COMMIT_WITHIN: Duration = Duration::from_secs(2);

/// A probe may begin before its slot, but not so much.
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

/// The ticks of a service that runs.
pub struct Ticks {
    connection: SqliteConnection,
    /// How it spreads its services.
    spread: Spread,
}

impl Ticks {
    /// Those of the service in that folder.
    pub fn of(folder: &Path) -> Self {
        let file = folder.join(DATABASE);
        let mut connection = connection::reader(&file.to_string_lossy()).expect("a connection");
        // Counted, since an older build has no such number.
        let services: i64 = services::table
            .filter(services::deleted_at.is_null())
            .count()
            .get_result(&mut connection)
            .expect("how many services there are");
        Self { connection, spread: Spread::of(services as usize) }
    }

    /// How many were committed so far; their ids are numbered.
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

    /// The same, at the moment in which a commit has come; or after two seconds without one.
    pub fn just_committed(&mut self) -> i64 {
        let (before, since) = (self.committed(), Instant::now());
        loop {
            let now = self.committed();
            if now != before || since.elapsed() > COMMIT_WITHIN {
                return now;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// How many ticks the metrics of all services count, wherever the ticks stand by now.
    pub fn counted(&mut self) -> i64 {
        use diesel::dsl::sql;
        use service_healthcheck::storage::schema::service_metrics;
        service_metrics::table
            .select(sql::<BigInt>("coalesce(sum(tick_count + unknown_count), 0)"))
            .first(&mut self.connection)
            .expect("the counts")
    }

    /// Fresh ticks of the services `ids` whose slot was in the time `slots`, in unix milliseconds.
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
    /// How long after its slot the probe began; times are kept in whole milliseconds, so up to one is added.
    fn lateness_ms(&self, spread: Spread, interval: Duration) -> f64 {
        let id = ServiceId::new(self.service_id).expect("positive");
        lateness_ms(spread, id, interval, self.created_at_ms + 1)
    }
}

/// How well the slots of some services in some time were kept.
pub struct Kept {
    /// From slot to start, in milliseconds; less than zero for a probe that came along early.
    pub lateness_ms: Distribution,
    /// The response times that were told, in milliseconds.
    pub told_ms: Distribution,
    /// Slots without a tick.
    pub missed: i64,
    /// Ticks that are not up.
    pub not_up: usize,
}

impl Kept {
    /// Of the services `ids`, which have this interval, the slots in the time `slots`, in unix milliseconds; that time is so
    /// many whole intervals long.
    pub fn of(ticks: &mut Ticks, ids: &Range<i64>, interval: Duration, slots: &Range<i64>) -> Self {
        let (found, spread) = (ticks.read(ids, interval, slots), ticks.spread);
        let rounds = (slots.end - slots.start) / interval.as_millis() as i64;
        Self {
            lateness_ms: Distribution::of(
                found.iter().map(|tick| tick.lateness_ms(spread, interval)),
            ),
            told_ms: Distribution::of(found.iter().map(|tick| tick.response_time_us as f64 / 1e3)),
            missed: (ids.end - ids.start) * rounds - found.len() as i64,
            not_up: found.iter().filter(|tick| !tick.is_up).count(),
        }
    }

    /// Lateness and missed slots, as a text.
    pub fn told(&self) -> String {
        let (late, early) = (&self.lateness_ms, -self.lateness_ms.at(0.0));
        format!(
            "{}; at most {:.0} ms early; {} missed",
            late.told(0, "ms"),
            early.max(0.0),
            self.missed
        )
    }
}
