//! Part 7: duration of a start, and of a stop with probes in flight.

use std::path::Path;
use std::time::Duration;

use crate::prepare::{self, SERVICES_FILE, Services};
use crate::program::{self, Program};
use crate::table::{Row, Table};
use crate::target::{Behaviour, Target};

/// Services of the starts, and their interval.
const SERVICES: usize = 100_000;
const INTERVAL: Duration = Duration::from_secs(60);

/// Goal for a start from the database.
const READY_GOAL: Duration = Duration::from_secs(3);

/// Probes in flight at the stop; their target never responds.
const IN_FLIGHT: usize = 10_000;
const POOL_SIZE: &str = "12000";
const GRACE_SECONDS: &str = "2";

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    table.part("7. Start with 100,000 services, and stop with 10,000 probes in flight");
    let target = Target::start(&Behaviour::Prompt);
    let services = Services::new(SERVICES, target.port, INTERVAL);

    let folder = program::folder();
    prepare::services_file(folder.path(), &services);
    let file = [("SERVICES_FILE", SERVICES_FILE)];
    table.row(Row::new("ready from a services file, new database", start(folder.path(), &file).0));
    table.row(Row::new("the same file again", start(folder.path(), &file).0));

    let folder = program::folder();
    prepare::database(folder.path(), &[services], true);
    let (duration, after) = start(folder.path(), &[]);
    let row = Row::new("ready from the database, a tick each", duration);
    table.row(row.goal("≤ 3 s", after <= READY_GOAL));

    stop(table);
}

/// Starts and stops the service; returns the time until it was ready, as a text and a duration.
fn start(folder: &Path, settings: &[(&str, &str)]) -> (String, Duration) {
    let program = Program::start(&program::own_binary(), folder, settings);
    let after = program.ready_after;
    let (_, code) = program.stop();
    assert_eq!(code, Some(0), "an orderly stop");
    (format!("{:.2} s", after.as_secs_f64()), after)
}

fn stop(table: &mut Table) {
    let target = Target::start(&Behaviour::Silent);
    let folder = program::folder();
    // All probes are in flight after the first interval, and stay so for a minute.
    let services = Services {
        timeout: Duration::from_secs(60),
        ..Services::new(IN_FLIGHT, target.port, Duration::from_secs(3))
    };
    prepare::database(folder.path(), &[services], true);
    let settings = [("RUNNER_POOL_SIZE", POOL_SIZE), ("SHUTDOWN_GRACE_SECONDS", GRACE_SECONDS)];
    let program = Program::start(&program::own_binary(), folder.path(), &settings);
    let in_flight = program::wait_for("10,000 probes in flight", || {
        std::thread::sleep(Duration::from_millis(500));
        Some(program.metrics().busy()).filter(|busy| *busy >= IN_FLIGHT as f64)
    });
    let (took, code) = program.stop();
    let figures = format!(
        "{:.2} s, exit code {}",
        took.as_secs_f64(),
        code.map_or("none".to_owned(), |code| code.to_string())
    );
    let row = Row::new(
        format!("stop with {in_flight:.0} probes in flight, {GRACE_SECONDS} s of grace"),
        figures,
    );
    table.row(row.goal("exit code 0", code == Some(0)));
}
