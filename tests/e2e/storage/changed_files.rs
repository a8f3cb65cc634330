//! Another program removes or replaces the files of a running service.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{run_ok, ticks};
use crate::support::{App, Db, Launch, Target, wait_for};

/// A service with a healthy target, and a probe without an answer that holds the end of the process
/// back.
struct Running {
    app: App,
    target: Target,
    hung: TcpListener,
}

impl Running {
    fn start(launch: &Launch) -> Self {
        let (app, target) = (launch.start(), Target::healthy());
        let id = app.add("healthy", &target.url());
        app.wait_for_ticks(id, 3);
        // The system accepts the connection, and nothing reads from it.
        let hung = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", hung.local_addr().unwrap());
        app.add_with(&json!({"name": "hung", "url": url, "timeout_seconds": 600}));
        wait_for("the hung probe", || {
            app.metric("service_healthcheck_slots_busy").filter(|busy| *busy >= 1.0)
        });
        Self { app, target, hung }
    }

    /// The process says what happened, refuses changes, and ends with 1. Returns the log.
    fn assert_ends(self, change: &str) -> (String, usize) {
        let Self { mut app, target, hung } = self;
        let not_ready = wait_for("ready to be 503", || {
            Some(app.get("/v1/_internal/ready")).filter(|reply| reply.status == 503)
        });
        assert!(not_ready.errors().contains(change), "{change:?}: {}", not_ready.text);
        let write = app.send("POST", "/v1/services", &json!({"name": "x", "url": "http://a/"}));
        assert_eq!(write.status, 503, "{}", write.text);
        assert_eq!(app.get("/v1/_internal/ready").status, 503, "until the end");
        drop(hung);
        assert_eq!(app.exit_code(), Some(1), "{}", app.log());
        let log = app.log();
        assert!(log.contains("changed by another program") && log.contains(change), "{log}");
        (log, target.request_count())
    }
}

fn launch() -> Launch {
    Launch::new().with("SHUTDOWN_GRACE_SECONDS", 100)
}

/// The only file in `folder` of the form `db.db.rescued-SECONDS` and `ending`.
fn rescued(folder: &Path, ending: &str) -> Option<PathBuf> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found = names.filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let seconds = name.strip_prefix("db.db.rescued-").and_then(|it| it.strip_suffix(ending));
        seconds.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let first = found.next();
    assert_eq!(found.next(), None);
    first
}

/// The copy beside the database has every result.
fn assert_rescued(launch: &Launch, folder: &Path, requests: usize) {
    let copy = rescued(folder, "").unwrap();
    let db = Db::new(copy.clone());
    db.assert_consistent();
    let count = db.number("SELECT tick_count FROM service_metrics WHERE service_id = 1");
    assert_eq!(count, requests as i64, "every result of the healthy target");
    assert!(run_ok(launch, &["check-db", copy.to_str().unwrap()]).starts_with("whole: 2 services"));
    assert_eq!(rescued(folder, ".jsonl"), None, "all outcomes are in the copy");
}

#[test]
fn a_removed_database_is_saved_beside_its_name_and_ends_the_process() {
    let launch = launch();
    let running = Running::start(&launch);
    fs::remove_file(launch.folder().join("db.db")).unwrap();
    let (log, requests) = running.assert_ends("db.db was removed");
    assert!(log.contains("db.db.rescued-"), "{log}");
    assert!(!launch.folder().join("db.db").exists(), "no new database was created");
    assert_rescued(&launch, launch.folder(), requests);
    // The next start has an empty database.
    let app = launch.start();
    assert_eq!(app.names(), [""; 0]);
    app.stop();
}

#[test]
fn a_database_in_its_place_is_not_touched() {
    let launch = launch();
    let running = Running::start(&launch);
    let (file, copy) = (launch.folder().join("db.db"), launch.folder().join("copy.db"));
    run_ok(&launch, &["backup", "copy.db"]);
    let content = fs::read(&copy).unwrap();
    fs::rename(&copy, &file).unwrap();
    let (_, requests) = running.assert_ends("db.db is another file now");
    assert_rescued(&launch, launch.folder(), requests);
    assert!(fs::read(&file).unwrap() == content, "the new file is unchanged");
    // SQLite would apply the log of the old database to the new one.
    assert!(!launch.folder().join("db.db-wal").exists());
    assert!(rescued(launch.folder(), ".log").is_some());
    assert!(run_ok(&launch, &["check-db"]).starts_with("whole: 2 services"));
    launch.start().stop();
}

