//! Part 4: accuracy of the reported response times while the machine is busy.

use std::time::Duration;

use service_healthcheck::clock::unix_ms;

use crate::figures::Distribution;
use crate::prepare::{self, Services};
use crate::program::{self, Program};
use crate::table::{Row, Table};
use crate::target::{Behaviour, Target};
use crate::ticks::{SlotResults, Ticks};

/// Time for which the target holds each request.
const HOLD_MS: u64 = 50;

/// Services with that target, and their interval.
const WATCHED: usize = 500;
const INTERVAL: Duration = Duration::from_secs(1);

/// Warm-up, measurement (whole intervals) and rest.
const WARM_UP: Duration = Duration::from_secs(2);
const LASTS: Duration = Duration::from_secs(6);
const REST: Duration = Duration::from_secs(1);

/// The measured services use about 25 probers, the load the rest.
const POOL_SIZE: &str = "128";

/// Allowed error of p50 and p99, in milliseconds.
const REACH_MS: (f64, f64) = (1.0, 5.0);

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    table.part("4. Accuracy, a target that holds each request for 50 ms");
    for (load, count, interval) in [
        ("beside 8,000 other probes a second", 8_000, INTERVAL),
        ("beside probes saturated", 4_000, Duration::from_millis(100)),
    ] {
        measure(table, load, count, interval);
    }
}

fn measure(table: &mut Table, load: &str, count: usize, interval: Duration) {
    let (prompt, holding) =
        (Target::start(&Behaviour::Prompt), Target::start(&Behaviour::Holding(HOLD_MS)));
    let folder = program::folder();
    let kinds = [
        Services::new(WATCHED, holding.port, INTERVAL),
        Services::new(count, prompt.port, interval),
    ];
    let ids = prepare::database(folder.path(), &kinds, true).remove(0);
    let settings = [("RUNNER_POOL_SIZE", POOL_SIZE)];
    let program = Program::start(&program::own_binary(), folder.path(), &settings);
    std::thread::sleep(WARM_UP);
    let mut ticks = Ticks::of(folder.path());
    let (from, committed) = (unix_ms(), ticks.committed());
    holding.held_ms();
    std::thread::sleep(LASTS);
    let rate = (ticks.committed() - committed) as f64 / LASTS.as_secs_f64();
    let held = Distribution::of(holding.held_ms());
    std::thread::sleep(REST);
    drop(program);
    let slots = from..from + LASTS.as_millis() as i64;
    let results = SlotResults::of(&mut ticks, &ids, INTERVAL, &slots);
    let reported = &results.reported_ms;
    table.row(Row::new(
        format!("{load}: held by the target"),
        format!("{} ({} requests)", held.summary(2, "ms"), held.len()),
    ));
    table.row(Row::new(
        format!("{load}: reported by the service"),
        format!(
            "{} ({} ticks, {rate:.0} probes a second in all)",
            reported.summary(2, "ms"),
            reported.len()
        ),
    ));
    let error = |q: f64| reported.at(q) - held.at(q);
    let (p50, p99) = (error(0.5), error(0.99));
    table.row(
        Row::new(
            format!("{load}: reported less held"),
            format!("p50 {p50:+.2} ms, p99 {p99:+.2} ms"),
        )
        .goal("≤ 1 ms (p50), ≤ 5 ms (p99)", p50.abs() <= REACH_MS.0 && p99.abs() <= REACH_MS.1),
    );
}
