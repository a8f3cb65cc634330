//! `move`: the store in another one, of either kind.

use std::hash::{BuildHasher, RandomState};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{assert_same, files, launch, run_err, run_ok, sealed, ticks, with_history};
use crate::support::{App, Db, Launch, Store, Target, kills, wait_until};

/// Two services with a history, without a running service; and their ids.
fn stopped(launch: &Launch) -> Vec<i64> {
    let (app, _targets) = with_history(launch);
    let ids: Vec<i64> = app.get("/v1/services").list("services").iter().map(id).collect();
    for id in &ids {
        app.pause(*id);
    }
    app.stop();
    ids
}

fn id(service: &serde_json::Value) -> i64 {
    service["id"].as_i64().unwrap()
}

/// What the program prints on both outputs of a move that succeeds.
fn move_to(launch: &Launch, to: &str) -> String {
    let (code, output) = launch.run(&["move", "--to", to]);
    assert_eq!(code, Some(0), "{output}");
    output
}

fn assert_whole(launch: &Launch) -> String {
    let output = run_ok(launch, &["check-db"]);
    assert!(output.starts_with("whole: "), "{output}");
    output
}

/// Everything that `export` prints.
fn exported(launch: &Launch) -> String {
    run_ok(launch, &["export", "--format", "jsonl"])
}

/// A move to an empty file, beside the source.
#[test]
fn a_file_moves_to_another_file() {
    let source = launch(Store::Sqlite);
    stopped(&source);
    let before = files(source.folder());
    let output = move_to(&source, "other.db");
    let other = source.folder().join("other.db");
    assert!(output.contains("moved 2 services, "), "{output}");
    assert!(output.contains(" to other.db in "), "{output}");
    assert!(output.contains("next: set DB_FILE=other.db without DATABASE_URL"), "{output}");
    let mut after = files(source.folder());
    assert!(after.remove("other.db").is_some());
    assert_same(&before, &after);
    let moved = source.clone().with("DB_FILE", other.to_str().unwrap());
    assert_eq!(exported(&moved), exported(&source));
    assert_eq!(assert_whole(&moved), assert_whole(&source));

    // Once more changes nothing, until a service has used the target.
    let output = move_to(&source, "other.db");
    assert!(output.contains("everything was moved to other.db before"), "{output}");
    assert_same(&before, &{
        let mut after = files(source.folder());
        after.remove("other.db");
        after
    });
    moved.start().stop();
    let used = ["the move of DB_FILE", "was finished, and a service has used it since"];
    run_err(&source, &["move", "--to", "other.db"], 1, &used);
    // The store can go on from either; a service has used the source since.
    source.start().stop();
    run_err(&source, &["move", "--to", "other.db"], 1, &used);
}

#[test]
fn files_that_are_no_empty_stores_are_refused_and_stay_as_they_are() {
    let source = launch(Store::Sqlite);
    stopped(&source);
    let run = |to: &str, code: i32, expected: &[&str]| {
        run_err(&source, &["move", "--to", to], code, expected);
    };
    source.write_file("notes.txt", "these are no ticks");
    let diary = launch(Store::Sqlite);
    diary.start().stop();
    let diary_file = diary.folder().join("db.db");
    let before = (files(source.folder()), files(diary.folder()));
    run("notes.txt", 1, &["notes.txt is not an SQLite file"]);
    run(diary_file.to_str().unwrap(), 1, &["db.db cannot be used: it has a store already"]);
    run("db.db", 1, &["db.db is DB_FILE itself"]);
    run("./db.db", 1, &["db.db is DB_FILE itself"]);
    run("nowhere/new.db", 1, &["nowhere/new.db cannot be used"]);
    run("", 2, &["--to: invalid value \"\""]);
    run("mysql://localhost/a", 2, &["--to: invalid value (not a URL of PostgreSQL"]);
    run("postgres://127.0.0.1:1/a", 1, &["postgres://127.0.0.1:1/a: "]);
    let app = diary.start();
    run(diary_file.to_str().unwrap(), 1, &["db.db is in use by another service-healthcheck"]);
    app.stop();
    assert_same(&before.0, &files(source.folder()));

    let app = source.start();
    let pid = app.pid().as_raw_nonzero().to_string();
    run("new.db", 1, &["db.db is in use by another service-healthcheck", &pid]);
    app.stop();
    assert!(!source.folder().join("new.db").exists());
}

