//! Commands on a PostgreSQL database, beside the service that uses it.

pub mod on_postgres {
    use serde_json::{Value, json};

    use crate::storage::{files, run_err, run_ok};
    use crate::support::{
        App, Behaviour, Cluster, Database, Db, Launch, Store, Target, go_database, wait_until,
    };

    /// The first column of the first row.
    fn text(database: &Database, query: &str) -> String {
        database.query(query)[0][0].clone().unwrap_or_default()
    }

    fn launch(database: &Database) -> Launch {
        crate::storage::launch(Store::Sqlite).with("DATABASE_URL", database.url())
    }

    /// What the API says about everything that is stored.
    pub fn answers(app: &App, ids: &[i64], to: i64) -> Vec<Value> {
        let of_service = |id: &i64| {
            let base = format!("/v1/services/{id}");
            let window = format!("from={}&to={to}", to - 86_400);
            vec![
                app.service(*id),
                app.data("ticks", &format!("{base}/ticks?limit=1000")),
                app.data("events", &format!("{base}/events?limit=100")),
                app.data("series", &format!("{base}/series?{window}&step=1h")),
                app.data("uptime", &format!("{base}/uptime?{window}")),
            ]
        };
        ids.iter().flat_map(of_service).collect()
    }

    #[test]
    fn a_backup_beside_the_service_is_a_file_with_the_same_answers() {
        let database = Cluster::shared().empty_database();
        let launch = launch(&database);
        run_err(&launch, &["backup", "none.db"], 1, &["it has no store", "postgres://"]);
        run_err(&launch, &["check-db"], 1, &["it has no store"]);
        assert_eq!(files(launch.folder()).len(), 0);
        let targets = [Target::healthy(), Target::start(Behaviour::Alternating(200, 503))];
        let app = launch.start();
        let ids =
            [app.add("steady, \"one\"", &targets[0].url()), app.add("shaky", &targets[1].url())];
        for id in ids {
            app.wait_for_ticks(id, 12);
        }
        let chunks = "SELECT count(*) FROM service_tick_chunks";
        wait_until("ticks to be sealed", || text(&database, chunks) != "0");
        let gone = app.add("gone", &targets[0].url());
        app.delete(&format!("/v1/services/{gone}"));
        run_ok(&launch, &["backup", "busy.db"]);
        assert!(run_ok(&launch, &["check-db", "busy.db"]).starts_with("whole: 3 services, "));

        for id in ids {
            app.pause(id);
        }
        let output = run_ok(&launch, &["backup", "copy.db"]);
        // A sealing since then makes roll-ups.
        let whole = |output: String| output.rsplit_once(',').unwrap().0.to_owned();
        let stored = whole(run_ok(&launch, &["check-db"]));
        assert_eq!(whole(run_ok(&launch, &["check-db", "copy.db"])), stored);
        let copy = Db::new(launch.folder().join("copy.db"));
        let ticks = crate::storage::ticks(&copy);
        assert!(output.ends_with(&format!(" bytes, 3 services, {ticks} ticks\n")), "{output}");
        assert_eq!(
            copy.number("SELECT max(at_ms) FROM liveness").to_string().len(),
            13,
            "unix milliseconds"
        );
        copy.assert_consistent();
        run_err(&launch, &["backup", "copy.db"], 1, &["copy.db exists"]);

        let elsewhere = crate::storage::launch(Store::Sqlite);
        std::fs::copy(launch.folder().join("copy.db"), elsewhere.folder().join("db.db")).unwrap();
        for format in ["csv", "jsonl", "openmetrics"] {
            let exported = run_ok(&launch, &["export", "--format", format]);
            assert!(exported.lines().count() > 24);
            assert!(exported == run_ok(&elsewhere, &["export", "--format", format]), "{format}");
        }
        // In the past of both, since a window ends now at the latest.
        let to = app.service(ids[0])["updated_at"].as_i64().unwrap();
        let expected = answers(&app, &ids, to);
        app.stop();
        let copied = elsewhere.start();
        for (answer, expected) in answers(&copied, &ids, to).iter().zip(&expected) {
            assert_eq!(answer, expected);
        }
        assert!(copied.add("later", &targets[0].url()) > gone, "no id is given twice");
        copied.change(ids[0], &json!({"enabled": true}));
        copied.wait_for_ticks(ids[0], 15);
        copied.stop();
        assert!(run_ok(&elsewhere, &["check-db"]).starts_with("whole: 4 services, "));
    }