#[test]
fn a_database_that_is_overwritten_in_place_ends_the_process() {
    let launch = launch();
    let running = Running::start(&launch);
    let (file, copy) = (launch.folder().join("db.db"), launch.folder().join("copy.db"));
    run_ok(&launch, &["backup", "copy.db"]);
    fs::copy(&copy, &file).unwrap();
    let (log, _) = running.assert_ends("db.db was overwritten: it is another database");
    assert!(log.contains("could not be saved"), "the old content is gone: {log}");
    let outcomes = fs::read_to_string(rescued(launch.folder(), ".jsonl").unwrap()).unwrap();
    let lines: Vec<Value> =
        outcomes.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["service_id"] == 1 && line["state"] == "up"));
    assert!(fs::read(&file).unwrap() == fs::read(&copy).unwrap());
    assert!(rescued(launch.folder(), ".log").is_some(), "the log of the old content");
    launch.start().stop();
}

#[test]
fn a_removed_log_is_written_into_the_database() {
    let launch = launch();
    let running = Running::start(&launch);
    fs::remove_file(launch.folder().join("db.db-wal")).unwrap();
    let (_, requests) = running.assert_ends("db.db-wal was removed");
    assert_rescued(&launch, launch.folder(), requests);
    assert!(run_ok(&launch, &["check-db"]).starts_with("whole: 2 services"));
    let db = launch.db();
    db.assert_consistent();
    let rescued = Db::new(rescued(launch.folder(), "").unwrap());
    assert_eq!(ticks(&db), ticks(&rescued));
    launch.start().stop();
}

#[test]
fn a_moved_folder_and_a_changed_link_are_found() {
    let launch = launch().with("DB_FILE", "data/db.db");
    let data = launch.folder().join("data");
    fs::create_dir(&data).unwrap();
    let running = Running::start(&launch);
    fs::rename(&data, launch.folder().join("moved")).unwrap();
    let (_, requests) = running.assert_ends("data/db.db was removed");
    assert!(!data.exists());
    assert_rescued(&launch, &launch.folder().join("moved"), requests);

    let launch = self::launch().with("DB_FILE", "link.db");
    let link = launch.folder().join("link.db");
    std::os::unix::fs::symlink("db.db", &link).unwrap();
    let running = Running::start(&launch);
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("other.db", &link).unwrap();
    let (_, requests) = running.assert_ends("link.db was removed");
    assert_rescued(&launch, launch.folder(), requests);
    assert!(!launch.folder().join("other.db").exists());
}

#[test]
fn an_idle_service_finds_the_change_too_and_says_that_nothing_could_be_saved() {
    let launch = launch().with("DB_FILE", "data/db.db");
    let data = launch.folder().join("data");
    fs::create_dir(&data).unwrap();
    let mut app = launch.start();
    fs::remove_dir_all(&data).unwrap();
    assert_eq!(app.exit_code(), Some(1), "{}", app.log());
    let log = app.log();
    assert!(log.contains("the database that was open could not be saved"), "{log}");
    assert!(!data.exists());
}

#[test]
fn an_unmounted_volume_is_found() {
    let launch = launch().with("DB_FILE", "data/db.db");
    let data = launch.folder().join("data");
    fs::create_dir(&data).unwrap();
    // A mount of its own for the program, in a namespace that ends with it.
    let script = "mount -t tmpfs none data && exec \"$@\"";
    let launch = launch.wrapped_in(&["unshare", "-m", "sh", "-c", script, "sh"]);
    let running = Running::start(&launch);
    let pid = running.app.pid().as_raw_nonzero().to_string();
    let unmount = ["-t", &pid, "-m", "umount", "-l", data.to_str().unwrap()];
    assert!(Command::new("nsenter").args(unmount).status().unwrap().success());
    let (log, _) = running.assert_ends("data/db.db was removed");
    assert!(log.contains("the database that was open is saved"), "{log}");
    let db = Db::new(rescued(&data, "").unwrap());
    db.assert_consistent();
    assert!(ticks(&db) > 0);
}
