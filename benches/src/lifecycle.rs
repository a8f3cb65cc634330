//! Part 7: how long a start takes, and a stop with probes in flight.

use std::path::Path;
use std::time::Duration;

use crate::prepare::{self, SERVICES_FILE, Services};
use crate::program::{self, Program};
use crate::table::{Row, Table};
use crate::target::{Manners, Target};

/// Services of the starts, and how often they are probed.
const SERVICES: usize = 100_000;
const INTERVAL: Duration = Duration::from_secs(60);

/// From the database, it is to be ready after this.
const READY_REACH: Duration = Duration::from_secs(3);

/// Probes in flight at the stop; their target never answers.
const IN_FLIGHT: usize = 10_000;
const POOL_SIZE: &str = "12000";
const GRACE_SECONDS: &str = "2";

/// Measures and tells.
pub fn run(table: &mut Table) {
    table.part("7. Start with 100,000 services, and stop with 10,000 probes in flight");
    let target = Target::start(&Manners::Prompt);
    let services = Services::new(SERVICES, target.port, INTERVAL);

    let folder = program::folder();
    prepare::services_file(folder.path(), &services);
    let file = [("SERVICES_FILE", SERVICES_FILE)];
    table.row(Row::new("ready from a services file, new database", start(folder.path(), &file).0));
    table.row(Row::new("the same file again", start(folder.path(), &file).0));

    let folder = program::folder();
    prepare::database(folder.path(), &[services], true);
    let (told, after) = start(folder.path(), &[]);
    let row = Row::new("ready from the database, a tick each", told);
    table.row(row.reach("≤ 3 s", after <= READY_REACH));

    stop(table);
}

/// Starts it and kills it; gives after which time it was ready, and as a text.
fn start(folder: &Path, settings: &[(&str, &str)]) -> (String, Duration) {
    let program = Program::start(&program::own_binary(), folder, settings);
    let after = program.ready_after;
    let (_, code) = program.stop();
    assert_eq!(code, Some(0), "it stops in order");
    (format!("{:.2} s", after.as_secs_f64()), after)
}

fn stop(table: &mut Table) {
    let target = Target::start(&Manners::Silent);
    let folder = program::folder();
    // All of them are in flight once the first interval has passed, and long after it.
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
    let told = format!(
        "{:.2} s, exit code {}",
        took.as_secs_f64(),
        code.map_or("none".to_owned(), |code| code.to_string())
    );
    let row = Row::new(
        format!("stop with {in_flight:.0} probes in flight, {GRACE_SECONDS} s of grace"),
        told,
    );
    table.row(row.reach("exit code 0", code == Some(0)));
}
