//! Part 2: how many services one machine carries at 60 s, on time and in how much memory.

use std::time::Duration;

use service_healthcheck::clock::unix_ms;

use crate::prepare::{self, Services};
use crate::program::{self, Program};
use crate::table::{Row, Table};
use crate::target::{Manners, Target};
use crate::ticks::{Kept, Ticks};

const INTERVAL: Duration = Duration::from_secs(60);

/// Whole rounds that are looked at, from the moment on in which the service is ready.
const ROUNDS: u32 = 2;

/// For the last probes to end, and for their commit.
const REST: Duration = Duration::from_secs(2);

/// Lateness that 99 of 100 probes keep, in milliseconds.
const LATENESS_REACH_MS: f64 = 100.0;

/// So many services.
struct Size {
    count: usize,
    /// Memory that is to suffice, in MiB.
    rss_reach_mib: f64,
    /// When it is to be ready, if that is said.
    ready_reach: Option<Duration>,
}

const fn size(count: usize, rss_reach_mib: f64, ready_reach: Option<Duration>) -> Size {
    Size { count, rss_reach_mib, ready_reach }
}

/// Sizes that run side by side, together some 1,850 probes a second; and one that runs alone.
const TOGETHER: [Size; 3] = [
    size(1_000, 20.0, None),
    size(10_000, 40.0, None),
    size(100_000, 130.0, Some(Duration::from_secs(3))),
];
const ALONE: [Size; 1] = [size(500_000, 500.0, None)];

/// Measures and tells.
pub fn run(table: &mut Table) {
    table.part("2. Scale, services at 60 s, over two whole rounds");
    let target = Target::start(&Manners::Prompt);
    for sizes in [TOGETHER.as_slice(), ALONE.as_slice()] {
        side_by_side(table, &target, sizes);
    }
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
        let kept = Kept::of(&mut Ticks::of(folder.path()), &ids, INTERVAL, &slots);
        let (who, ready) = (format!("{} services", size.count), program.ready_after);
        let mut row = Row::new(
            format!("{who}: ready from the database"),
            format!("{:.2} s", ready.as_secs_f64()),
        );
        if let Some(reach) = size.ready_reach {
            row = row.reach(&format!("≤ {} s", reach.as_secs()), ready <= reach);
        }
        table.row(row);
        table.row(
            Row::new(format!("{who}: RSS"), format!("{rss:.1} MiB, at most {peak:.1} MiB"))
                .reach(&format!("≤ {} MiB", size.rss_reach_mib), rss <= size.rss_reach_mib),
        );
        let is_reached = kept.lateness_ms.at(0.99) <= LATENESS_REACH_MS && kept.missed == 0;
        table.row(
            Row::new(format!("{who}: lateness"), kept.told())
                .reach("p99 ≤ 100 ms, none missed", is_reached),
        );
    }
}

/// A service at work.
struct Running<'a> {
    folder: tempfile::TempDir,
    program: Program,
    size: &'a Size,
    ids: std::ops::Range<i64>,
    /// The rounds that are looked at, in unix milliseconds.
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
