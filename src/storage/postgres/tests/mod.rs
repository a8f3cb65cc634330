//! Tests of the PostgreSQL store alone, and the store that the contract is tested with.

mod fence;
mod history;
mod plans;
mod several;
mod starts;
mod transfer;

use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::connection::{Connection, Mode, StoreConnection};
use super::gaps::Watched;
use super::instance::Instance;
use super::migrations;
use super::schema::{
    instances, service_events, service_rollups, service_tick_chunks, service_ticks, services,
};
use super::settings::Settings;
use super::store::PostgresStore;
use crate::domain::ShardSet;
use crate::storage::contract::fixture::{Inspect, TestStore};
use crate::storage::contract::postgres_cluster::{Cluster, ClusterOptions, Database};
use crate::storage::gaps::GapWrite;

/// A new store in a database of its own.
pub fn open() -> TestStore {
    open_with_limit(None).0
}

/// As [`open`], with the database and the instance, and a limit for each write.
fn open_with_limit(limit: Option<Duration>) -> (TestStore, Arc<TestDatabase>, Arc<Instance>) {
    open_in(TestDatabase::pooled(), limit)
}

fn open_in(
    database: TestDatabase,
    limit: Option<Duration>,
) -> (TestStore, Arc<TestDatabase>, Arc<Instance>) {
    let database = Arc::new(database);
    let settings = settings(&database.url());
    let instance = Arc::new(register(&settings));
    let reader = || {
        let reader = PostgresStore::reader(Arc::clone(&settings), Some(Arc::clone(&instance)));
        // A check of the whole history is one call.
        Box::new(reader.unwrap().with_limit(None))
    };
    let writer = PostgresStore::writer(Arc::clone(&settings), Arc::clone(&instance)).unwrap();
    let store = TestStore {
        writer: Box::new(writer.with_limit(limit)),
        reader: reader(),
        inspect: reader(),
        guard: Box::new(Arc::clone(&database)),
    };
    (store, database, instance)
}

/// The store in this database, which is created when it is missing.
pub fn open_at(url: &str) -> TestStore {
    migrate(url);
    let settings = settings(url);
    let instance = Arc::new(register(&settings));
    let reader = || {
        let reader = PostgresStore::reader(Arc::clone(&settings), Some(Arc::clone(&instance)));
        Box::new(reader.unwrap().with_limit(None))
    };
    let writer = PostgresStore::writer(Arc::clone(&settings), Arc::clone(&instance)).unwrap();
    TestStore { writer: Box::new(writer), reader: reader(), inspect: reader(), guard: Box::new(()) }
}

/// A migrated database.
struct TestDatabase(Option<Database>);

/// Databases of tests that have passed, emptied, which takes a fraction of the time of a new one.
static POOL: Mutex<Vec<Database>> = Mutex::new(Vec::new());

impl TestDatabase {
    fn pooled() -> Self {
        let pooled = POOL.lock().unwrap().pop();
        pooled.map_or_else(Self::new, |pooled| Self(Some(pooled)))
    }

    /// In a cluster of its own: the statistics are those of one test, and no transaction of another
    /// test keeps old rows.
    fn alone() -> Self {
        let cluster = Cluster::new(&ClusterOptions::default());
        Self(Some(cluster.new_database(|template| migrate(&template.url()))))
    }

    fn new() -> Self {
        Self(Some(Cluster::shared().new_database(|template| migrate(&template.url()))))
    }
}

impl Deref for TestDatabase {
    type Target = Database;

    fn deref(&self) -> &Database {
        self.0.as_ref().unwrap()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some(database) = self.0.take().filter(|_| !thread::panicking()) else { return };
        database.query(
            "TRUNCATE instances, services, service_metrics, service_ticks, service_events, \
                 service_tick_chunks, service_rollups, service_facts, inbox, duties, channels, \
                 policies, silences, alert_signals, alerts, notifications, notification_alerts, \
                 deliveries, maintenances, maintenance_spans, api_tokens, api_sessions, \
                 audit, moves RESTART IDENTITY; \
             UPDATE alerting SET next_alert_id = 1, next_notification_id = 1; \
             UPDATE store SET revision = 0, living = 0, spread = NULL, oldest_version = NULL, \
                 sealed_at_ms = 0; \
             DELETE FROM shards; \
             INSERT INTO shards (region_id, shard) SELECT 0, generate_series(0, 1023)",
        );
        POOL.lock().unwrap().push(database);
    }
}

