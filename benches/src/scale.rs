//! Part 2: memory and lateness with up to 500,000 services at 60 s.

use std::time::Duration;

use service_healthcheck::clock::unix_ms;

use crate::prepare::{self, Services};
use crate::program::{self, Program};
use crate::table::{Row, Table};
use crate::target::{Behaviour, Target};
use crate::ticks::{SlotResults, Ticks};

const INTERVAL: Duration = Duration::from_secs(60);

/// Whole rounds to measure, from the moment when the service is ready.
const ROUNDS: u32 = 2;

/// Time for the last probes to end and to be committed, which may take a commit window.
const REST: Duration = Duration::from_secs(10);

/// Goal for p99 of the lateness, in milliseconds.
const LATENESS_GOAL_MS: f64 = 100.0;

/// A number of services with its goals.
struct Size {
    count: usize,
    /// Goal for the memory, in MiB.
    rss_goal_mib: f64,
    /// Goal for the time until it is ready, if there is one.
    ready_goal: Option<Duration>,
}

const fn size(count: usize, rss_goal_mib: f64, ready_goal: Option<Duration>) -> Size {
    Size { count, rss_goal_mib, ready_goal }
}

/// Sizes that run side by side, some 1,850 probes a second in all; and one that runs alone.
const TOGETHER: [Size; 3] = [
    size(1_000, 20.0, None),
    size(10_000, 40.0, None),
    size(100_000, 130.0, Some(Duration::from_secs(3))),
];
const ALONE: [Size; 1] = [size(500_000, 500.0, None)];

const MILLION: [Size; 1] = [size(1_000_000, 900.0, Some(Duration::from_secs(10)))];

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    table.part("2. Scale, services at 60 s, over two whole rounds");
    let target = Target::start(&Behaviour::Prompt);
    for sizes in [TOGETHER.as_slice(), ALONE.as_slice()] {
        side_by_side(table, &target, sizes);
    }
}

/// A million services, some 16,700 probes a second.
pub fn million(table: &mut Table) {
    table.part("15. A million services at 60 s, over two whole rounds");
    side_by_side(table, &Target::start(&Behaviour::Prompt), &MILLION);
}

fn side_by_side(table: &mut Table, target: &Target, sizes: &[Size]) {
    let start = |size| {
        let running = Running::start(size, target);
        table.progress(&format!("  {} services for two rounds", running.size.count));
        running
    };
    let running: Vec<Running> = sizes.iter().map(start).collect();
    for running in running {
        let Running { folder, program, size, ids, slots } = running;
        let end = slots.end + REST.as_millis() as i64;
        std::thread::sleep(Duration::from_millis((end - unix_ms()).max(0).unsigned_abs()));
        let (rss, peak) = program.rss_mib();
        let results = SlotResults::of(&mut Ticks::of(folder.path()), &ids, INTERVAL, &slots);
        let (name, ready) = (format!("{} services", size.count), program.ready_after);
        let mut row = Row::new(
            format!("{name}: ready from the database"),
            format!("{:.2} s", ready.as_secs_f64()),
        );
        if let Some(goal) = size.ready_goal {
            row = row.goal(&format!("≤ {} s", goal.as_secs()), ready <= goal);
        }
        table.row(row);
        table.row(
            Row::new(format!("{name}: RSS"), format!("{rss:.1} MiB, at most {peak:.1} MiB"))
                .goal(&format!("≤ {} MiB", size.rss_goal_mib), rss <= size.rss_goal_mib),
        );
        let is_reached = results.lateness_ms.at(0.99) <= LATENESS_GOAL_MS && results.missed == 0;
        table.row(
            Row::new(format!("{name}: lateness"), results.summary())
                .goal("p99 ≤ 100 ms, none missed", is_reached),
        );
    }
}

/// A running service.
struct Running<'a> {
    folder: tempfile::TempDir,
    program: Program,
    size: &'a Size,
    ids: std::ops::Range<i64>,
    /// The measured rounds, in unix milliseconds.
    slots: std::ops::Range<i64>,
}

impl<'a> Running<'a> {
    fn start(size: &'a Size, target: &Target) -> Self {
        let folder = program::folder();
        let services = Services::new(size.count, target.port, INTERVAL);
        let ids = prepare::database(folder.path(), &[services], true).remove(0);
        let program = Program::start(&program::own_binary(), folder.path(), &[]);
        let from = unix_ms();
        let slots = from..from + (ROUNDS * INTERVAL).as_millis() as i64;
        Self { folder, program, size, ids, slots }
    }
}