#[test]
fn the_target_of_an_unfinished_move_is_refused_until_the_move_goes_on() {
    let source = launch(Store::Sqlite);
    stopped(&source);
    move_to(&source, "other.db");
    let target = Db::new(source.folder().join("other.db"));
    target.execute(
        "UPDATE moves SET finished_ms = NULL; DELETE FROM audit WHERE action = 'move'; \
         UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = 'audit'; \
         PRAGMA journal_mode = DELETE",
    );
    let moved = source.clone().with("DB_FILE", "other.db");
    let why =
        ["it holds an unfinished move of DB_FILE ", "run the same `service-healthcheck move`"];
    let (code, log) = moved.run_to_end();
    assert!(code == Some(1) && why.iter().all(|why| log.contains(why)), "{log}");
    for words in [&["export"][..], &["check-db"], &["token", "list"], &["move", "--to", "third.db"]]
    {
        run_err(&moved, words, 1, &why);
    }
    run_err(&source, &["restore", "other.db"], 1, &why);
    let output = move_to(&source, "other.db");
    assert!(output.contains("an interrupted move goes on"), "{output}");
    assert_whole(&moved);
    moved.start().stop();
}

#[test]
fn a_move_goes_on_after_a_full_disk() {
    let source = launch(Store::Sqlite);
    stopped(&source);
    let small = source.folder().join("small");
    std::fs::create_dir(&small).unwrap();
    // A mount of its own for the program, in a namespace that ends with it.
    let script = "mount -t tmpfs -o size=300k none small && ! \"$@\" && \
                  mount -o remount,size=64m small && exec \"$@\"";
    let full = source.clone().wrapped_in(&["unshare", "-m", "sh", "-c", script, "sh"]);
    let output = move_to(&full, "small/other.db");
    assert!(output.contains("full"), "{output}");
    assert!(output.contains("moved 2 services, "), "{output}");

    let script = "mount -t tmpfs -o ro none small && exec \"$@\"";
    let protected = source.wrapped_in(&["unshare", "-m", "sh", "-c", script, "sh"]);
    let expected = ["small/other.db cannot be used", "Read-only file system"];
    run_err(&protected, &["move", "--to", "small/other.db"], 1, &expected);
}

/// Copies of the services of a stopped store, with all of their rows.
const MULTIPLY: &str = "\
    WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < COPIES) \
    INSERT INTO services SELECT id + k * 10, name || k, url, group_name, enabled, \
        interval_seconds, timeout_seconds, origin, created_at, updated_at, deleted_at, conditions, \
        options FROM services JOIN n; \
    WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < COPIES) \
    INSERT INTO service_events (id, service_id, event, failure, failure_detail, date_started_ms, \
        date_ended_ms, created_at, updated_at) \
    SELECT id + k * 100000, service_id + k * 10, event, failure, failure_detail, \
        date_started_ms, date_ended_ms, created_at, updated_at FROM service_events JOIN n; \
    CREATE TEMP TABLE span AS SELECT max(id) - min(id) + 1 AS length, min(id) AS first \
    FROM service_ticks; \
    WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < COPIES) \
    INSERT INTO service_ticks (id, service_id, step_back, is_up, is_unknown, http_status, failure, \
        created_at_ms, dns_us, connect_us, tls_us, first_byte_us, transfer_us, unphased_us) \
    SELECT id + k * length, service_id + k * 10, \
        CASE WHEN id - step_back >= first THEN step_back END, is_up, is_unknown, http_status, \
        failure, created_at_ms, dns_us, connect_us, tls_us, first_byte_us, transfer_us, \
        unphased_us FROM service_ticks JOIN n JOIN span; \
    WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < COPIES) \
    INSERT INTO service_metrics (service_id, tick_count, up_count, unknown_count, \
        response_time_sum_ns, latest_event_id, latest_tick_id, known_is_up, streak_is_up, \
        streak_count, streak_since_ms, recent_states, is_flapping, created_at, updated_at, \
        unwatched_from_ms) \
    SELECT service_id + k * 10, tick_count, up_count, unknown_count, response_time_sum_ns, \
        latest_event_id + k * 100000, \
        CASE WHEN latest_tick_id >= first THEN latest_tick_id + k * length END, known_is_up, \
        streak_is_up, streak_count, streak_since_ms, recent_states, is_flapping, created_at, \
        updated_at, unwatched_from_ms FROM service_metrics JOIN n JOIN span; \
    WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < COPIES) \
    INSERT INTO service_tick_chunks (service_id, first_seq, from_ms, to_ms, tick_count, up_count, \
        down_count, data) \
    SELECT service_id + k * 10, first_seq, from_ms, to_ms, tick_count, up_count, down_count, data \
    FROM service_tick_chunks JOIN n; \
    WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < COPIES) \
    INSERT INTO service_rollups SELECT service_id + k * 10, step_s, start_s, up_count, down_count, \
        unknown_count, up_ms, down_ms, unknown_ms, paused_ms, response_sum_us, response_min_us, \
        response_max_us, phased_count, dns_us, connect_us, tls_us, first_byte_us, transfer_us, \
        sketch FROM service_rollups JOIN n; \
    UPDATE history SET sealed_event_id = (SELECT max(id) FROM service_events), \
        (chunk_count, sealed_tick_count, sealed_byte_count) = \
        (SELECT count(*), sum(tick_count), sum(length(data)) FROM service_tick_chunks), \
        rollup_count = (SELECT count(*) FROM service_rollups)";

