//! Taking data out, and putting it back: export, backup, restore, check-db.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;

use diesel::connection::SimpleConnection;
use serde_json::Value;

use crate::support::{App, Behaviour, Db, Launch, Target, go_database, wait_for};

/// Probes often, and seals every few ticks.
fn launch() -> Launch {
    Launch::new().with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1").with("TICKS_PER_CHUNK", "3")
}

/// A running service with two targets, one of which fails now and then, and some sealed history.
fn with_history(launch: &Launch) -> (App, [Target; 2]) {
    let targets = [Target::healthy(), Target::start(Behaviour::Alternating(200, 503))];
    let app = launch.start();
    let ids = [app.add("steady, \"one\"", &targets[0].url()), app.add("shaky", &targets[1].url())];
    for id in ids {
        app.wait_for_ticks(id, 12);
    }
    wait_for("ticks to be sealed", || (sealed(&app.db()) > 0).then_some(()));
    (app, targets)
}

fn sealed(db: &Db) -> i64 {
    db.number("SELECT count(*) FROM service_tick_chunks")
}

/// How many ticks a database has.
fn ticks(db: &Db) -> i64 {
    db.number(
        "SELECT (SELECT count(*) FROM fresh_ticks) + (SELECT coalesce(sum(tick_count), 0) FROM service_tick_chunks)",
    )
}

/// Runs a command that must end well, and gives what it wrote to standard output.
fn output(launch: &Launch, words: &[&str]) -> String {
    let output = launch.command(words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{words:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must end with `code` and say all of `told`.
fn refused(launch: &Launch, words: &[&str], code: i32, told: &[&str]) {
    let (ended, said) = launch.run(words);
    assert_eq!(ended, Some(code), "{words:?}: {said}");
    for told in told {
        assert!(said.contains(told), "{told:?} in what {words:?} said:\n{said}");
    }
}

/// Every file of a folder with what is in it, but for those that hold no data: our lock, SQLite's index of a log and a log that
/// is empty, which a stop leaves when connections close at the same time.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    names
        .map(|name| name.into_string().unwrap())
        .filter(|name| !name.ends_with(".lock") && !name.ends_with("-shm"))
        .map(|name| (name.clone(), fs::read(folder.join(name)).unwrap()))
        .filter(|(name, bytes)| !name.ends_with("-wal") || !bytes.is_empty())
        .collect()
}

/// Nothing was changed, added or taken away.
fn assert_same(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) {
    let names = before.keys().chain(after.keys());
    let changed: Vec<&String> =
        names.filter(|name| before.get(*name) != after.get(*name)).collect();
    assert!(changed.is_empty(), "changed: {changed:?}");
}

/// Changes a database that nobody uses, and leaves no log beside it.
fn tamper(file: &Path, sql: &str) {
    let mut connection = Db::new(file.to_owned()).connect();
    connection.batch_execute(sql).unwrap();
    connection.batch_execute("PRAGMA journal_mode = DELETE").unwrap();
}

#[test]
fn every_tick_is_exported_while_the_service_runs() {
    let launch = launch();
    let (app, _targets) = with_history(&launch);
    let db = app.db();

    let before = ticks(&db);
    let csv = output(&launch, &["export"]);
    let after = ticks(&db);
    let mut lines = csv.lines();
    assert!(lines.next().unwrap().starts_with("service_id,service,group,time,time_ms,state,"));
    let rows = csv.lines().count() as i64 - 1;
    assert!((before..=after).contains(&rows), "{before} <= {rows} <= {after}");
    assert!(lines.next().unwrap().starts_with("1,\"steady, \"\"one\"\"\",,20"), "{csv}");
    for id in ["1,", "2,"] {
        let times: Vec<i64> = csv
            .lines()
            .filter(|line| line.starts_with(id))
            .map(|line| line.split(',').find_map(|cell| cell.parse().ok().filter(|at| *at > 9_999)))
            .map(Option::unwrap)
            .collect();
        assert!(times.len() >= 12 && times.is_sorted(), "{times:?}");
    }

    // A pause ends it all, so that every format must tell the same.
    for id in [1, 2] {
        app.send("PATCH", &format!("/v1/services/{id}"), &serde_json::json!({"enabled": false}));
    }
    let count = wait_for("the last ticks", || {
        let count = ticks(&db);
        std::thread::sleep(std::time::Duration::from_millis(400));
        (ticks(&db) == count).then_some(count)
    });
    assert_eq!(output(&launch, &["export", "--format", "csv"]).lines().count() as i64, count + 1);
    let jsonl = output(&launch, &["export", "--format", "jsonl"]);
    let objects: Vec<Value> =
        jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len() as i64, count);
    assert!(objects.iter().any(|tick| {
        tick["service"] == "shaky"
            && tick["state"] == "down"
            && tick["http_status"] == 503
            && tick["reason"] == "status"
            && tick["transfer_ms"].is_number()
            && tick["group"].is_null()
    }));

    let own = objects.iter().filter(|tick| tick["service_id"] == 2).count();
    let named = output(&launch, &["export", "--service", "shaky"]);
    assert_eq!(named.lines().count(), own + 1);
    assert_eq!(output(&launch, &["export", "--service", "2", "--service", "shaky"]), named);

    let at = |nth: usize| objects[nth]["time_ms"].as_i64().unwrap();
    let (from, to) = (at(2), at(9));
    let from_text = objects[2]["time"].as_str().unwrap();
    let to_text = format!("{}.{:03}", to / 1_000, to % 1_000);
    let some =
        output(&launch, &["export", "--format=jsonl", "--from", from_text, "--to", &to_text]);
    let within = objects.iter().filter(|tick| {
        let at = tick["time_ms"].as_i64().unwrap();
        (from..to).contains(&at)
    });
    assert_eq!(some.lines().count(), within.count());
    assert_eq!(app.get("/v1/_internal/ready").status, 200, "the service goes on");
}

#[test]
fn openmetrics_keeps_families_and_series_together_and_in_the_order_of_time() {
    let launch = launch();
    let (app, _targets) = with_history(&launch);
    let text = output(&launch, &["export", "--format", "openmetrics"]);
    app.stop();
    assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
    let (mut over, mut series, mut latest) = (HashSet::new(), "", 0.0);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (found, sample) = line.rsplit_once("} ").unwrap();
        let (value, at) = sample.split_once(' ').unwrap();
        let (_, at): (f64, f64) = (value.parse().unwrap(), at.parse().unwrap());
        if found != series {
            assert!(over.insert(found.to_owned()), "{found} is interleaved with others");
            (series, latest) = (found, 0.0);
        }
        assert!(at > latest, "{line} comes after {latest}");
        latest = at;
    }
    let mut families: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('{').unwrap().0)
        .collect();
    families.dedup();
    let all = [
        "probe_success",
        "probe_duration_seconds",
        "probe_http_status_code",
        "probe_http_duration_seconds",
    ];
    assert_eq!(families, all);
    for family in all {
        assert_eq!(text.matches(&format!("# TYPE {family} gauge\n")).count(), 1);
        assert_eq!(text.matches(&format!("# HELP {family} ")).count(), 1);
    }
    for line in [
        "probe_success{service_id=\"2\",name=\"shaky\",group=\"\"} 0 ",
        "probe_success{service_id=\"1\",name=\"steady, \\\"one\\\"\",group=\"\"} 1 ",
        "probe_http_status_code{service_id=\"2\",name=\"shaky\",group=\"\"} 503 ",
        "probe_http_duration_seconds{service_id=\"2\",name=\"shaky\",group=\"\",phase=\"transfer\"} ",
    ] {
        assert!(text.contains(line), "{line}");
    }
}

