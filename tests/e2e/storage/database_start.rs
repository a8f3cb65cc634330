//! The start on a PostgreSQL database: what it creates, what it refuses, and whom it ends.

mod on_postgres {
    use std::net::TcpListener;
    use std::process::{Child, Stdio};

    use rustix::process::{Pid, Signal, kill_process};

    use crate::support::{Cluster, ClusterOptions, Database, Launch, Target, wait_for, wait_until};

    fn launch(url: &str) -> Launch {
        Launch::new().with("DATABASE_URL", url)
    }

    /// The first column of the first row.
    fn text(database: &Database, query: &str) -> String {
        let rows = database.query(query);
        rows[0][0].clone().unwrap_or_default()
    }

    fn living(database: &Database) -> String {
        text(
            database,
            "SELECT string_agg(name, ',' ORDER BY id) FROM instances WHERE ended_at_ms IS NULL",
        )
    }

    /// Every table of the database with its rows.
    fn dump(database: &Database) -> Vec<Vec<Option<String>>> {
        database.query(
            "SELECT table_schema || '.' || table_name, \
             query_to_xml(format('SELECT * FROM %I.%I', table_schema, table_name), true, false, \
             '')::text FROM information_schema.tables WHERE table_schema NOT IN \
             ('pg_catalog', 'information_schema') ORDER BY 1",
        )
    }