/// Some 400 services.
fn many(launch: &Launch) {
    stopped(launch);
    let is_sealing = |db: &Db| db.number("SELECT count(*) FROM sealing_ticks") > 0;
    if is_sealing(&launch.db()) {
        let app = launch.start();
        wait_until("the sealing to end", || !is_sealing(&app.db()));
        app.stop();
    }
    launch.db().execute(&MULTIPLY.replace("COPIES", "199"));
    assert!(assert_whole(launch).starts_with("whole: 400 services, "));
}

/// Kills moves at random moments; those that nobody kills are whole. `place` makes an empty target
/// and returns a value of `--to` and how a service uses it.
fn killed(source: &Launch, place: &mut dyn FnMut() -> (String, Launch)) {
    let expected = (exported(source), assert_whole(source));
    let (to, target) = place();
    let begun = Instant::now();
    move_to(source, &to);
    let whole_ms = begun.elapsed().as_millis() as u64;
    assert_eq!((exported(&target), assert_whole(&target)), expected);
    let (mut to, mut target) = place();
    let (mut killed, mut resumed) = (0, 0);
    while killed < kills(5) {
        let mut command = source.command(&["move", "--to", &to]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let moment = RandomState::new().hash_one(killed) % whole_ms;
        std::thread::sleep(Duration::from_millis(moment));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        resumed += u32::from(errors.contains("an interrupted move goes on"));
        if output.status.signal().is_some() {
            killed += 1;
            continue;
        }
        assert!(output.status.success(), "{errors}");
        assert_eq!((exported(&target), assert_whole(&target)), expected);
        (to, target) = place();
    }
    move_to(source, &to);
    assert_eq!((exported(&target), assert_whole(&target)), expected);
    println!("{killed} kills within {whole_ms} ms, {resumed} moves went on");
}

#[test]
fn a_move_to_a_file_goes_on_after_kill_9() {
    let source = launch(Store::Sqlite);
    many(&source);
    let mut nth = 0;
    killed(&source, &mut || {
        nth += 1;
        let file = source.folder().join(format!("target-{nth}.db"));
        let file = file.to_str().unwrap().to_owned();
        (file.clone(), source.clone().with("DB_FILE", file))
    });
}

mod on_postgres {
    use super::*;
    use crate::storage::database_commands::on_postgres::answers;
    use crate::support::{Cluster, Database};
    use std::sync::Arc;

    /// An empty database, and how a service uses it.
    fn empty() -> (Arc<Database>, Launch) {
        let database = Arc::new(Cluster::shared().empty_database());
        (Arc::clone(&database), launch(Store::Sqlite).with_database(database))
    }

    fn last_to(app: &App, ids: &[i64]) -> i64 {
        ids.iter().map(|id| app.service(*id)["updated_at"].as_i64().unwrap()).min().unwrap()
    }

    #[test]
    fn a_store_moves_to_a_database_and_back_with_the_same_answers() {
        let source = launch(Store::Sqlite);
        let (app, targets) = with_history(&source);
        let ids: Vec<i64> = app.get("/v1/services").list("services").iter().map(id).collect();
        let gone = app.add("gone", &targets[0].url());
        app.delete(&format!("/v1/services/{gone}"));
        let until = service_healthcheck::clock::unix_ms() / 1_000 + 86_400;
        let silence = json!({"match": {"name": "*"}, "to": until, "note": "a move"});
        assert_eq!(app.send("POST", "/v1/silences", &silence).status, 201);
        ids.iter().for_each(|id| app.pause(*id));
        let to = last_to(&app, &ids);
        let before = answers(&app, &ids, to);
        let silences = app.get("/v1/silences").body;
        app.stop();
        let files_before = files(source.folder());

        let (database, there) = empty();
        let output = move_to(&source, &database.url());
        assert!(output.contains("moved 3 services, "), "{output}");
        assert!(output.contains("next: set DATABASE_URL to this database"), "{output}");
        assert_same(&files_before, &files(source.folder()));
        assert_eq!(assert_whole(&there), assert_whole(&source));
        assert_eq!(exported(&there), exported(&source));
        let app = there.start();
        assert_eq!(answers(&app, &ids, to), before);
        assert_eq!(app.get("/v1/silences").body, silences);
        let changes = app.get("/v1/audit").list("audit").to_vec();
        assert!(changes.iter().any(|change| change["action"] == "move"), "{changes:?}");
        // It goes on there, and then back.
        assert!(app.add("later", &targets[0].url()) > gone, "no id is given twice");
        app.change(ids[0], &json!({"enabled": true}));
        app.wait_for_ticks(ids[0], 20);
        app.pause(ids[0]);
        run_err(&there, &["move", "--to", "back.db"], 1, &["a service uses it", "stop it first"]);
        app.pause(gone + 1);
        let to = last_to(&app, &ids);
        let before = answers(&app, &ids, to);
        app.stop();

        let output = move_to(&there, "back.db");
        assert!(output.contains("moved 4 services, "), "{output}");
        let back = launch(Store::Sqlite);
        std::fs::copy(there.folder().join("back.db"), back.folder().join("db.db")).unwrap();
        assert_eq!(assert_whole(&back), assert_whole(&there));
        assert_eq!(exported(&back), exported(&there));
        let app = back.start();
        assert_eq!(answers(&app, &ids, to), before);
        app.stop();
    }

    #[test]
    fn the_time_of_a_move_is_unknown() {
        let source = launch(Store::Sqlite);
        let (app, _targets) = with_history(&source);
        app.stop();
        let newest = |db: &Db| {
            db.number("SELECT max(date_started_ms) FROM service_events WHERE event = 'unknown'")
        };
        let (database, there) = empty();
        move_to(&source, &database.url());
        let mark = there.db().number("SELECT max(committed_at_ms) FROM instances");
        let app = there.start();
        let (began, count) = (newest(&there.db()), ticks(&there.db()));
        assert!((mark - 2_000..=mark).contains(&began), "{began}, mark {mark}");
        app.wait_for_ticks(1, count as u64 / 2 + 3);
        app.stop();
        move_to(&there, "back.db");
        let back = there.clone().with("DATABASE_URL", "").with("DB_FILE", "back.db");
        let db = Db::new(there.folder().join("back.db"));
        let mark = db.number("SELECT at_ms FROM liveness");
        let app = back.start();
        let began = newest(&db);
        assert!((mark - 2_000..=mark).contains(&began), "{began}, mark {mark}");
        assert!(sealed(&db) > 0);
        app.stop();
    }

    #[test]
    fn databases_that_are_not_empty_are_refused_and_stay_as_they_are() {
        let source = launch(Store::Sqlite);
        stopped(&source);
        let run = |database: &Database, expected: &[&str]| {
            run_err(&source, &["move", "--to", &database.url()], 1, expected);
        };
        let (foreign, _) = empty();
        foreign.query("CREATE TABLE notes (id INT)");
        run(&foreign, &["it belongs to another program (it has the table \"notes\")"]);
        let (used, there) = empty();
        let app = there.start();
        run(&used, &["it has a store already"]);
        app.stop();
        run(&used, &["it has a store already"]);
        run_err(&there, &["move", "--to", &used.url()], 1, &["it is the configured store itself"]);
        let (none, nowhere) = empty();
        run_err(&nowhere, &["move", "--to", "new.db"], 1, &["it has no store"]);
        assert_eq!(none.query("SELECT 1 FROM pg_tables WHERE schemaname = 'public'").len(), 0);
        assert!(!Path::new(nowhere.folder()).join("new.db").exists());
        let mut wrong = none.url();
        wrong = wrong.replace(none.name(), "does_not_exist");
        run_err(&source, &["move", "--to", &wrong], 1, &["does_not_exist"]);

        // An instance that was killed is waited for.
        let there = there.with("INSTANCE_TTL_SECONDS", 3);
        there.start().kill();
        let output = move_to(&there, "new.db");
        assert!(output.contains("has not ended; waiting whether it writes within 3 s"), "{output}");
        let inbox = "INSERT INTO inbox (service_id, at_ms, outcome) VALUES (1, 1, '')";
        used.query(inbox);
        let expected = ["1 outcomes in it are not recorded yet"];
        run_err(&there, &["move", "--to", "newer.db"], 1, &expected);
    }

    #[test]
    fn an_unfinished_move_is_refused_and_another_process_takes_it_over() {
        let source = launch(Store::Sqlite);
        stopped(&source);
        let (database, there) = empty();
        move_to(&source, &database.url());
        database.query("UPDATE moves SET finished_ms = NULL; DELETE FROM audit");
        let expected = ["it holds an unfinished move of DB_FILE", "drop its schema"];
        let (code, log) = there.run_to_end();
        assert!(code == Some(1) && expected.iter().all(|why| log.contains(why)), "{log}");
        for words in [&["export"][..], &["check-db"], &["backup", "a.db"], &["token", "list"]] {
            run_err(&there, words, 1, &expected);
        }
        let other = launch(Store::Sqlite);
        stopped(&other);
        let expected = ["it holds an unfinished move of another store"];
        run_err(&other, &["move", "--to", &database.url()], 1, &expected);
    }

    #[test]
    fn a_move_to_a_database_goes_on_after_kill_9() {
        let source = launch(Store::Sqlite);
        many(&source);
        let mut kept = Vec::new();
        killed(&source, &mut || {
            let (database, there) = empty();
            kept.push(Arc::clone(&database));
            (database.url(), there)
        });
    }

    #[test]
    fn a_move_from_a_database_goes_on_after_kill_9() {
        let file = launch(Store::Sqlite);
        many(&file);
        let (database, source) = empty();
        move_to(&file, &database.url());
        let mut nth = 0;
        killed(&source, &mut || {
            nth += 1;
            let file = source.folder().join(format!("target-{nth}.db"));
            let file = file.to_str().unwrap().to_owned();
            let there = source.clone().with("DATABASE_URL", "").with("DB_FILE", &file);
            (file, there)
        });
    }

    #[test]
    fn a_backup_moves_to_a_database() {
        let (first, source) = empty();
        let app = source.start();
        let target = Target::healthy();
        let id = app.add("a", &target.url());
        app.wait_for_ticks(id, 4);
        app.pause(id);
        run_ok(&source, &["backup", "copy.db"]);
        app.stop();
        let (database, there) = empty();
        let copy = source.clone().with("DATABASE_URL", "").with("DB_FILE", "copy.db");
        move_to(&copy, &database.url());
        assert_eq!(exported(&there), exported(&source));
        assert_whole(&there);
        assert_eq!(first.query("SELECT 1 FROM moves").len(), 0);
    }
}
