//! The commit through the port: groups of 512 results, each as one statement.

use std::time::{Duration, Instant};

use service_healthcheck::clock::unix_ms;
use service_healthcheck::domain::{Outcome, Phases, ServiceId};
use service_healthcheck::storage::StoreWrite;
use service_healthcheck::storage::ledger::Ledger;

use super::server::Postgres;
use crate::figures::{Distribution, Turns};
use crate::prepare::Services;
use crate::program::Cpu;
use crate::table::{Row, Table};

const SERVICES: usize = 102_400;
const GROUP: usize = 512;

/// Duration of a turn, and number of the turns.
const LASTS: Duration = Duration::from_secs(4);
const TURNS: usize = 3;

/// Neighbours that are due together. 64 is what the scheduler makes of so many services; 1 is a
/// random order.
const BLOCKS: [usize; 2] = [64, 1];

/// Goals: CPU of the server a result in microseconds, and bytes of log a tick.
const SERVER_GOAL_US: f64 = 12.0;
const LOG_GOAL: f64 = 420.0;

/// The turns of one order.
#[derive(Default)]
struct Took {
    rate: Turns,
    own_us: Turns,
    server_us: Turns,
    log: Turns,
    commit_ms: Vec<f64>,
}

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    let mut server = Postgres::start();
    let store = server.store();
    // Planned without statistics, as right after a large import.
    server.add(&Services::new(SERVICES, 9, Duration::from_secs(10)), true);
    let mut writer = store.access().writer().expect("a writer");
    let mut ledger = Ledger::default();
    for block in BLOCKS {
        let took = measure(&mut server, &mut *writer, &mut ledger, block);
        report(table, block, &took);
    }
    let moved = server.number(
        "SELECT n_tup_upd - n_tup_hot_upd AS number FROM pg_stat_user_tables \
         WHERE relname = 'service_metrics'",
    );
    table.row(Row::new("updates of a metric that were not heap-only", moved.to_string()));
}

fn measure(
    server: &mut Postgres,
    writer: &mut dyn StoreWrite,
    ledger: &mut Ledger,
    block: usize,
) -> Took {
    let mut groups = groups(block);
    // Reads the entries of all services.
    for group in &mut groups {
        commit(writer, ledger, group);
    }
    let mut took = Took::default();
    for _ in 0..TURNS {
        let (used, cpu, started) = (server.used(), Cpu::own(), Instant::now());
        let mut commits = Vec::new();
        while started.elapsed() < LASTS {
            let nth = commits.len() % groups.len();
            commits.push(commit(writer, ledger, &mut groups[nth]));
        }
        let elapsed = started.elapsed().as_secs_f64();
        let own_us = Cpu::own().us_since(&cpu);
        let after = server.used();
        let results = (commits.len() * GROUP) as f64;
        took.rate.push(results / elapsed);
        took.own_us.push(own_us / results);
        took.server_us.push((after.cpu_us - used.cpu_us) / results);
        took.log.push((after.log_bytes - used.log_bytes) / results);
        took.commit_ms.extend(commits);
    }
    took
}

fn report(table: &mut Table, block: usize, took: &Took) {
    let name = match block {
        1 => "commit, random order".to_owned(),
        _ => format!("commit, {block} neighbours together"),
    };
    let has_goal = block > 1;
    let commits = Distribution::of(took.commit_ms.iter().copied());
    table.row(
        Row::new(
            format!("{name}: results a second"),
            format!("{:.0}; {}", took.rate.median(), commits.summary(1, "ms")),
        )
        .spread(took.rate.spread(0)),
    );
    table.row(
        Row::new(
            format!("{name}: CPU of this process a result"),
            format!("{:.2} µs", took.own_us.median()),
        )
        .spread(took.own_us.spread(2)),
    );
    let (server_us, log) = (took.server_us.median(), took.log.median());
    let mut row = Row::new(format!("{name}: CPU of the server"), format!("{server_us:.1} µs"))
        .spread(took.server_us.spread(1));
    if has_goal {
        row = row.goal("≤ 12 µs", server_us <= SERVER_GOAL_US);
    }
    table.row(row);
    let mut row = Row::new(format!("{name}: log a tick"), format!("{log:.0} bytes"))
        .spread(took.log.spread(0));
    if has_goal {
        row = row.goal("≤ 420 bytes", log <= LOG_GOAL);
    }
    table.row(row);
}

/// Duration of a commit, in milliseconds.
fn commit(writer: &mut dyn StoreWrite, ledger: &mut Ledger, group: &mut [Outcome]) -> f64 {
    let now_ms = unix_ms();
    for outcome in group.iter_mut() {
        outcome.started_at_ms = now_ms - 5;
    }
    let started = Instant::now();
    ledger.commit(writer, group, now_ms).expect("a commit");
    started.elapsed().as_secs_f64() * 1e3
}

/// A result of each service, in groups.
fn groups(block: usize) -> Vec<Vec<Outcome>> {
    let mut blocks: Vec<u64> = (0..(SERVICES / block) as u64).collect();
    blocks.sort_by_key(|nth| (nth + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let block = block as u64;
    let ids = blocks.into_iter().flat_map(|nth| (0..block).map(move |at| 1 + nth * block + at));
    let outcomes: Vec<Outcome> = ids.map(outcome).collect();
    outcomes.chunks(GROUP).map(<[Outcome]>::to_vec).collect()
}

fn outcome(id: u64) -> Outcome {
    let phases = Phases {
        connect: Duration::from_micros(90 + id % 100),
        processing: Duration::from_micros(800 + id % 100),
        transfer: Duration::from_micros(10),
        ..Phases::default()
    };
    let id = ServiceId::new(id.cast_signed()).expect("positive");
    Outcome {
        http_status: Some(200),
        phases,
        ..Outcome::without_details(id, unix_ms(), phases.total(), None)
    }
}
