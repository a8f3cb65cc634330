//! Import of a real database of go-service-healthcheck.

use serde_json::{Value, json};

use crate::support::{Launch, Store, go_database, stores};

stores!(
    a_real_database_is_imported_and_its_metrics_are_recomputed,
    time_between_the_import_and_the_first_result_is_unknown,
);

fn a_real_database_is_imported_and_its_metrics_are_recomputed(store: Store) {
    let launch = Launch::on(store).with("RUNNER_SCRAPE_INTERVAL_SECONDS", 2_000_000);
    let source = std::fs::read(go_database()).unwrap();
    let (code, output) = launch.run(&["import", "go-db", go_database().to_str().unwrap()]);
    assert_eq!(code, Some(0), "{output}");
    assert!(
        output.contains(
            "service 1 (email-service): the metric has 10 ticks, the history 9; recomputed"
        ),
        "{output}"
    );
    for id in 1..=4 {
        let prefix = format!("service {id} (");
        let line = output
            .lines()
            .find(|line| line.starts_with(&prefix) && line.contains("average_response_time_ms"));
        assert!(line.is_some(), "the mean of service {id} is reported: {output}");
    }
    assert!(output.contains("imported 4 services, 4 events and 36 ticks"), "{output}");
    assert!(std::fs::read(go_database()).unwrap() == source, "the source is unchanged");

    let app = launch.start();
    let db = app.db();
    db.assert_consistent();
    for (id, name, state, ticks, mean) in [
        (1, "email-service", "up", 9, 182.018_032_222_222),
        (2, "payment-gateway", "down", 9, 171.864_055),
        (3, "microservice-controller", "down", 10, 76.858_233),
        (4, "transaction-monitor", "down", 8, 6_184.326_943_125),
    ] {
        let service = app.service(id);
        assert_eq!((&service["name"], &service["state"]), (&json!(name), &json!(state)));
        let metric = &service["metric"]["data"];
        assert_eq!(metric["tick_count"], ticks, "{name}");
        let found = metric["average_response_time_ms"].as_f64().unwrap();
        assert!((found - mean).abs() < 1e-6, "{name}: {found} and not {mean}");
        assert!(service["url"].as_str().unwrap().ends_with("/health"));
        assert_eq!(service["created_at"], 1_580_136_894);
    }
    assert_eq!(app.service(4)["current_status"]["date_started"], 1_580_137_067);
    assert_eq!(db.number("SELECT sum(tick_count) FROM service_tick_chunks"), 36);
    app.stop();

    let (code, output) = launch.run(&["import", "go-db", go_database().to_str().unwrap()]);
    assert!(code == Some(1) && output.contains("is already taken here"), "{output}");
    assert_eq!(db.number("SELECT count(*) FROM services"), 4, "nothing was changed");
}

#[test]
fn other_files_are_rejected() {
    let launch = Launch::new();
    let (code, output) = launch.run(&["import", "go-db", "/nowhere/db.db"]);
    assert!(code == Some(1) && output.contains("/nowhere/db.db"), "{output}");
    launch.start().stop();
    let (code, output) = launch.run(&["import", "go-db", "db.db"]);
    assert!(code == Some(1) && output.contains("a database of service-healthcheck"), "{output}");
    let text = launch.folder().join("text.db");
    std::fs::write(&text, "dear diary").unwrap();
    let (code, output) = launch.run(&["import", "go-db", text.to_str().unwrap()]);
    assert!(code == Some(1) && output.contains("text.db"), "{output}");
    let elsewhere = Launch::new();
    assert_eq!(elsewhere.run(&["import", "go-db", "/nowhere/db.db"]).0, Some(1));
    assert!(!elsewhere.folder().join("db.db").exists(), "a wrong name creates no file");
    std::fs::copy(go_database(), elsewhere.folder().join("db.db")).unwrap();
    let (code, output) = elsewhere.run(&["import", "go-db", "db.db"]);
    assert!(code == Some(1) && output.contains("set DB_FILE"), "{output}");
}

#[test]
fn contradictions_are_repaired_and_reported() {
    use diesel::connection::SimpleConnection;
    let launch = Launch::new().with("RUNNER_SCRAPE_INTERVAL_SECONDS", 2_000_000);
    let broken = launch.folder().join("broken.db");
    std::fs::copy(go_database(), &broken).unwrap();
    let mut source = crate::support::Db::new(broken.clone()).connect();
    source
        .batch_execute(
            "PRAGMA foreign_keys = OFF;
             UPDATE services SET name = 'payment-gateway' WHERE id = 1;
             UPDATE services SET deleted_at = '2020-02-01 00:00:00' WHERE id = 3;
             INSERT INTO services (id, name, url) VALUES (9, 'bad', 'no url');
             INSERT INTO service_ticks (service_id, is_up, response_time_ms, created_at)
                 VALUES (4, 1, 5.5, '2021-01-01 00:00:00.25+00:00'), (77, 1, 1, '2021-01-01 \
                 00:00:00'), (2, 1, 1, 'never'),
                 (2, 'so', 1, '2020-01-28 00:00:00'), (2, 1, 'fast', '2020-01-28 00:00:00');
             INSERT INTO service_events (service_id, event, date_started) VALUES (2, 'downtime', \
             '2020-01-28 00:00:00');",
        )
        .unwrap();
    drop(source);
    let (code, output) = launch.run(&["import", "go-db", "broken.db"]);
    assert_eq!(code, Some(0), "{output}");
    for expected in [
        "service 2 (payment-gateway): name: not unique; imported as \"payment-gateway-2\"",
        "service 9 (bad): url:",
        "1 ticks belong to no imported service",
        "3 ticks have an invalid state, response time or date",
        "service 2 (payment-gateway-2): a downtime did not end where the next event begins; \
         repaired",
        "service 2 (payment-gateway-2): two downtime events in a row; both imported",
        "service 4 (transaction-monitor): the newest event contradicts the newest tick; a new \
         uptime begins at that tick",
    ] {
        assert!(output.contains(expected), "{expected} in:\n{output}");
    }
    let app = launch.start();
    app.db().assert_consistent();
    assert_eq!(app.get("/v1/services/3").status, 404, "deleted services stay deleted");
    assert_eq!(app.service(4)["state"], "up");
}

fn time_between_the_import_and_the_first_result_is_unknown(store: Store) {
    // The hosts of that database do not exist, and a failing lookup may take long.
    let launch = Launch::on(store).with("RUNNER_HTTP_TIMEOUT_SECONDS", 2);
    assert_eq!(launch.run(&["import", "go-db", go_database().to_str().unwrap()]).0, Some(0));
    let last = "SELECT max(to_ms) FROM service_tick_chunks WHERE service_id = 1";
    let last_ms = launch.db().number(last);
    let app = launch.start();
    app.wait_for_ticks(1, 10);
    let reply = app.get("/v1/services/1/events");
    let words: Vec<&Value> =
        reply.list("events").iter().take(2).map(|event| &event["event"]).collect();
    assert_eq!(words[1], "unknown", "{}", reply.text);
    assert_eq!(reply.list("events")[1]["date_started"], last_ms / 1_000);
    app.db().assert_consistent();
}
