//! Immediate restarts of the server, as after crashes, and a stop of 10 s, at 5,000 results a
//! second: nothing may be lost, doubled, or shown as a gap.

use std::time::{Duration, Instant};

use super::server::Postgres;
use crate::prepare::{self, SERVICES_FILE, Services};
use crate::program::{self, Program, wait_for};
use crate::stall::is_at_rest;
use crate::table::{Row, Table};
use crate::target::{Behaviour, Target};

/// Services at an interval of a second, so this is also the rate of results.
const SERVICES: usize = 5_000;
const INTERVAL: Duration = Duration::from_secs(1);

const WARM_UP: Duration = Duration::from_secs(5);

/// Restarts, and the time from the first commit after one to the next.
const RESTARTS: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(700);

const STOP: Duration = Duration::from_secs(10);

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    let target = Target::start(&Behaviour::Prompt);
    let mut server = Postgres::start();
    let folder = program::folder();
    let services = Services::new(SERVICES, target.port, INTERVAL);
    prepare::services_file(folder.path(), &services);
    let url = server.database.url();
    let settings = [("DATABASE_URL", &*url), ("SERVICES_FILE", SERVICES_FILE)];
    let program = Program::start(&program::own_binary(), folder.path(), &settings);
    std::thread::sleep(WARM_UP);
    let started = Instant::now();
    for _ in 0..RESTARTS {
        server.cluster.restart();
        wait_for("a commit", || program.is_ready().then_some(()));
        std::thread::sleep(BETWEEN);
    }
    let elapsed = started.elapsed().as_secs_f64();
    server.cluster.stop();
    std::thread::sleep(STOP);
    server.cluster.start();
    wait_for("the buffer to be written", || (program.metrics().buffered() < 2_000.0).then_some(()));
    std::thread::sleep(WARM_UP);
    server.reconnect();
    let what = Checked::of(&mut server, &program, folder.path(), &services);
    table.row(
        Row::new(
            format!("{RESTARTS} immediate restarts in {elapsed:.0} s, and a stop of 10 s"),
            format!(
                "{:.0} recorded, {:.0} lost, {:.0} dropped, {} doubled, {} gaps, {} failed writes",
                what.recorded, what.lost, what.dropped, what.doubled, what.gaps, what.failures
            ),
        )
        .goal("0 lost, 0 doubled, no gap", what.is_complete()),
    );
}

struct Checked {
    recorded: f64,
    /// Produced and not counted, and counted without a row.
    lost: f64,
    dropped: f64,
    /// Ticks of one probe beyond the first, and rows beyond those that were counted.
    doubled: i64,
    /// Events that say unknown.
    gaps: i64,
    failures: f64,
}

impl Checked {
    fn of(
        server: &mut Postgres,
        program: &Program,
        folder: &std::path::Path,
        services: &Services,
    ) -> Self {
        let gaps = "SELECT count(*) AS number FROM service_events WHERE event = 'unknown'";
        let gaps = server.number(gaps);
        // The same result twice has the same start.
        let twice = server.number(
            "SELECT count(*) - count(DISTINCT (service_id, at_ms)) AS number FROM service_ticks",
        );
        // Without services no probe runs any more, and the counts can be compared.
        prepare::services_file(folder, &Services { count: 0, ..*services });
        program.reload();
        let metrics = wait_for("the last outcome", || Some(program.metrics()).filter(is_at_rest));
        let rows = server.number(
            "SELECT ((SELECT count(*) FROM service_ticks) \
                 + (SELECT sum(sealed_tick_count) FROM shards))::bigint AS number",
        );
        let differs = rows as f64 - metrics.recorded();
        let counted = server.committed() as f64 - metrics.recorded();
        Self {
            recorded: metrics.recorded(),
            lost: metrics.unaccounted() + (-differs).max(0.0) + (-counted).max(0.0),
            dropped: metrics.dropped(),
            doubled: twice + differs.max(0.0) as i64 + counted.max(0.0) as i64,
            gaps,
            failures: metrics.sum("service_healthcheck_commit_failures_total"),
        }
    }

    fn is_complete(&self) -> bool {
        self.lost == 0.0 && self.dropped == 0.0 && self.doubled == 0 && self.gaps == 0
    }
}
