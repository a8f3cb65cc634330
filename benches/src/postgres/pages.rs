//! The lists of the API beside full load: 100,000 services at 10 s.

use std::time::{Duration, Instant};

use super::server::Postgres;
use crate::api::{FULL_LOAD, INTERVAL, LIST_GOAL, REQUESTS, SERVICES, WARM_UP, run_wrk};
use crate::prepare::Services;
use crate::program::{self, Program};
use crate::table::{Row, Table};
use crate::target::{Behaviour, Target};

/// Goal for random pages a second.
const RANDOM_GOAL: f64 = 300.0;

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    let target = Target::start(&Behaviour::Prompt);
    let mut server = Postgres::start();
    drop(server.store());
    server.add(&Services::new(SERVICES, target.port, INTERVAL), true);
    // Autovacuum does the same within a minute or two.
    for table in ["services", "service_metrics", "service_events"] {
        server.execute(&format!("VACUUM ANALYZE {table}"));
    }
    let folder = program::folder();
    let url = server.database.url();
    let settings = [("DATABASE_URL", &*url)];
    let program = Program::start(&program::own_binary(), folder.path(), &settings);
    let ready = program.ready_after.as_secs_f64();
    table.row(Row::new("100,000 services: ready from the database", format!("{ready:.2} s")));
    std::thread::sleep(WARM_UP);
    let (rate, ()) = probes_a_second(&mut server, || std::thread::sleep(Duration::from_secs(5)));
    let is_full = |rate: f64| rate >= FULL_LOAD * SERVICES as f64 / INTERVAL.as_secs_f64();
    table.row(
        Row::new("100,000 services at 10 s: probes a second", format!("{rate:.0}"))
            .goal("≥ 95 % of 10,000", is_full(rate)),
    );
    let (rss, peak) = program.rss_mib();
    table.row(Row::new("100,000 services: RSS", format!("{rss:.1} MiB, at most {peak:.1} MiB")));
    for (nth, (what, path, most)) in REQUESTS.into_iter().enumerate() {
        let (rate, load) =
            probes_a_second(&mut server, || run_wrk(&program.api, folder.path(), path, most));
        let figures = format!("{load}; {rate:.0} probes a second meanwhile");
        let mut row = Row::new(what, figures);
        if nth == 0 {
            let is_quick =
                load.rate >= LIST_GOAL.0 && load.p99_ms <= LIST_GOAL.1 && load.errors.is_empty();
            let wanted = "≥ 3,000 a second, p99 ≤ 15 ms, at full load";
            row = row.goal(wanted, is_quick && is_full(rate));
        }
        if nth == 1 {
            let is_quick = load.rate >= RANDOM_GOAL && load.errors.is_empty();
            row = row.goal("≥ 300 a second", is_quick);
        }
        table.row(row);
    }
}

/// Committed ticks a second while `meanwhile` runs.
fn probes_a_second<T>(server: &mut Postgres, meanwhile: impl FnOnce() -> T) -> (f64, T) {
    let (before, started) = (server.committed(), Instant::now());
    let done = meanwhile();
    ((server.committed() - before) as f64 / started.elapsed().as_secs_f64(), done)
}
