//! Starts: which schemas are refused, and which instances are ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::settings;
use crate::domain::{Outcome, sample};
use crate::storage::StoreAccess;
use crate::storage::contract::postgres_cluster::{Cluster, ClusterOptions, Database};
use crate::storage::error::OpenError;
use crate::storage::postgres::server::{Awaiting, Newcomer, Server};
use crate::storage::postgres::start_error::StartError;

/// Far longer than a start takes.
const LONG: Duration = Duration::from_secs(100);

fn open(url: &str, name: &str, ttl: Duration) -> Result<Server, OpenError> {
    open_told(url, name, ttl).0
}

/// As [`open`], with the reasons for which the start has waited.
fn open_told(url: &str, name: &str, ttl: Duration) -> (Result<Server, OpenError>, Vec<String>) {
    let told = Mutex::new(Vec::new());
    let awaiting = Awaiting {
        patience: LONG,
        is_stopping: &|| false,
        report: &|why| told.lock().unwrap().push(why.to_owned()),
    };
    let opened = Server::open(&settings(url), &Newcomer { name, ttl }, &awaiting);
    (opened, told.into_inner().unwrap())
}

fn refusal(opened: Result<Server, OpenError>) -> StartError {
    match opened.unwrap_err() {
        OpenError::Database { why, .. } => why,
        other => panic!("{other}"),
    }
}

fn text(database: &Database, query: &str) -> String {
    database.query(query)[0][0].clone().unwrap_or_default()
}

/// Names and ids of the living instances.
fn living(database: &Database) -> String {
    let query = "SELECT string_agg(name || ' ' || id, ', ' ORDER BY id) FROM instances \
                 WHERE ended_at_ms IS NULL";
    text(database, query)
}

/// The owners of shards, and how many each has.
fn owners(database: &Database) -> String {
    let query = "SELECT string_agg(owner || ' ' || n, ', ') FROM (SELECT \
                 coalesce(owner_id, 0) AS owner, count(*) AS n FROM shards GROUP BY owner_id) t";
    text(database, query)
}

#[test]
fn a_start_takes_all_shards_and_gives_them_back_at_its_end() {
    let database = Cluster::shared().empty_database();
    let server = open(&database.url(), "a", LONG).unwrap();
    assert_eq!((living(&database).as_str(), owners(&database).as_str()), ("a 1", "1 1024"));
    assert_eq!((server.check(), server.change()), (Ok(()), None));
    let other = server.clone();
    drop(server);
    assert_eq!(living(&database), "a 1", "a clone is open");
    drop(other);
    assert_eq!((living(&database).as_str(), owners(&database).as_str()), ("", "0 1024"));
    // No instance to wait for, whatever its name was.
    let (server, told) = open_told(&database.url(), "b", LONG);
    assert!(told.is_empty(), "{told:?}");
    server.unwrap().leave();
    assert_eq!(living(&database), "");
}

#[test]
fn the_liveness_mark_goes_over_to_the_next_instance() {
    let database = Cluster::shared().empty_database();
    let mark = |name: &str| {
        let server = open(&database.url(), name, LONG).unwrap();
        (server, text(&database, "SELECT committed_at_ms FROM instances ORDER BY id DESC LIMIT 1"))
    };
    let (first, none) = mark("a");
    assert_eq!(none, "", "a new store has no mark");
    database.query("UPDATE instances SET committed_at_ms = 7000, commit_no = 1");
    // A start that ends before it has written anything does not lose the mark.
    drop(mark("a"));
    drop(first);
    assert_eq!(mark("b").1, "7000");
}