    #[test]
    fn a_check_finds_what_another_program_has_changed() {
        let database = Cluster::shared().empty_database();
        let launch = launch(&database).with("TICKS_PER_CHUNK", 2048);
        let target = Target::healthy();
        let app = launch.start();
        let id = app.add("a", &target.url());
        app.wait_for_ticks(id, 4);
        app.stop();
        assert!(run_ok(&launch, &["check-db"]).starts_with("whole: 1 services, "));
        for (damage, repair, expected) in [
            (
                "CREATE TABLE kept AS SELECT * FROM service_ticks WHERE seq = 2; \
                 DELETE FROM service_ticks WHERE seq = 2",
                "INSERT INTO service_ticks SELECT * FROM kept",
                "ticks are missing",
            ),
            (
                "UPDATE service_metrics SET tick_count = tick_count - 1",
                "UPDATE service_metrics SET tick_count = tick_count + 1",
                "service 1: its metric counts",
            ),
            (
                "UPDATE store SET living = living + 1",
                "UPDATE store SET living = living - 1",
                "2 services are counted as living",
            ),
            (
                "UPDATE shards SET rollup_count = rollup_count + 1 WHERE shard = 0",
                "UPDATE shards SET rollup_count = rollup_count - 1 WHERE shard = 0",
                "roll-ups",
            ),
        ] {
            database.query(damage);
            run_err(&launch, &["check-db"], 1, &[expected]);
            database.query(repair);
            run_ok(&launch, &["check-db"]);
        }
    }

    #[test]
    fn an_import_needs_a_database_that_no_service_uses() {
        let database = Cluster::shared().empty_database();
        let launch = launch(&database).with("RUNNER_SCRAPE_INTERVAL_SECONDS", 2_000_000);
        let source = go_database();
        let import = ["import", "go-db", source.to_str().unwrap()];
        let app = launch.start();
        run_err(&launch, &import, 1, &["a service uses it", "stop it first"]);
        app.wait_until_ready();
        app.stop();
        let (code, output) = launch.run(&import);
        assert_eq!(code, Some(0), "{output}");
        assert!(output.contains("imported 4 services, 4 events and 36 ticks into postgres://"));
        assert_eq!(text(&database, "SELECT sum(tick_count) FROM service_tick_chunks"), "36");
        assert!(run_ok(&launch, &["check-db"]).starts_with("whole: 4 services, 36 ticks, "));

        let app = launch.start();
        for (id, ticks) in [(1, 9), (2, 9), (3, 10), (4, 8)] {
            let service = app.service(id);
            assert_eq!(service["state"], "unknown", "since a service has used this store before");
            assert_eq!(service["metric"]["data"]["tick_count"], ticks);
        }
        assert_eq!(app.add("later", "http://127.0.0.1:1/"), 5, "the ids go on");
        app.stop();
        run_err(&launch, &import, 1, &["is already taken here"]);
        assert!(run_ok(&launch, &["check-db"]).starts_with("whole: 5 services, "));
    }

    #[test]
    fn a_services_file_is_compared_with_the_database_and_a_restore_is_refused() {
        let database = Cluster::shared().empty_database();
        let launch = launch(&database);
        let launch =
            launch.with_services_file("endpoints:\n  - name: a\n    url: http://127.0.0.1:1/\n");
        let file = launch.variable("SERVICES_FILE").to_owned();
        let check = ["check-file", &file];
        let output = run_ok(&launch, &check);
        assert!(output.ends_with("1 added, 0 changed, 0 removed, 0 unchanged\n"), "{output}");
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(text(&database, tables), "0", "nothing was created");
        let app = launch.start();
        let output = run_ok(&launch, &check);
        assert!(output.ends_with("0 added, 0 changed, 0 removed, 1 unchanged\n"), "{output}");
        let expected = ["pg_restore", "DATABASE_URL postgres://", "unset DATABASE_URL"];
        run_err(&launch, &["restore", "copy.db"], 1, &expected);
        app.stop();
    }
}
