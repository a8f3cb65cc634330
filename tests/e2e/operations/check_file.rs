//! `check-file` validates a services file and changes nothing.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use diesel::connection::SimpleConnection;

use crate::support::{Launch, Target};

fn entry(name: &str, url: &str) -> String {
    format!("  - {{name: {name}, url: '{url}'}}\n")
}

#[test]
fn check_file_prints_the_plan_and_changes_nothing() {
    let target = Target::healthy();
    let launch = Launch::new();
    let old = [
        entry("same", &target.url()),
        entry("changes", &target.url()),
        entry("goes", &target.url()),
    ];
    let new = [
        entry("same", &target.url()),
        entry("changes", &target.at("/new")),
        entry("comes", &target.url()),
    ];
    let first = launch.write_file("old.yaml", &format!("endpoints:\n{}", old.concat()));
    let next = launch.write_file("new.yaml", &format!("endpoints:\n{}", new.concat()));
    let check = |launch: &Launch, file: &Path| launch.run(&["check-file", file.to_str().unwrap()]);
    let (code, output) = check(&launch, &first);
    assert_eq!(code, Some(0), "{output}");
    assert!(output.ends_with("3 added, 0 changed, 0 removed, 0 unchanged\n"), "{output}");
    assert!(!launch.folder().join("db.db").exists());

    let launch = launch.with("SERVICES_FILE", "old.yaml");
    let running = launch.start();
    let (code, output) = check(&launch, &next);
    assert_eq!(code, Some(0), "{output}");
    for line in [
        "+ comes ",
        "~ changes (id 2) ",
        "- goes (id 3) ",
        "1 added, 1 changed, 1 removed, 1 unchanged",
    ] {
        assert!(output.contains(line), "{line} in {output}");
    }
    assert_eq!(running.names(), ["same", "changes", "goes"]);
    let bad = launch.write_file("bad.yaml", "endpoints:\n  - {name: a}\n");
    let (code, output) = check(&launch, &bad);
    assert_eq!(code, Some(2));
    assert!(output.contains("bad.yaml:2: endpoint 1 (a): url: required"), "{output}");
}

#[test]
fn check_file_lists_what_alerts_nobody() {
    let launch = Launch::new();
    let silent = "endpoints:\n  - {name: a, url: 'http://127.0.0.1:1/'}\n  \
                  - {name: b, url: 'http://127.0.0.1:1/'}\n";
    let file = launch.write_file("silent.yaml", silent);
    let (code, output) = launch.run(&["check-file", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{output}");
    let expected = "silent.yaml:2: endpoints: (2 times) nobody is alerted of the service: it has \
                    no alerts, and no policy matches\n";
    assert!(output.contains(expected), "{output}");
    let alerting = "alerting:\n  slack: {webhook-url: 'https://hooks.example.org/x'}\n  \
                    policies: [{channels: slack}]\n";
    let file = launch.write_file("told.yaml", &format!("{alerting}{silent}"));
    let (code, output) = launch.run(&["check-file", file.to_str().unwrap()]);
    assert!(code == Some(0) && !output.contains("nobody"), "{output}");
}

/// Content and modification time of the database file and its write-ahead log.
fn state_of(launch: &Launch) -> [(Vec<u8>, SystemTime); 2] {
    ["db.db", "db.db-wal"].map(|name| {
        let file = launch.folder().join(name);
        (fs::read(&file).unwrap(), file.metadata().unwrap().modified().unwrap())
    })
}

fn check_file(launch: &Launch, code: i32, expected: &str) {
    launch.write_file("services.yaml", "endpoints:\n  - {name: new, url: 'http://127.0.0.1:1/'}\n");
    let (ended, output) = launch.run(&["check-file", "services.yaml"]);
    assert!(ended == Some(code) && output.contains(expected), "{output}");
}

#[test]
fn check_file_does_not_change_a_database_after_a_kill() {
    let launch = Launch::new();
    let target = Target::healthy();
    let app = launch.start();
    let id = app.add("old", &target.url());
    app.wait_for_ticks(id, 3);
    app.kill();
    let before = state_of(&launch);
    assert!(!before[1].0.is_empty(), "there is a write-ahead log");
    check_file(&launch, 0, "1 added, 0 changed, 0 removed");
    assert!(state_of(&launch) == before, "check-file changed the store");
}

#[test]
fn check_file_accepts_an_empty_database_and_rejects_an_older_schema() {
    let empty = Launch::new();
    fs::write(empty.folder().join("db.db"), "").unwrap();
    check_file(&empty, 0, "1 added, 0 changed, 0 removed");
    let old = Launch::new();
    let mut store = old.db().connect();
    let applied = "CREATE TABLE __diesel_schema_migrations (version TEXT PRIMARY KEY)";
    store.batch_execute(applied).unwrap();
    let all = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite")).unwrap();
    let mut folders: Vec<_> = all.map(|folder| folder.unwrap().path()).collect();
    folders.sort();
    for folder in &folders[..3] {
        store.batch_execute(&fs::read_to_string(folder.join("up.sql")).unwrap()).unwrap();
        let name = folder.file_name().unwrap().to_str().unwrap().replace('-', "");
        let version = name.split('_').next().unwrap();
        let add = format!("INSERT INTO __diesel_schema_migrations VALUES ('{version}')");
        store.batch_execute(&add).unwrap();
    }
    check_file(&old, 1, "start this version on it once");
}
