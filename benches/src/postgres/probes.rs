//! Probes over http as fast as possible, on SQLite and on PostgreSQL in turns.

use std::time::{Duration, Instant};

use super::server::Postgres;
use crate::figures::Turns;
use crate::prepare::{self, SERVICES_FILE, Services};
use crate::program::{self, Metrics, Program};
use crate::table::{Row, Table};
use crate::target::{Behaviour, Target};
use crate::ticks::Ticks;

/// Far more probes due than possible, by few probers.
const SERVICES: usize = 4_000;
const INTERVAL: Duration = Duration::from_millis(100);
const POOL_SIZE: &str = "64";

const WARM_UP: Duration = Duration::from_secs(3);
const LASTS: Duration = Duration::from_secs(5);
const TURNS: usize = 3;

/// Goals: probes a second; our CPU, and with the server's, to that on SQLite.
const RATE_GOAL: f64 = 20_000.0;
const OWN_GOAL: f64 = 1.0;
const TOGETHER_GOAL: f64 = 1.3;

/// The turns on one store.
#[derive(Default)]
struct Took {
    rate: Turns,
    own_us: Turns,
    server_us: Turns,
    dropped: f64,
    lost: f64,
}

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    let target = Target::start(&Behaviour::Prompt);
    let services = Services::new(SERVICES, target.port, INTERVAL);
    let (mut on_file, mut on_server) = (Took::default(), Took::default());
    for _ in 0..TURNS {
        sqlite(&services, &mut on_file);
        postgres(&services, &mut on_server);
    }
    let (file_us, own_us) = (on_file.own_us.median(), on_server.own_us.median());
    table.row(
        Row::new(
            "http, saturated: on SQLite",
            format!("{file_us:.1} µs, {:.0} a second", on_file.rate.median()),
        )
        .spread(on_file.own_us.spread(1)),
    );
    let ratio = own_us / file_us;
    table.row(
        Row::new(
            "http, saturated: **on PostgreSQL**, this process",
            format!("{own_us:.1} µs, {:.0} a second", on_server.rate.median()),
        )
        .ratio(format!("{ratio:.2} × SQLite"))
        .goal("≤ 1.0 × SQLite", ratio <= OWN_GOAL)
        .spread(on_server.own_us.spread(1)),
    );
    let server_us = on_server.server_us.median();
    let together = (own_us + server_us) / file_us;
    table.row(
        Row::new("http, saturated: the server a probe", format!("{server_us:.1} µs"))
            .ratio(format!("{together:.2} × SQLite, both together"))
            .goal("≤ 1.3 × SQLite", together <= TOGETHER_GOAL)
            .spread(on_server.server_us.spread(1)),
    );
    let rate = on_server.rate.median();
    let is_reached = rate >= RATE_GOAL && on_server.dropped == 0.0 && on_server.lost <= 0.0;
    table.row(
        Row::new(
            "recorded over http onto PostgreSQL",
            format!(
                "{rate:.0} a second, {:.0} dropped, {:.0} lost",
                on_server.dropped,
                on_server.lost.max(0.0)
            ),
        )
        .goal("≥ 20,000, nothing lost", is_reached)
        .spread(on_server.rate.spread(0)),
    );
}

fn sqlite(services: &Services, took: &mut Took) {
    let folder = program::folder();
    prepare::services_file(folder.path(), services);
    let settings = [("SERVICES_FILE", SERVICES_FILE), ("RUNNER_POOL_SIZE", POOL_SIZE)];
    let program = Program::start(&program::own_binary(), folder.path(), &settings);
    std::thread::sleep(WARM_UP);
    let mut ticks = Ticks::of(folder.path());
    let (count, cpu, started) = (ticks.just_committed(), program.cpu(), Instant::now());
    std::thread::sleep(LASTS);
    let count = (ticks.just_committed() - count) as f64;
    took.own_us.push(program.cpu().us_since(&cpu) / count);
    took.rate.push(count / started.elapsed().as_secs_f64());
}

fn postgres(services: &Services, took: &mut Took) {
    let mut server = Postgres::start();
    let folder = program::folder();
    prepare::services_file(folder.path(), services);
    let url = server.database.url();
    let settings = [
        ("DATABASE_URL", &*url),
        ("SERVICES_FILE", SERVICES_FILE),
        ("RUNNER_POOL_SIZE", POOL_SIZE),
    ];
    let program = Program::start(&program::own_binary(), folder.path(), &settings);
    std::thread::sleep(WARM_UP);
    let count = server.just_committed();
    let (used, cpu, started) = (server.used(), program.cpu(), Instant::now());
    std::thread::sleep(LASTS);
    let count = (server.just_committed() - count) as f64;
    let (own_us, elapsed) = (program.cpu().us_since(&cpu), started.elapsed().as_secs_f64());
    took.server_us.push((server.used().cpu_us - used.cpu_us) / count);
    took.own_us.push(own_us / count);
    took.rate.push(count / elapsed);
    took.dropped += program.metrics().dropped();
    // The counters of one exposition are read while they grow, so the minimum of three counts.
    let lost = (0..3).map(|_| left(&program.metrics()));
    took.lost = took.lost.max(lost.fold(f64::INFINITY, f64::min));
}

/// Outcomes that are neither counted, buffered nor running.
fn left(metrics: &Metrics) -> f64 {
    metrics.unaccounted() - metrics.buffered() - metrics.busy()
}
