//! Part 5: throughput and latency of the API at full probe load. The load generator is wrk.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::prepare::{self, Services};
use crate::program::{self, Program};
use crate::table::{Row, Table};
use crate::target::{Behaviour, Target};
use crate::ticks::Ticks;

/// Services and their interval: full load, 10,000 probes a second.
pub const SERVICES: usize = 100_000;
pub const INTERVAL: Duration = Duration::from_secs(10);

/// Least share of the probe rate that counts as full load.
pub const FULL_LOAD: f64 = 0.95;

/// Until the load is steady: a first round, in which each service begins an event and stores its
/// facts, and the commits that are behind then.
pub const WARM_UP: Duration = Duration::from_secs(45);

/// Arguments of wrk.
const WRK: [&str; 7] = ["--threads", "2", "--connections", "16", "--duration", "3s", "--latency"];

/// Requests: name, Lua expression of the path, and the limit of its random number `n` (from 1).
pub const REQUESTS: [(&str, &str, u32); 5] = [
    ("`/v1/services?limit=100`", "\"/v1/services?limit=100\"", 1),
    ("the same, random pages", "\"/v1/services?limit=100&page=\" .. n", 1_000),
    ("one service, random", "\"/v1/services/\" .. n", 100_000),
    ("its events", "\"/v1/services/\" .. n .. \"/events\"", 100_000),
    ("its series", "\"/v1/services/\" .. n .. \"/series\"", 100_000),
];

/// Goal for the list: requests a second, and p99 in milliseconds.
pub const LIST_GOAL: (f64, f64) = (3_000.0, 15.0);

/// The request of random pages, and the goal for it: requests a second.
const RANDOM_PAGES: usize = 1;
const RANDOM_GOAL: f64 = 5_000.0;

/// Measures and adds the rows.
pub fn run(table: &mut Table) {
    table.part("5. API beside full load, 100,000 services at 10 s");
    let target = Target::start(&Behaviour::Prompt);
    let folder = program::folder();
    let services = Services::new(SERVICES, target.port, INTERVAL);
    prepare::database(folder.path(), &[services], true);
    let program = Program::start(&program::own_binary(), folder.path(), &[]);
    std::thread::sleep(WARM_UP);
    let mut ticks = Ticks::of(folder.path());
    let rate = probes_a_second(&mut ticks, || std::thread::sleep(Duration::from_secs(2))).0;
    let is_full = |rate: f64| rate >= FULL_LOAD * SERVICES as f64 / INTERVAL.as_secs_f64();
    table.row(
        Row::new("probes a second, without requests", format!("{rate:.0}"))
            .goal("≥ 95 % of 10,000", is_full(rate)),
    );
    for (nth, (what, path, most)) in REQUESTS.into_iter().enumerate() {
        if nth == RANDOM_PAGES {
            // Every page once: the texts of services that do not change are kept.
            run_wrk(&program.api, folder.path(), path, most);
        }
        let (rate, load) =
            probes_a_second(&mut ticks, || run_wrk(&program.api, folder.path(), path, most));
        let figures = format!("{load}; {rate:.0} probes a second meanwhile");
        let Load { rate: requests, p99_ms, errors, .. } = load;
        let mut row = Row::new(what, figures);
        if nth == 0 {
            let is_quick = requests >= LIST_GOAL.0 && p99_ms <= LIST_GOAL.1 && errors.is_empty();
            let wanted = "≥ 3,000 a second, p99 ≤ 15 ms, at full load";
            row = row.goal(wanted, is_quick && is_full(rate));
        }
        if nth == RANDOM_PAGES {
            let is_quick = requests >= RANDOM_GOAL && errors.is_empty();
            row = row.goal("≥ 5,000 a second", is_quick);
        }
        table.row(row);
    }
}

/// Committed ticks a second while `meanwhile` runs.
fn probes_a_second<T>(ticks: &mut Ticks, meanwhile: impl FnOnce() -> T) -> (f64, T) {
    let (before, started) = (ticks.committed(), Instant::now());
    let done = meanwhile();
    ((ticks.committed() - before) as f64 / started.elapsed().as_secs_f64(), done)
}

/// Result of wrk.
pub struct Load {
    pub rate: f64,
    p50_ms: f64,
    pub p99_ms: f64,
    /// Failed requests, as a text; empty when there were none.
    pub errors: String,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, p50_ms, p99_ms, errors } = self;
        write!(f, "{rate:.0} requests a second, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms{errors}")
    }
}

/// Runs wrk for 3 s.
pub fn run_wrk(api: &str, folder: &Path, path: &str, most: u32) -> Load {
    let script = folder.join("requests.lua");
    // Each thread has its own seed.
    let lua = format!(
        "local threads = 0\n\
         function setup(thread) threads = threads + 1; thread:set('seed', threads) end\n\
         function init() math.randomseed(seed) end\n\
         function request() local n = math.random({most}); return wrk.format('GET', {path}) end"
    );
    std::fs::write(&script, lua).expect("a file");
    let output = Command::new("wrk")
        .args(WRK)
        .arg("--script")
        .arg(&script)
        .arg(format!("http://{api}"))
        .output()
        .expect("wrk runs; tests/needs.sh installs it");
    let text = String::from_utf8_lossy(&output.stdout);
    let after = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        line.map(str::trim).unwrap_or_default()
    };
    let errors: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("Non-2xx") || line.starts_with("Socket errors"))
        .collect();
    Load {
        rate: after("Requests/sec:").parse().unwrap_or(f64::NAN),
        p50_ms: milliseconds(after("50%")),
        p99_ms: milliseconds(after("99%")),
        errors: errors.iter().map(|line| format!(", {line}")).collect(),
    }
}

/// Parses a time of wrk: `1.23ms`, `45.00us`, `1.10s`.
fn milliseconds(text: &str) -> f64 {
    let number = text.trim_end_matches(char::is_alphabetic);
    let factor = match &text[number.len()..] {
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 60e3,
        _ => f64::NAN,
    };
    number.parse::<f64>().map_or(f64::NAN, |number| number * factor)
}