#[test]
fn time_that_goes_back_is_left_out_of_openmetrics_and_told() {
    let launch = launch();
    let (app, _targets) = with_history(&launch);
    app.stop();
    let file = launch.folder().join("db.db");
    // A fresh tick, behind all others and long before them.
    tamper(
        &file,
        "INSERT INTO service_ticks (id, service_id, step_back, is_up, created_at_ms, unphased_us)
             SELECT 1000000, 1, iif(EXISTS (SELECT 1 FROM fresh_ticks t WHERE t.id = latest_tick_id), 1000000 - latest_tick_id, NULL),
             TRUE, 1000, 5 FROM service_metrics WHERE service_id = 1;
         UPDATE service_metrics SET latest_tick_id = 1000000, tick_count = tick_count + 1, up_count = up_count + 1
             WHERE service_id = 1",
    );
    let (code, said) = launch.run(&["export", "--format", "openmetrics", "--service", "1"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("1 ticks are left out") && !said.contains(" 1.000\n"), "{said}");
    let csv = output(&launch, &["export", "--service", "1"]);
    assert!(csv.lines().last().unwrap().contains(",1970-01-01T00:00:01.000Z,1000,up,0.005,,,"));
}

#[test]
fn what_cannot_be_exported_is_told() {
    let launch = launch();
    refused(&launch, &["export"], 1, &["db.db", "there is no such file"]);
    assert!(files(launch.folder()).is_empty(), "nothing is created");
    let (app, _targets) = with_history(&launch);
    refused(&launch, &["export", "--service", "1", "--service", "nobody"], 1, &["\"nobody\""]);
    for wrong in [
        &["--from", "yesterday"][..],
        &["--to", "2026-02-30T00:00:00Z"],
        &["--from", "2", "--to", "2"],
        &["--format", "xml"],
    ] {
        let words = [&["export"], wrong].concat();
        refused(&launch, &words, 2, &[wrong[0]]);
    }
    refused(&launch, &["export", "--from", "yesterday"], 2, &["RFC 3339"]);

    // A reader that has had enough is no failure.
    let mut child = launch
        .command(&["export", "--format=jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    app.stop();
}

#[test]
fn an_export_of_what_is_at_rest_leaves_no_trace() {
    let launch = launch();
    let (app, _targets) = with_history(&launch);
    app.stop();
    let before = files(launch.folder());
    output(&launch, &["export"]);
    assert!(output(&launch, &["check-db"]).starts_with("whole: "));
    assert_same(&before, &files(launch.folder()));
}

#[test]
fn a_backup_of_a_running_service_goes_on_elsewhere() {
    let launch = launch();
    let (app, targets) = with_history(&launch);
    let elsewhere = self::launch();
    let copy = elsewhere.folder().join("copy.db");
    let copy = copy.to_str().unwrap();
    let said = output(&launch, &["backup", copy]);
    let held = Db::new(copy.into());
    let (count, chunks) = (ticks(&held), sealed(&held));
    let bytes = fs::metadata(copy).unwrap().len();
    assert_eq!(said, format!("{bytes} bytes, 2 services, {count} ticks\n"));
    assert!(chunks > 0 && count >= 24);
    assert_eq!(files(elsewhere.folder()).len(), 1, "nothing but the copy");
    let newest = held.number("SELECT max(at_ms) FROM liveness");

    let before = fs::read(copy).unwrap();
    refused(&launch, &["backup", copy], 1, &["copy.db exists"]);
    refused(&launch, &["backup", "/nowhere/copy.db"], 1, &["/nowhere/copy.db"]);
    assert!(fs::read(copy).unwrap() == before);
    app.stop();

    let said = output(&elsewhere, &["restore", copy]);
    assert_eq!(said, format!("restored 2 services, {count} ticks\n"), "nothing was there before");
    assert!(fs::read(copy).unwrap() == before);
    let names: Vec<String> = files(elsewhere.folder()).into_keys().collect();
    assert_eq!(names, ["copy.db", "db.db"]);
    assert!(output(&elsewhere, &["check-db"]).starts_with("whole: 2 services, "));

    let app = elsewhere.start();
    let db = app.db();
    assert!(ticks(&db) >= count);
    let unknown = format!(
        "SELECT count(*) FROM service_events WHERE event = 'unknown' AND date_started_ms = {newest}"
    );
    assert_eq!(db.number(&unknown), 2, "what came since the copy is unknown");
    app.wait_for_ticks(1, count as u64 / 2 + 3);
    app.stop();
    assert!(output(&elsewhere, &["check-db"]).starts_with("whole: "));
    drop(targets);
}

#[test]
fn a_restore_keeps_what_was_there() {
    let launch = launch();
    let (app, _targets) = with_history(&launch);
    let count = ticks(&app.db());
    output(&launch, &["backup", "copy.db"]);
    app.wait_for_ticks(1, count as u64);
    // Killed, so that its newest ticks stand in the log only.
    app.kill();
    let later = ticks(&launch.db());
    let said = output(&launch, &["restore", "copy.db"]);
    let (_, kept) = said.trim().split_once("; what was there is kept as ").unwrap();
    assert!(kept.contains("db.db.before-restore-"), "{said}");
    let restored = ticks(&launch.db());
    assert!(restored < later && said.contains(&format!(" {restored} ticks;")), "{said}");
    assert_eq!(ticks(&Db::new(kept.into())), later, "with what its log held");
    assert!(output(&launch, &["check-db", kept]).starts_with("whole: "));
    let app = launch.start();
    app.wait_for_ticks(1, 12);
}

#[test]
fn a_database_that_is_damaged_can_be_replaced_and_is_kept_as_it_is() {
    let launch = launch();
    let (app, _targets) = with_history(&launch);
    output(&launch, &["backup", "copy.db"]);
    app.stop();
    let file = launch.folder().join("db.db");
    let mut torn = fs::read(&file).unwrap();
    torn.truncate(torn.len() - 100);
    fs::write(&file, &torn).unwrap();
    fs::write(launch.folder().join("db.db-wal"), "a log that nobody can read").unwrap();
    let said = output(&launch, &["restore", "copy.db"]);
    let (_, kept) = said.trim().split_once("is kept as ").unwrap();
    assert!(fs::read(kept).unwrap() == torn);
    assert_eq!(fs::read(format!("{kept}-wal")).unwrap(), b"a log that nobody can read");
    assert!(!launch.folder().join("db.db-wal").exists());
    assert!(output(&launch, &["check-db"]).starts_with("whole: "));

    // A log without its database is not taken for that of the new one.
    fs::remove_file(&file).unwrap();
    fs::write(launch.folder().join("db.db-journal"), "a journal of what is gone").unwrap();
    fs::remove_file(kept).unwrap();
    fs::remove_file(format!("{kept}-wal")).unwrap();
    let said = output(&launch, &["restore", "copy.db"]);
    assert!(said.contains("before-restore-"), "{said}");
    assert!(!launch.folder().join("db.db-journal").exists());
    launch.start().stop();
}

#[test]
fn what_must_not_be_restored_is_refused_and_the_database_left_as_it_is() {
    let launch = launch();
    let (app, _targets) = with_history(&launch);
    output(&launch, &["backup", "copy.db"]);
    let pid = format!("(pid {})", app.pid().as_raw_nonzero());
    refused(&launch, &["restore", "copy.db"], 1, &["db.db is in use", &pid]);
    assert_eq!(app.get("/v1/_internal/ready").status, 200);
    app.stop();

    let copy = launch.folder().join("copy.db");
    let good = fs::read(&copy).unwrap();
    let bad = launch.folder().join("bad.db");
    let tampered = |sql: &str| {
        fs::write(&bad, &good).unwrap();
        tamper(&bad, sql);
        fs::read(&bad).unwrap()
    };
    let mut torn = good.clone();
    let middle = torn.len() / 2;
    torn[middle..].fill(0xa5);
    for (bytes, told) in [
        (b"dear diary".to_vec(), &["not an SQLite file"][..]),
        (fs::read(go_database()).unwrap(), &["import go-db"]),
        (Vec::new(), &["it is empty"]),
        (good[..good.len() - 4_096].to_vec(), &["cannot be restored", "bytes"]),
        (torn, &["cannot be restored"]),
        (
            tampered(
                "UPDATE service_tick_chunks SET data = x'00' WHERE id IN (SELECT min(id) FROM service_tick_chunks GROUP BY service_id)",
            ),
            &["cannot be restored", "service 1: ", "service 2: "],
        ),
        (
            tampered("DELETE FROM service_rollups WHERE service_id = 2"),
            &["cannot be restored", "service 2: "],
        ),
        (
            tampered("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000000')"),
            &["newer version (migration 99991231000000)"],
        ),
    ] {
        fs::write(&bad, bytes).unwrap();
        let before = files(launch.folder());
        refused(&launch, &["restore", "bad.db"], 1, &[&["bad.db"], told].concat());
        assert_same(&before, &files(launch.folder()));
        refused(
            &launch,
            &["check-db", "bad.db"],
            1,
            &told[usize::from(told[0].starts_with("cannot"))..],
        );
        assert_same(&before, &files(launch.folder()));
    }
    fs::remove_file(&bad).unwrap();
    refused(&launch, &["restore", "bad.db"], 1, &["bad.db", "there is no such file"]);
    refused(&launch, &["restore", "db.db"], 1, &["it is DB_FILE itself"]);
    assert!(output(&launch, &["check-db"]).starts_with("whole: "));

    // Nor is what is not ours replaced.
    let mut reader = launch.db().connect();
    reader.batch_execute("BEGIN; SELECT count(*) FROM services").unwrap();
    refused(&launch, &["restore", "copy.db"], 1, &["somebody has it open"]);
    drop(reader);
    let diary = Launch::new();
    fs::write(diary.folder().join("db.db"), "dear diary").unwrap();
    refused(&diary, &["restore", copy.to_str().unwrap()], 1, &["db.db is not an SQLite file"]);
    assert_eq!(files(diary.folder())["db.db"], b"dear diary");
}

#[test]
fn check_db_looks_while_the_service_runs_and_tells_each_problem() {
    let launch = launch();
    let (app, _targets) = with_history(&launch);
    for _ in 0..5 {
        let said = output(&launch, &["check-db"]);
        assert!(said.starts_with("whole: 2 services, ") && said.ends_with(" roll-ups\n"), "{said}");
    }
    app.stop();
    tamper(
        &launch.folder().join("db.db"),
        "DELETE FROM service_tick_chunks WHERE id = (SELECT min(id) + 1 FROM service_tick_chunks WHERE service_id = 1);
         UPDATE service_tick_chunks SET data = x'00' WHERE id = (SELECT max(id) FROM service_tick_chunks WHERE service_id = 2)",
    );
    refused(&launch, &["check-db"], 1, &["service 2: ", "are counted as"]);
    refused(&launch, &["check-db", "nothing.db"], 1, &["nothing.db", "there is no such file"]);
}
