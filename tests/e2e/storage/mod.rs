//! The database: recording, recovery, retention, backup and import.

mod audit;
mod backup;
mod changed_files;
mod commit_window;
mod crash_recovery;
mod database_commands;
mod database_outage;
mod database_start;
mod export;
mod file_checks;
mod handing_over;
mod import_go_db;
mod instances;
mod moving;
mod postgres_cluster;
mod private_files;
mod recording;
mod restarts;
mod retention;
mod unavailable;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use diesel::connection::SimpleConnection;

use crate::support::{App, Behaviour, Db, Launch, Store, Target, wait_until};

pub fn launch(store: Store) -> Launch {
    Launch::on(store).with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1").with("TICKS_PER_CHUNK", "3")
}

/// A running service with two targets, one of which fails every other time, and some sealed ticks.
pub fn with_history(launch: &Launch) -> (App, [Target; 2]) {
    let targets = [Target::healthy(), Target::start(Behaviour::Alternating(200, 503))];
    let app = launch.start();
    let ids = [app.add("steady, \"one\"", &targets[0].url()), app.add("shaky", &targets[1].url())];
    for id in ids {
        app.wait_for_ticks(id, 12);
    }
    wait_until("ticks to be sealed", || sealed(&app.db()) > 0);
    (app, targets)
}

pub fn sealed(db: &Db) -> i64 {
    db.number("SELECT count(*) FROM service_tick_chunks")
}

/// Number of ticks, fresh and sealed.
pub fn ticks(db: &Db) -> i64 {
    db.number(
        "SELECT (SELECT count(*) FROM fresh_ticks) + (SELECT coalesce(sum(tick_count), 0) FROM \
         service_tick_chunks)",
    )
}

/// Runs a command that must succeed without a warning; returns its standard output.
pub fn run_ok(launch: &Launch, words: &[&str]) -> String {
    let output = launch.command(words).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{words:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must exit with `code` and print all of `expected`.
pub fn run_err(launch: &Launch, words: &[&str], code: i32, expected: &[&str]) {
    let (ended, output) = launch.run(words);
    assert_eq!(ended, Some(code), "{words:?}: {output}");
    for expected in expected {
        assert!(output.contains(expected), "{expected:?} in what {words:?} output:\n{output}");
    }
}

/// Every file of a directory with its content, except files without data: the lock file, SQLite's
/// shared memory, and an empty write-ahead log, which remains when connections close at the same
/// time.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    names
        .map(|name| name.into_string().unwrap())
        .filter(|name| !name.ends_with(".lock") && !name.ends_with("-shm"))
        .map(|name| (name.clone(), fs::read(folder.join(name)).unwrap()))
        .filter(|(name, bytes)| !name.ends_with("-wal") || !bytes.is_empty())
        .collect()
}

/// No file was changed, added or removed.
pub fn assert_same(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) {
    let names = before.keys().chain(after.keys());
    let changed: Vec<&String> =
        names.filter(|name| before.get(*name) != after.get(*name)).collect();
    assert!(changed.is_empty(), "changed: {changed:?}");
}

/// Changes a database that no process has open, and leaves no write-ahead log.
pub fn tamper(file: &Path, sql: &str) {
    let mut connection = Db::new(file.to_owned()).connect();
    connection.batch_execute(sql).unwrap();
    connection.batch_execute("PRAGMA journal_mode = DELETE").unwrap();
}