    /// Starts the service without waiting until it listens; the log goes to the file `log`.
    fn spawn(launch: &Launch) -> Child {
        let log = std::fs::File::create(launch.folder().join("log")).unwrap();
        launch.command(&["run"]).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    fn wait_for_log(launch: &Launch, text: &str) {
        let file = launch.folder().join("log");
        let log = || std::fs::read_to_string(&file).unwrap_or_default();
        wait_until(&format!("{text:?} in the log"), || log().contains(text));
    }

    fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    #[test]
    fn an_empty_database_becomes_a_store_and_a_second_start_goes_on_with_it() {
        let database = Cluster::shared().empty_database();
        let launch = launch(&database.url()).with("INSTANCE_NAME", "first");
        let app = launch.start();
        let target = Target::healthy();
        let id = app.add("a", &target.url());
        app.wait_for_ticks(id, 2);
        app.wait_until_ready();
        assert_eq!(living(&database), "first");
        let log = app.stop();
        assert!(log.contains("database: postgres://"), "{log}");
        assert!(!launch.folder().join("db.db").exists(), "no SQLite file");
        assert_eq!(living(&database), "", "an orderly stop ends the instance");

        // Of another name: it need not wait whether the first one is alive.
        let app = launch.with("INSTANCE_NAME", "second").start();
        assert!(!app.log().contains("waiting for the database"), "{}", app.log());
        assert_eq!(living(&database), "second");
        let before = app.service(id)["metric"]["data"]["tick_count"].as_u64().unwrap();
        assert!(before >= 2);
        app.wait_for_ticks(id, before + 1);
        app.stop();
    }

    #[test]
    fn a_database_of_another_program_is_refused_and_unchanged() {
        for (table, query) in [
            ("customers", "CREATE TABLE customers (id int); INSERT INTO customers VALUES (7)"),
            // Of the name of one of ours.
            (
                "store",
                "CREATE TABLE store (id int PRIMARY KEY, name text); INSERT INTO store VALUES (1)",
            ),
            ("v", "CREATE VIEW v AS SELECT 1"),
        ] {
            let database = Cluster::shared().empty_database();
            database.query(query);
            let before = dump(&database);
            let (code, output) = launch(&database.url()).run_to_end();
            assert_eq!(code, Some(1), "{output}");
            let expected = format!("belongs to another program (it has the table \"{table}\")");
            assert!(output.contains(&expected) && output.contains("unchanged"), "{output}");
            assert_eq!(dump(&database), before);
        }
    }

    #[test]
    fn a_store_of_a_newer_version_is_refused_and_unchanged() {
        let database = Cluster::shared().empty_database();
        launch(&database.url()).start().stop();
        for (query, expected) in [
            (
                "INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000000')",
                "it was written by a newer version (migration 99991231000000)",
            ),
            (
                "DELETE FROM __diesel_schema_migrations WHERE version = '99991231000000'; \
                 UPDATE store SET oldest_version = '99991231000000'",
                "this version of the program is too old for it; update to one with migration \
                 99991231000000",
            ),
        ] {
            database.query(query);
            let before = dump(&database);
            let (code, output) = launch(&database.url()).run_to_end();
            assert_eq!(code, Some(1), "{output}");
            assert!(output.contains(expected), "{output}");
            assert_eq!(dump(&database), before);
        }
    }

    #[test]
    fn what_no_later_attempt_can_mend_ends_the_start_at_once_without_the_password() {
        let cluster = Cluster::new(&ClusterOptions::default());
        let database = cluster.empty_database();
        database.query("CREATE ROLE monitor LOGIN PASSWORD 'right'");
        let rules = "local all postgres trust\nlocal all all scram-sha-256\n";
        std::fs::write(cluster.folder().join("data/pg_hba.conf"), rules).unwrap();
        cluster.restart();
        let of_user = |user: &str| database.url().replace("user=postgres", user);
        let wrong_password = of_user("user=monitor&password=hidden");
        let no_database = database.url().replace(database.name(), "missing");
        for (url, expected) in [
            (&wrong_password, "password authentication failed"),
            (&no_database, "database \"missing\" does not exist"),
        ] {
            let (code, output) = launch(url).run_to_end();
            assert_eq!(code, Some(1), "{output}");
            assert!(output.contains(expected) && !output.contains("hidden"), "{output}");
            assert!(!output.contains("waiting for the database"), "{output}");
        }
    }

    #[test]
    fn a_start_before_that_of_its_server_waits_for_it_and_a_signal_ends_the_waiting() {
        let cluster = Cluster::new(&ClusterOptions::default());
        let database = cluster.empty_database();
        cluster.stop();
        let launch = launch(&database.url()).with("API_PORT", free_port());
        for comes in [false, true] {
            let mut child = spawn(&launch);
            wait_for_log(&launch, "waiting for the database");
            if comes {
                cluster.start();
                wait_for_log(&launch, "listening");
            }
            kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
            let ended = wait_for("the process to exit", || child.try_wait().unwrap());
            assert_eq!(ended.code(), Some(0), "comes: {comes}");
        }
        assert_eq!(living(&database), "");
    }

    #[test]
    fn a_start_of_the_same_name_ends_the_living_instance_which_exits_with_1_and_says_so() {
        let database = Cluster::shared().empty_database();
        let launch = launch(&database.url()).with("INSTANCE_NAME", "one");
        let mut first = launch.start();
        let target = Target::healthy();
        let id = first.add("a", &target.url());
        first.wait_for_ticks(id, 1);
        let second = launch.start();
        assert!(!second.log().contains("waiting for the database"), "{}", second.log());
        assert_eq!(first.exit_code(), Some(1), "{}", first.log());
        let log = first.log();
        let expected = "this instance (1) was ended by instance 2 (\"one\")";
        assert!(log.contains(expected), "{log}");
        assert!(log.contains("outcomes could not be saved, lost: "), "{log}");
        assert!(!log.contains("takes writes again"), "{log}");
        assert_eq!(living(&database), "one");
        second.wait_until_ready();
        second.stop();
    }

    #[test]
    fn a_living_instance_of_another_name_goes_on_beside_the_new_one() {
        let database = Cluster::shared().empty_database();
        let named = |name: &str| launch(&database.url()).with("INSTANCE_NAME", name);
        let first = named("first").start();
        let second = named("second").start();
        assert_eq!(living(&database), "first,second");
        first.wait_until_ready();
        second.wait_until_ready();
        first.stop();
        assert_eq!(living(&database), "second");
        second.stop();
    }

    #[test]
    fn a_commit_that_is_not_durable_is_warned_of() {
        let cluster = Cluster::new(&ClusterOptions::default().setting("synchronous_commit", "off"));
        let database = cluster.empty_database();
        let log = launch(&database.url()).start().stop();
        assert!(log.contains("synchronous_commit is off"), "{log}");
    }
}