#[test]
fn an_instance_of_the_same_name_is_ended_at_once() {
    let database = Cluster::shared().empty_database();
    let first = open(&database.url(), "a", LONG).unwrap();
    let (second, told) = open_told(&database.url(), "a", LONG);
    let _second = second.unwrap();
    assert!(told.is_empty(), "{told:?}");
    assert_eq!((living(&database).as_str(), owners(&database).as_str()), ("a 2", "2 1024"));
    assert_eq!(first.change(), None, "not known yet");
    let mut writer = first.writer().unwrap();
    let error = writer.step_back(&[]).unwrap_err().to_string();
    assert!(error.contains("this instance (1) was ended by instance 2"), "{error}");
    assert!(first.check().is_err());
    assert!(error.ends_with(&first.change().unwrap().detail));
    let mut rescue = StoreAccess::Server(first.clone()).rescue(0).unwrap();
    assert!(rescue.run(|store| store.step_back(&[])).is_err(), "nothing is written any more");
    let outdated = Outcome { is_outdated: true, ..sample::outcome(1, 5) };
    assert_eq!(rescue.append(&[sample::outcome(1, 6), outdated]).unwrap(), 1);
    assert_eq!(rescue.append(&[sample::outcome(1, 7)]).unwrap(), 1);
    let rescued = rescue.finish();
    assert_eq!((rescued.lost, rescued.files), (2, None));
    // What has been ended ends nothing.
    drop((writer, first));
    assert_eq!((living(&database).as_str(), owners(&database).as_str()), ("a 2", "2 1024"));
}

#[test]
fn a_living_instance_of_another_name_keeps_the_store() {
    let database = Cluster::shared().empty_database();
    let _first = open(&database.url(), "a", LONG).unwrap();
    let is_done = AtomicBool::new(false);
    let refused = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                database.query("UPDATE instances SET commit_no = commit_no + 1");
                thread::sleep(Duration::from_millis(100));
            }
        });
        let refused = refusal(open(&database.url(), "b", LONG));
        is_done.store(true, Ordering::Relaxed);
        refused
    });
    let StartError::InUse(other) = &refused else { panic!("{refused}") };
    assert_eq!((other.id, other.name.as_str()), (1, "a"));
    assert_eq!((living(&database).as_str(), owners(&database).as_str()), ("a 1", "1 1024"));
}

#[test]
fn a_dead_instance_of_another_name_is_ended_after_the_ttl() {
    let database = Cluster::shared().empty_database();
    let first = open(&database.url(), "a", LONG).unwrap();
    let (ttl, began) = (Duration::from_secs(1), Instant::now());
    let (second, told) = open_told(&database.url(), "b", ttl);
    let _second = second.unwrap();
    assert!(began.elapsed() >= ttl);
    let expected = "it was used by another service-healthcheck (\"a\", instance 1), which may \
                    still be alive";
    assert_eq!(told, [expected]);
    assert_eq!((living(&database).as_str(), owners(&database).as_str()), ("b 2", "2 1024"));
    assert!(first.writer().unwrap().step_back(&[]).is_err(), "it is not dead, and may not write");
}

