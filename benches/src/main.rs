//! What the service costs, and what it carries, on one machine.
//!
//! Every speed is a ratio to a floor that is measured in the same run, floor and service in turn (A B A B), since machines differ.
//! The service is the release binary over loopback with a real SQLite file; its target is this very program started a second
//! time, so that its CPU is not counted. `docs/benchmarks.md` says what is measured and how.
//!
//! `bench` runs all parts but one, `bench NAME…` those that are named, `bench smoke` a small form that checks ratios generously, and
//! `--into FILE` puts the table between the markers of that file.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on ends")]

mod accuracy;
mod api;
mod commits;
mod conditions;
mod figures;
mod floor;
mod isolation;
mod lifecycle;
mod note;
mod prepare;
mod probes;
mod program;
mod scale;
mod smoke;
mod stall;
mod table;
mod target;
mod ticks;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use table::Table;

type Part = fn(&mut Table);

/// Parts that run only when they are named, so that the others stay below a quarter of an hour, the build included.
const WHEN_NAMED: [&str; 1] = ["stall"];

/// The parts, by name, in the order in which they run.
const PARTS: [(&str, Part); 9] = [
    ("probes", probes::run),
    ("scale", scale::run),
    ("isolation", isolation::run),
    ("accuracy", accuracy::run),
    ("api", api::run),
    ("commits", commits::run),
    ("lifecycle", lifecycle::run),
    ("stall", stall::run),
    ("conditions", conditions::run),
];

fn main() -> ExitCode {
    rlimit::increase_nofile_limit(u64::MAX).expect("the hard limit of file descriptors");
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == target::SERVE) {
        target::serve(&words[1..]);
        return ExitCode::SUCCESS;
    }
    if words == ["smoke"] {
        return if smoke::run() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let into = words.iter().position(|word| word == "--into").map(|at| {
        words.remove(at);
        assert!(at < words.len(), "--into wants a file");
        words.remove(at)
    });
    for word in &words {
        let names = PARTS.map(|(name, _)| name).join(", ");
        let is_part = PARTS.iter().any(|(name, _)| name == word);
        assert!(is_part, "{word} is no part; there are smoke, {names}");
    }
    let (mut table, started) = (Table::new(), Instant::now());
    for (name, run) in PARTS {
        let is_wanted = if words.is_empty() {
            !WHEN_NAMED.contains(&name)
        } else {
            words.iter().any(|word| word == name)
        };
        if is_wanted {
            run(&mut table);
        }
    }
    let text = note::text(&table.markdown(), &words, started.elapsed());
    println!("{text}");
    if let Some(file) = into {
        note::put_into(Path::new(&file), &text);
    }
    ExitCode::SUCCESS
}
