//! Moves of the file in `BENCH_FILE`, which `make bench-history` writes and keeps: to PostgreSQL
//! and back, and with kills.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::server::Postgres;
use crate::program;
use crate::table::{Row, Table};

/// Kills of a move.
const KILLS: u32 = 20;

/// Longest time of a move of 57 million ticks.
const GOAL: Duration = Duration::from_secs(60);

/// One direction: the settings of the source, and the target.
struct Move<'a> {
    folder: &'a Path,
    source: (&'a str, &'a str),
    to: &'a str,
}

impl Move<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(program::own_binary());
        command
            .args(["move", "--to", self.to])
            .current_dir(self.folder)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env(self.source.0, self.source.1)
            .stdin(Stdio::null());
        command
    }

    /// The first line that it prints, and how long it took.
    fn run(&self) -> (String, Duration) {
        let started = Instant::now();
        let output = self.command().output().expect("the program");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let text = String::from_utf8_lossy(&output.stdout);
        (text.lines().next().unwrap_or_default().to_owned(), started.elapsed())
    }

    /// Kills it `KILLS` times, each time a bit later, and lets it end then. Returns the time of all
    /// these processes together.
    fn run_with_kills(&self, whole: Duration) -> Duration {
        let started = Instant::now();
        for _ in 0..KILLS {
            let mut command = self.command();
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().expect("the program");
            thread::sleep(whole / (KILLS + 1));
            child.kill().expect("a kill");
            child.wait().expect("its end");
        }
        self.run();
        started.elapsed()
    }
}

pub fn run(table: &mut Table) {
    let Ok(file) = std::env::var("BENCH_FILE") else {
        table.progress("BENCH_FILE is not set: no move is measured");
        return;
    };
    let file = std::fs::canonicalize(&file).expect("BENCH_FILE");
    let file = file.to_str().expect("BENCH_FILE in UTF-8");
    let folder = program::folder();
    let (postgres, killed) = (Postgres::start(), Postgres::start());
    let url = postgres.database.url();
    let there = Move { folder: folder.path(), source: ("DB_FILE", file), to: &url };
    let (what, took) = there.run();
    table.progress(&what);
    let row = |what: &str, took: Duration| {
        let seconds = format!("{:.1} s", took.as_secs_f64());
        Row::new(what, seconds).goal("≤ 60 s for 57 million ticks", took <= GOAL)
    };
    table.row(row("move to PostgreSQL, compared", took));
    let back = Move { folder: folder.path(), source: ("DATABASE_URL", &url), to: "back.db" };
    let (what, took_back) = back.run();
    table.progress(&what);
    table.row(row("move back to a file, compared", took_back));

    let url = killed.database.url();
    let there = Move { folder: folder.path(), source: ("DB_FILE", file), to: &url };
    let seconds = there.run_with_kills(took).as_secs_f64();
    table.row(Row::new("the first one, killed 20 times", format!("{seconds:.1} s in all")));
}
