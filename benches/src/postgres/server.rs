//! A private PostgreSQL server with the settings of a default installation, and what it costs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use procfs::process::{Process, all_processes};
use service_healthcheck::clock::unix_ms;
use service_healthcheck::storage::Store;
use service_healthcheck::storage::postgres::connection::{Connection, Mode};
use service_healthcheck::storage::postgres::server::{Awaiting, Newcomer};
use service_healthcheck::storage::postgres::settings::Settings;

use super::postgres_cluster::{Cluster, ClusterOptions, Database};
use crate::prepare::Services;
use crate::program;
use crate::target::ADDRESSES;

/// Longest wait for a commit.
const COMMIT_WITHIN: Duration = Duration::from_secs(3);

/// A server with one database, and a connection to it.
pub struct Postgres {
    pub cluster: Cluster,
    pub database: Database,
    settings: Arc<Settings>,
    connection: Connection,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// What the server has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// CPU of all its processes, in microseconds.
    pub cpu_us: f64,
    pub log_bytes: f64,
}

impl Postgres {
    /// A commit is on the disk when it is acknowledged. The data is beside this program.
    pub fn start() -> Self {
        let options = ClusterOptions::default()
            .inside(&program::parent())
            .fsync()
            .setting("synchronous_commit", "on")
            .setting("full_page_writes", "on")
            .setting("shared_buffers", "128MB")
            .setting("max_wal_size", "1GB");
        let cluster = Cluster::new(&options);
        let database = cluster.empty_database();
        let settings = Arc::new(Settings::parse(&database.url(), None).expect("a URL"));
        let connection = Connection::open(&settings, Mode::Write).expect("a connection");
        Self { cluster, database, settings, connection }
    }

    /// The store, with its tables.
    pub fn store(&self) -> Store {
        let newcomer = Newcomer { name: "bench", ttl: Duration::from_secs(10) };
        let awaiting =
            Awaiting { patience: Duration::ZERO, is_stopping: &|| false, report: &|_| {} };
        Store::open_server(&self.settings, &newcomer, &awaiting).expect("a store")
    }

    /// Opens the connection again, after a restart of the server.
    pub fn reconnect(&mut self) {
        self.connection = Connection::open(&self.settings, Mode::Write).expect("a connection");
    }

    pub fn execute(&mut self, sql: &str) {
        diesel::sql_query(sql).execute(&mut *self.connection).expect(sql);
    }

    /// The column `number` of one row.
    pub fn number(&mut self, sql: &str) -> i64 {
        let row: Number = diesel::sql_query(sql).get_result(&mut *self.connection).expect(sql);
        row.number
    }

    /// Services of one kind, as in [`crate::prepare::database`]. With a history, each was up a
    /// minute ago.
    pub fn add(&mut self, services: &Services, has_history: bool) {
        let Services { count, scheme, port, interval, timeout, .. } = services;
        let (interval, timeout) = (interval.as_secs_f64(), timeout.as_secs_f64());
        let (now_ms, now) = (unix_ms(), unix_ms() / 1_000);
        self.execute(&format!(
            "INSERT INTO services \
                 (id, name, url, interval_seconds, timeout_seconds, created_at, updated_at) \
             SELECT i, 'service-' || i, \
                 '{scheme}://127.0.0.' || (1 + i % {ADDRESSES}) || ':{port}/' || i, \
                 {interval}, {timeout}, {now} - 120, {now} - 120 FROM generate_series(1, {count}) i"
        ));
        self.execute(&format!("UPDATE store SET living = {count}, revision = {count}"));
        self.execute(&format!("SELECT setval(pg_get_serial_sequence('services', 'id'), {count})"));
        if !has_history {
            return;
        }
        let at_ms = now_ms - 60_000;
        self.execute(&format!(
            "INSERT INTO service_events (service_id, event, date_started_ms, created_at, \
                 updated_at) \
             SELECT id, 'uptime', {at_ms}, {now}, {now} FROM services ORDER BY id"
        ));
        self.execute(&format!(
            "INSERT INTO service_metrics (service_id, tick_count, up_count, response_time_sum_ns, \
                 latest_event_id, known_is_up, recent_states, created_at, updated_at) \
             SELECT service_id, 1, 1, 1000000, id, true, 3, {now}, {now} FROM service_events \
             ORDER BY service_id"
        ));
        self.execute(&format!(
            "INSERT INTO service_ticks (service_id, seq, at_ms, unphased_us, dns_us, connect_us, \
                 tls_us, first_byte_us, transfer_us, state, http_status) \
             SELECT id, 1, {at_ms}, 1000, 0, 0, 0, 0, 0, 0, 200 FROM services ORDER BY id"
        ));
    }

    pub fn used(&mut self) -> Used {
        let log = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint AS number";
        Used { log_bytes: self.number(log) as f64, cpu_us: self.cpu_us() }
    }

    /// Ticks that the metrics of all services count, fresh or sealed.
    pub fn committed(&mut self) -> i64 {
        self.number(
            "SELECT coalesce(sum(tick_count + unknown_count), 0)::bigint AS number \
             FROM service_metrics",
        )
    }

    /// The same, right after a commit, or after three seconds without one.
    pub fn just_committed(&mut self) -> i64 {
        let newest = "SELECT coalesce(max(commit_no), 0) AS number FROM instances";
        let (before, since) = (self.number(newest), Instant::now());
        while self.number(newest) == before && since.elapsed() < COMMIT_WITHIN {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.committed()
    }

    fn cpu_us(&self) -> f64 {
        let file = self.cluster.folder().join("data/postmaster.pid");
        let text = std::fs::read_to_string(file).expect("the file with the process id");
        let pid: i32 = text.lines().next().and_then(|pid| pid.parse().ok()).expect("a process id");
        let server = Process::new(pid).and_then(|server| server.stat()).expect("the server");
        // Of processes that have ended, in ticks of the clock.
        let ended = (server.cutime + server.cstime) as f64;
        let ended = ended * 1e6 / procfs::ticks_per_second() as f64;
        let living = all_processes().expect("the processes").flatten().filter_map(|process| {
            let stat = process.stat().ok()?;
            let is_of_server = stat.pid == pid || stat.ppid == pid;
            is_of_server.then_some(process.schedstat().ok()?.sum_exec_runtime)
        });
        ended + living.sum::<u64>() as f64 / 1e3
    }
}
