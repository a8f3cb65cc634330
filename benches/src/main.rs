//! Benchmarks of cost and capacity on one machine; `docs/benchmarks.md` describes the method.
//!
//! `bench` runs all parts but one, `bench NAME…` the named ones, and `bench smoke` a small form
//! with generous limits. `--into FILE` writes the tables between the markers of that file.

#![expect(clippy::expect_used, reason = "a failed benchmark ends")]

mod accuracy;
mod alerting;
mod api;
mod commits;
mod conditions;
mod everyday;
mod figures;
mod floor;
mod hour;
mod isolation;
mod lifecycle;
mod note;
mod postgres;
mod prepare;
mod probes;
mod program;
mod queries;
mod scale;
mod smoke;
mod stall;
mod table;
mod target;
mod ticks;
mod ui;
mod usage;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use table::Table;

type Part = fn(&mut Table);

/// Parts that run only when named, so that the others take less than 15 minutes with the build.
const WHEN_NAMED: [&str; 11] = [
    "stall",
    "postgres",
    "move",
    "ui",
    "storm",
    "receivers",
    "everyday",
    "queries",
    "million",
    "hour",
    "alerts",
];

/// The parts, by name, in the order in which they run.
const PARTS: [(&str, Part); 19] = [
    ("probes", probes::run),
    ("scale", scale::run),
    ("isolation", isolation::run),
    ("accuracy", accuracy::run),
    ("api", api::run),
    ("commits", commits::run),
    ("lifecycle", lifecycle::run),
    ("stall", stall::run),
    ("postgres", postgres::run),
    ("move", postgres::run_move),
    ("ui", ui::run),
    ("storm", alerting::storm),
    ("receivers", alerting::receivers),
    ("everyday", everyday::run),
    ("queries", queries::run),
    ("million", scale::million),
    ("hour", hour::run),
    ("alerts", probes::alerts),
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
        assert!(at < words.len(), "--into: missing value, expected a file");
        words.remove(at)
    });
    for word in &words {
        let names = PARTS.map(|(name, _)| name).join(", ");
        let is_part = PARTS.iter().any(|(name, _)| name == word);
        assert!(is_part, "part: invalid value {word:?}, expected smoke, {names}");
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
