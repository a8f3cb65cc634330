//! Part 8: a store that takes no writes. Outcomes stay in bounded memory; those beyond it are
//! dropped and counted, and none is lost without being counted.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use service_healthcheck::storage::sqlite::connection;

use crate::prepare::{self, DATABASE, Services};
use crate::program::{self, Metrics, Program, wait_for};
use crate::table::{Row, Table};
use crate::target::{Behaviour, Target};
use crate::ticks::Ticks;

/// Services at an interval of a second, so this is also the rate of outcomes.
const SERVICES: usize = 5_000;

/// Until the end of the first round.
const WARM_UP: Duration = Duration::from_secs(5);

/// Time for which another process locks the store.
const STALL: Duration = Duration::from_secs(60);

/// Goal for the growth of memory meanwhile, in MiB.
const GROWTH_GOAL_MIB: f64 = 64.0;

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    table.part("8. A store that is locked for 60 s at 5,000 outcomes a second");
    let target = Target::start(&Behaviour::Prompt);
    let folder = program::folder();
    let services = Services::new(SERVICES, target.port, Duration::from_secs(1));
    prepare::services_file(folder.path(), &services);
    let settings = [("SERVICES_FILE", prepare::SERVICES_FILE)];
    let program = Program::start(&program::own_binary(), folder.path(), &settings);
    std::thread::sleep(WARM_UP);
    let before = program.rss_mib().0;
    let most = most_while_locked(&folder.path().join(DATABASE).to_string_lossy(), &program);
    table.row(
        Row::new("RSS meanwhile", format!("{before:.1} MiB, then at most {most:.1} MiB"))
            .goal("grows by ≤ 64 MiB", most - before <= GROWTH_GOAL_MIB),
    );
    wait_for("the buffer to be written", || (program.metrics().buffered() < 2_000.0).then_some(()));
    // Without services no probe runs any more, and the counts can be compared.
    prepare::services_file(folder.path(), &Services { count: 0, ..services });
    program.reload();
    let metrics = wait_for("the last outcome", || Some(program.metrics()).filter(is_at_rest));
    table.row(Row::new(
        "outcomes",
        format!("{:.0} recorded, {:.0} dropped and counted", metrics.recorded(), metrics.dropped()),
    ));
    let rows = Ticks::of(folder.path()).counted() as f64;
    table.row(
        Row::new(
            "ticks that the store counts, less recorded",
            format!("{:.0}", rows - metrics.recorded()),
        )
        .goal("0", rows == metrics.recorded()),
    );
    let lost = metrics.unaccounted();
    table.row(
        Row::new("produced less recorded, dropped and orphaned", format!("{lost:.0}"))
            .goal("0", lost == 0.0),
    );
}

/// Maximum of the memory, in MiB, while a connection of this process locks the database.
fn most_while_locked(database: &str, program: &Program) -> f64 {
    let mut lock = connection::writer(database).expect("a connection");
    wait_for("the lock", || lock.batch_execute("BEGIN IMMEDIATE").ok());
    let (until, mut most) = (Instant::now() + STALL, 0.0_f64);
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(250));
        most = most.max(program.rss_mib().0);
    }
    lock.batch_execute("ROLLBACK").expect("an end of the lock");
    most
}

/// Whether no probe runs any more and everything is written.
pub fn is_at_rest(metrics: &Metrics) -> bool {
    metrics.services() == 0.0 && metrics.busy() == 0.0 && metrics.buffered() == 0.0
}
