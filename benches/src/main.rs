//! What the service costs, and what it carries, on one machine.
//!
//! Every speed is a ratio to a floor that is measured in the same run, floor and service in turn (A B A B), since machines differ.
//! The service is the release binary over loopback with a real SQLite file; its target is this very program started a second
//! time, so that its CPU is not counted. `docs/benchmarks.md` says what is measured and how.
//!
//! `bench` runs all parts, `bench NAME…` those that are named, `bench smoke` a small form that checks ratios generously, and
//! `--into FILE` puts the table between the markers of that file.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on ends")]

mod accuracy;
mod api;
mod commits;
mod figures;
mod floor;
mod isolation;
mod lifecycle;
mod prepare;
mod probes;
mod program;
mod scale;
mod table;
mod target;
mod ticks;

use table::Table;

/// The parts, by name, in the order in which they run.
const PARTS: [(&str, fn(&mut Table)); 7] = [
    ("probes", probes::run),
    ("scale", scale::run),
    ("isolation", isolation::run),
    ("accuracy", accuracy::run),
    ("api", api::run),
    ("commits", commits::run),
    ("lifecycle", lifecycle::run),
];

fn main() {
    rlimit::increase_nofile_limit(u64::MAX).expect("the hard limit of file descriptors");
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == target::SERVE) {
        return target::serve(&words[1..]);
    }
    let mut table = Table::default();
    for (name, run) in PARTS {
        if words.is_empty() || words.iter().any(|word| word == name) {
            run(&mut table);
        }
    }
    println!("{}", table.markdown());
}