#[test]
fn of_newcomers_at_once_one_has_the_store() {
    let start = |database: &Database, name: &str| {
        let opened = open(&database.url(), name, Duration::from_secs(2));
        // A living instance writes.
        opened.inspect(|_| {
            for _ in 0..40 {
                let id = format!("SELECT max(id) FROM instances WHERE name = '{name}'");
                database.query(&format!(
                    "UPDATE instances SET commit_no = commit_no + 1 WHERE id = ({id})"
                ));
                thread::sleep(Duration::from_millis(100));
            }
        })
    };
    // The tables are made by one of them.
    for names in [["a", "a", "a"], ["a", "b", "c"]] {
        let database = Cluster::shared().empty_database();
        let opened: Vec<_> = thread::scope(|scope| {
            let starts = names.map(|name| scope.spawn(|| start(&database, name)));
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let still_living = "SELECT count(*) FROM instances WHERE ended_at_ms IS NULL";
        assert_eq!(text(&database, still_living), "1", "{names:?}");
        let owner = "SELECT count(*) FROM shards WHERE owner_id = \
                     (SELECT id FROM instances WHERE ended_at_ms IS NULL)";
        assert_eq!(text(&database, owner), "1024", "{names:?}");
        let refused = opened.iter().filter(|opened| opened.is_err()).count();
        assert_eq!(refused, if names[0] == names[1] { 0 } else { 2 }, "{opened:?}");
    }
}

#[test]
fn while_another_process_migrates_a_start_waits() {
    let database = Cluster::shared().empty_database();
    let told = Arc::new(Mutex::new(Vec::<String>::new()));
    thread::scope(|scope| {
        let lock = scope.spawn(|| {
            database.query(
                "BEGIN; SELECT pg_advisory_xact_lock(x'7368636b'::bigint); SELECT pg_sleep(2); \
                 COMMIT",
            )
        });
        // Not before the lock is held.
        let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";
        while text(&database, held) == "0" {
            thread::sleep(Duration::from_millis(10));
        }
        let (server, reasons) = open_told(&database.url(), "a", LONG);
        told.lock().unwrap().extend(reasons);
        server.unwrap();
        lock.join().unwrap();
    });
    assert_eq!(*told.lock().unwrap(), ["another process migrates its tables"]);
}

#[test]
fn what_may_pass_is_tried_again_until_the_patience_ends_or_a_signal_comes() {
    let cluster = Cluster::new(&ClusterOptions::default());
    let url = cluster.empty_database().url();
    cluster.stop();
    let start = |patience, is_stopping: &dyn Fn() -> bool| {
        let told = Mutex::new(Vec::new());
        let tell = |why: &str| told.lock().unwrap().push(why.to_owned());
        let newcomer = Newcomer { name: "a", ttl: LONG };
        let awaiting = Awaiting { patience, is_stopping, report: &tell };
        let opened = Server::open(&settings(&url), &newcomer, &awaiting);
        (opened.unwrap_err(), told.into_inner().unwrap())
    };
    let patience = Duration::from_secs(2);
    let began = Instant::now();
    let (error, told) = start(patience, &|| false);
    assert!(began.elapsed() >= patience);
    assert!(matches!(error, OpenError::Database { why: StartError::Connect(_), .. }), "{error}");
    assert_eq!(told.len(), 1, "a reason is told once: {told:?}");

    let is_told = AtomicBool::new(false);
    // The first question comes before the first attempt.
    let (error, _) = start(LONG, &|| is_told.swap(true, Ordering::Relaxed));
    assert_eq!(error, OpenError::Interrupted);
}

#[test]
fn a_schema_with_tables_of_another_program_is_refused() {
    for (query, first) in [
        ("CREATE TABLE customers (id int)", "customers"),
        ("CREATE TABLE store (id int, name text)", "store"),
        ("CREATE VIEW v AS SELECT 1", "v"),
        ("CREATE SEQUENCE s", "s"),
        ("CREATE MATERIALIZED VIEW m AS SELECT 1", "m"),
    ] {
        let database = Cluster::shared().empty_database();
        database.query(query);
        let refused = refusal(open(&database.url(), "a", LONG));
        assert_eq!(refused, StartError::Foreign(first.to_owned()), "{query}");
    }
}

#[test]
fn what_is_not_a_table_of_another_program_is_no_reason_to_refuse() {
    let database = Cluster::shared().empty_database();
    // Extensions put views into the schema; other schemas may have anything.
    database.query(
        "CREATE EXTENSION pg_stat_statements; CREATE SCHEMA other; CREATE TABLE other.t (i int); \
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    );
    let server = open(&database.url(), "a", LONG).unwrap();
    drop(server);
    // Nor are tables beside those of the store.
    database.query("CREATE TABLE notes (i int)");
    open(&database.url(), "a", LONG).unwrap();
}

#[test]
fn an_empty_schema_before_the_store_in_the_search_path_is_no_new_store() {
    let database = Cluster::shared().empty_database();
    open(&database.url(), "a", LONG).unwrap();
    database.query("CREATE SCHEMA postgres");
    let refused = refusal(open(&database.url(), "a", LONG));
    assert_eq!(refused, StartError::Hidden("public".to_owned()));
    database.query(
        "DROP SCHEMA postgres; ALTER ROLE CURRENT_USER IN DATABASE DB SET search_path \
                    = nowhere"
            .replace("DB", database.name())
            .as_str(),
    );
    assert_eq!(refusal(open(&database.url(), "a", LONG)), StartError::NoSchema);
}

#[test]
fn an_encoding_other_than_utf8_is_refused() {
    let database = Cluster::shared().empty_database();
    let name = format!("{}_latin", database.name());
    database.query(&format!(
        "CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' \
         TEMPLATE template0"
    ));
    let refused = refusal(open(&database.url().replace(database.name(), &name), "a", LONG));
    database.query(&format!("DROP DATABASE {name} WITH (FORCE)"));
    assert_eq!(refused, StartError::Encoding("LATIN1".to_owned()));
}

#[test]
fn a_store_that_needs_a_newer_program_is_refused() {
    let database = Cluster::shared().empty_database();
    open(&database.url(), "a", LONG).unwrap();
    const NEWER: &str = "99991231000000";
    database.query(&format!("UPDATE store SET oldest_version = '{NEWER}'"));
    let refused = refusal(open(&database.url(), "a", LONG));
    assert_eq!(refused, StartError::OldProgram(NEWER.to_owned()));
    database.query(&format!(
        "UPDATE store SET oldest_version = (SELECT max(version) FROM __diesel_schema_migrations); \
         INSERT INTO __diesel_schema_migrations (version) VALUES ('{NEWER}')"
    ));
    let refused = refusal(open(&database.url(), "a", LONG));
    assert_eq!(refused, StartError::NewerStore(NEWER.to_owned()));
    database.query(&format!("DELETE FROM __diesel_schema_migrations WHERE version = '{NEWER}'"));
    open(&database.url(), "a", LONG).unwrap();
}

#[test]
fn a_user_who_may_not_create_tables_is_told_so() {
    let database = Cluster::shared().empty_database();
    let role = format!("{}_user", database.name());
    database
        .query(&format!("CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC"));
    let url = database.url().replace("user=postgres", &format!("user={role}"));
    let refused = refusal(open(&url, "a", LONG));
    let expected = "its tables could not be migrated: ";
    assert!(refused.to_string().starts_with(expected), "{refused}");
    assert!(refused.to_string().contains("permission denied for schema public"), "{refused}");
    // No relation of ours is left behind.
    database.query(&format!("DROP ROLE {role}; CREATE TABLE store (i int)"));
}

#[test]
fn a_migration_may_take_longer_than_a_call() {
    let database = Cluster::shared().empty_database();
    thread::scope(|scope| {
        // No table is created meanwhile. Longer than statement_timeout of the connections.
        let lock = scope.spawn(|| {
            database.query("BEGIN; LOCK TABLE pg_class IN SHARE MODE; SELECT pg_sleep(11); COMMIT")
        });
        let held = "SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock' AND granted \
                    AND relation = 'pg_class'::regclass AND database = \
                    (SELECT oid FROM pg_database WHERE datname = current_database())";
        while text(&database, held) == "0" {
            thread::sleep(Duration::from_millis(10));
        }
        let (server, reasons) = open_told(&database.url(), "a", LONG);
        server.unwrap();
        assert!(reasons.is_empty(), "{reasons:?}");
        lock.join().unwrap();
    });
}

#[test]
fn a_connection_to_another_store_ends_the_instance() {
    let database = Cluster::shared().empty_database();
    let server = open(&database.url(), "a", LONG).unwrap();
    server.writer().unwrap().step_back(&[]).unwrap();
    // As after a restore of another backup, or a change of the name's address.
    database.query("UPDATE store SET store_id = 'another'");
    let error = server.reader().map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("leads to another store"), "{error}");
    assert!(server.check().is_err() && server.change().is_some());
    assert!(server.writer().is_err());
}
