//! Backup, restore and check-db.

use std::fs;

use diesel::connection::SimpleConnection;

use crate::support::{Db, Launch, Store, go_database, stores};

use super::{assert_same, files, launch, run_err, run_ok, sealed, tamper, ticks, with_history};

stores!(
    a_backup_of_a_running_service_can_be_restored_elsewhere,
    check_db_runs_beside_the_service_and_reports_each_problem,
);

/// The liveness mark, or the latest tick, which a commit leaves in its place.
const MARK: &str = "\
    SELECT max(at_ms) FROM (SELECT at_ms FROM liveness UNION ALL \
    SELECT max(created_at_ms) FROM fresh_ticks)";

fn a_backup_of_a_running_service_can_be_restored_elsewhere(store: Store) {
    let elsewhere = launch(Store::Sqlite);
    let launch = launch(store);
    let (app, targets) = with_history(&launch);
    let copy = elsewhere.folder().join("copy.db");
    let copy = copy.to_str().unwrap();
    let output = run_ok(&launch, &["backup", copy]);
    let held = Db::new(copy.into());
    let (count, chunks) = (ticks(&held), sealed(&held));
    let bytes = fs::metadata(copy).unwrap().len();
    assert_eq!(output, format!("{bytes} bytes, 2 services, {count} ticks\n"));
    assert!(chunks > 0 && count >= 24);
    assert_eq!(files(elsewhere.folder()).len(), 1, "only the copy");
    let newest = held.number(MARK);

    let before = fs::read(copy).unwrap();
    run_err(&launch, &["backup", copy], 1, &["copy.db exists"]);
    run_err(&launch, &["backup", "/nowhere/copy.db"], 1, &["/nowhere/copy.db"]);
    assert!(fs::read(copy).unwrap() == before);
    app.stop();

    let output = run_ok(&elsewhere, &["restore", copy]);
    assert_eq!(output, format!("restored 2 services, {count} ticks\n"), "no database was replaced");
    assert!(fs::read(copy).unwrap() == before);
    let names: Vec<String> = files(elsewhere.folder()).into_keys().collect();
    assert_eq!(names, ["copy.db", "db.db"]);
    assert!(run_ok(&elsewhere, &["check-db"]).starts_with("whole: 2 services, "));

    let app = elsewhere.start();
    let db = app.db();
    assert!(ticks(&db) >= count);
    let unknown = format!(
        "SELECT count(*) FROM service_events WHERE event = 'unknown' AND date_started_ms = {newest}"
    );
    assert_eq!(db.number(&unknown), 2, "time since the backup is unknown");
    app.wait_for_ticks(1, count as u64 / 2 + 3);
    app.stop();
    assert!(run_ok(&elsewhere, &["check-db"]).starts_with("whole: "));
    drop(targets);
}

#[test]
fn a_restore_keeps_the_replaced_database() {
    let launch = launch(Store::Sqlite);
    let (app, _targets) = with_history(&launch);
    let count = ticks(&app.db());
    run_ok(&launch, &["backup", "copy.db"]);
    app.wait_for_ticks(1, count as u64);
    // Killed, so that the newest ticks are only in the write-ahead log.
    app.kill();
    let later = ticks(&launch.db());
    let output = run_ok(&launch, &["restore", "copy.db"]);
    let (_, replaced) = output.trim().split_once("; the old database is kept as ").unwrap();
    assert!(replaced.contains("db.db.before-restore-"), "{output}");
    let restored = ticks(&launch.db());
    assert!(restored < later && output.contains(&format!(" {restored} ticks;")), "{output}");
    assert_eq!(ticks(&Db::new(replaced.into())), later, "including its write-ahead log");
    assert!(run_ok(&launch, &["check-db", replaced]).starts_with("whole: "));
    let app = launch.start();
    app.wait_for_ticks(1, 12);
}