pub fn settings(url: &str) -> Arc<Settings> {
    Arc::new(Settings::parse(url, None).unwrap())
}

fn migrate(url: &str) {
    let mut connection = Connection::open(&settings(url), Mode::Write).unwrap();
    migrations::run(&mut connection).unwrap();
}

/// With the liveness mark of the instance before it, as a start.
fn register(settings: &Settings) -> Instance {
    let mut connection = Connection::open(settings, Mode::Write).unwrap();
    let mark: Option<Option<i64>> = instances::table
        .filter(instances::committed_at_ms.is_not_null())
        .order(instances::id.desc())
        .select(instances::committed_at_ms)
        .first(&mut *connection)
        .optional()
        .unwrap();
    let row = (
        instances::name.eq("test"),
        instances::role.eq("all"),
        instances::version.eq("0.0.0"),
        instances::committed_at_ms.eq(mark.flatten()),
    );
    let id: i64 = diesel::insert_into(instances::table)
        .values(row)
        .returning(instances::id)
        .get_result(&mut *connection)
        .unwrap();
    Instance::new(id)
}

impl Inspect for PostgresStore {
    fn count_rows(&mut self) -> [u64; 6] {
        let connection: &mut StoreConnection = &mut self.connection;
        let rows: [QueryResult<i64>; 6] = [
            services::table.count().get_result(connection),
            service_events::table.count().get_result(connection),
            service_ticks::table.count().get_result(connection),
            service_tick_chunks::table.select(sum("tick_count")).first(connection),
            service_tick_chunks::table.count().get_result(connection),
            service_rollups::table.count().get_result(connection),
        ];
        rows.map(|count| count.unwrap().cast_unsigned())
    }

    fn sealed_bytes(&mut self) -> u64 {
        let bytes = service_tick_chunks::table.select(sum("length(data)"));
        i64::cast_unsigned(bytes.first(&mut *self.connection).unwrap())
    }

    fn mark_ms(&mut self) -> Option<i64> {
        Watched::of_start(self, ShardSet::ALL).unwrap().moments().unwrap().mark_ms
    }

    fn fill_tokens(&mut self, count: usize) {
        const FILL: &str = "\
            INSERT INTO api_tokens (name, shown, hash, scopes, created_at_ms, created_by) \
            SELECT 'filler ' || nth, 'shc_0000', sha256(nth::text::bytea), '[\"read\"]', 0, '' \
            FROM generate_series(1, $1) nth";
        let fill = diesel::sql_query(FILL).bind::<BigInt, _>(count as i64);
        fill.execute(&mut *self.connection).unwrap();
    }

    fn dump(&mut self) -> Vec<String> {
        #[derive(QueryableByName)]
        struct Line {
            #[diesel(sql_type = Text)]
            line: String,
        }
        const ROWS: &str = "\
            SELECT c::text AS line FROM service_tick_chunks c \
            UNION ALL SELECT t::text FROM service_ticks t \
            UNION ALL SELECT r::text FROM service_rollups r \
            UNION ALL SELECT s::text FROM shards s \
            UNION ALL SELECT sealing_no || ' ' || coalesce(sealing_service_id, -1) FROM instances \
            UNION ALL SELECT service_id || ' ' || sealed_event_id FROM service_metrics \
            UNION ALL SELECT sealed_at_ms::text FROM store ORDER BY 1";
        let lines: Vec<Line> = diesel::sql_query(ROWS).load(&mut *self.connection).unwrap();
        lines.into_iter().map(|line| line.line).collect()
    }
}

fn sum(column: &str) -> diesel::expression::SqlLiteral<BigInt> {
    diesel::dsl::sql(&format!("coalesce(sum({column}), 0)::bigint"))
}