#[test]
fn a_damaged_database_can_be_replaced_and_is_kept_unchanged() {
    let launch = launch(Store::Sqlite);
    let (app, _targets) = with_history(&launch);
    run_ok(&launch, &["backup", "copy.db"]);
    app.stop();
    let file = launch.folder().join("db.db");
    let mut torn = fs::read(&file).unwrap();
    torn.truncate(torn.len() - 100);
    fs::write(&file, &torn).unwrap();
    fs::write(launch.folder().join("db.db-wal"), "a log that nobody can read").unwrap();
    let output = run_ok(&launch, &["restore", "copy.db"]);
    let (_, replaced) = output.trim().split_once("is kept as ").unwrap();
    assert!(fs::read(replaced).unwrap() == torn);
    assert_eq!(fs::read(format!("{replaced}-wal")).unwrap(), b"a log that nobody can read");
    assert!(!launch.folder().join("db.db-wal").exists());
    assert!(run_ok(&launch, &["check-db"]).starts_with("whole: "));

    // A journal without its database must not be applied to the restored one.
    fs::remove_file(&file).unwrap();
    fs::write(launch.folder().join("db.db-journal"), "a journal of what is gone").unwrap();
    fs::remove_file(replaced).unwrap();
    fs::remove_file(format!("{replaced}-wal")).unwrap();
    let output = run_ok(&launch, &["restore", "copy.db"]);
    assert!(output.contains("before-restore-"), "{output}");
    assert!(!launch.folder().join("db.db-journal").exists());
    launch.start().stop();
}

#[test]
fn an_unusable_backup_is_rejected_and_the_database_stays_unchanged() {
    let launch = launch(Store::Sqlite);
    let (app, _targets) = with_history(&launch);
    run_ok(&launch, &["backup", "copy.db"]);
    let pid = format!("(pid {})", app.pid().as_raw_nonzero());
    run_err(&launch, &["restore", "copy.db"], 1, &["db.db is in use", &pid]);
    app.wait_until_ready();
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
    for (bytes, expected) in [
        (b"dear diary".to_vec(), &["not an SQLite file"][..]),
        (fs::read(go_database()).unwrap(), &["import go-db"]),
        (Vec::new(), &["it is empty"]),
        (good[..good.len() - 4_096].to_vec(), &["cannot be restored", "bytes"]),
        (torn, &["cannot be restored"]),
        (
            tampered(
                "UPDATE service_tick_chunks SET data = x'00' WHERE id IN (SELECT min(id) FROM \
                 service_tick_chunks GROUP BY service_id)",
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
        run_err(&launch, &["restore", "bad.db"], 1, &[&["bad.db"], expected].concat());
        assert_same(&before, &files(launch.folder()));
        run_err(
            &launch,
            &["check-db", "bad.db"],
            1,
            &expected[usize::from(expected[0].starts_with("cannot"))..],
        );
        assert_same(&before, &files(launch.folder()));
    }
    fs::remove_file(&bad).unwrap();
    run_err(&launch, &["restore", "bad.db"], 1, &["bad.db", "there is no such file"]);
    run_err(&launch, &["restore", "db.db"], 1, &["it is DB_FILE itself"]);
    assert!(run_ok(&launch, &["check-db"]).starts_with("whole: "));

    // A database that another process has open, or another file, is not replaced.
    let mut reader = launch.db().connect();
    reader.batch_execute("BEGIN; SELECT count(*) FROM services").unwrap();
    run_err(&launch, &["restore", "copy.db"], 1, &["another process has it open"]);
    drop(reader);
    let diary = Launch::new();
    fs::write(diary.folder().join("db.db"), "dear diary").unwrap();
    run_err(&diary, &["restore", copy.to_str().unwrap()], 1, &["db.db is not an SQLite file"]);
    assert_eq!(files(diary.folder())["db.db"], b"dear diary");
}

fn check_db_runs_beside_the_service_and_reports_each_problem(store: Store) {
    let launch = launch(store);
    let (app, _targets) = with_history(&launch);
    for _ in 0..5 {
        let output = run_ok(&launch, &["check-db"]);
        assert!(
            output.starts_with("whole: 2 services, ") && output.ends_with(" roll-ups\n"),
            "{output}"
        );
    }
    app.stop();
    launch.db().execute(
        "DELETE FROM service_tick_chunks WHERE service_id = 1 AND first_seq = (SELECT \
         min(first_seq) FROM service_tick_chunks WHERE service_id = 1 AND first_seq > 1); \
         UPDATE service_tick_chunks SET data = substr(data, 1, 1) WHERE service_id = 2 AND \
         first_seq = (SELECT max(first_seq) FROM service_tick_chunks WHERE service_id = 2)",
    );
    run_err(&launch, &["check-db"], 1, &["service 2: ", "are counted as"]);
    if store == Store::Sqlite {
        run_err(&launch, &["check-db", "nothing.db"], 1, &["nothing.db", "there is no such file"]);
    }
}
