//! Export of ticks as CSV, JSON lines and OpenMetrics.

use std::collections::HashSet;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Store, stores, wait_for};

use super::{assert_same, files, launch, run_err, run_ok, tamper, ticks, with_history};

stores!(
    every_tick_is_exported_while_the_service_runs,
    openmetrics_groups_families_and_series_and_orders_samples_by_time,
);

fn every_tick_is_exported_while_the_service_runs(store: Store) {
    let launch = launch(store);
    let (app, _targets) = with_history(&launch);
    let db = app.db();

    let before = ticks(&db);
    let csv = run_ok(&launch, &["export"]);
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

    // Paused, so that every format must export the same.
    for id in [1, 2] {
        app.send("PATCH", &format!("/v1/services/{id}"), &serde_json::json!({"enabled": false}));
    }
    let count = wait_for("the last ticks", || {
        let count = ticks(&db);
        std::thread::sleep(std::time::Duration::from_millis(400));
        (ticks(&db) == count).then_some(count)
    });
    assert_eq!(run_ok(&launch, &["export", "--format", "csv"]).lines().count() as i64, count + 1);
    let jsonl = run_ok(&launch, &["export", "--format", "jsonl"]);
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
    let named = run_ok(&launch, &["export", "--service", "shaky"]);
    assert_eq!(named.lines().count(), own + 1);
    assert_eq!(run_ok(&launch, &["export", "--service", "2", "--service", "shaky"]), named);

    let at = |nth: usize| objects[nth]["time_ms"].as_i64().unwrap();
    let (from, to) = (at(2), at(9));
    let from_text = objects[2]["time"].as_str().unwrap();
    let to_text = format!("{}.{:03}", to / 1_000, to % 1_000);
    let some =
        run_ok(&launch, &["export", "--format=jsonl", "--from", from_text, "--to", &to_text]);
    let within = objects.iter().filter(|tick| {
        let at = tick["time_ms"].as_i64().unwrap();
        (from..to).contains(&at)
    });
    assert_eq!(some.lines().count(), within.count());
    app.wait_until_ready();
}

fn openmetrics_groups_families_and_series_and_orders_samples_by_time(store: Store) {
    let launch = launch(store);
    let (app, _targets) = with_history(&launch);
    let text = run_ok(&launch, &["export", "--format", "openmetrics"]);
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
        "probe_http_duration_seconds{service_id=\"2\",name=\"shaky\",group=\"\",\
         phase=\"transfer\"} ",
    ] {
        assert!(text.contains(line), "{line}");
    }
}

#[test]
fn ticks_out_of_order_are_left_out_of_openmetrics_and_counted() {
    let launch = launch(Store::Sqlite);
    let (app, _targets) = with_history(&launch);
    app.stop();
    let file = launch.folder().join("db.db");
    // A fresh tick with the highest id and the oldest time.
    tamper(
        &file,
        "INSERT INTO service_ticks (id, service_id, step_back, is_up, created_at_ms, unphased_us)
             SELECT 1000000, 1, iif(EXISTS (SELECT 1 FROM fresh_ticks t WHERE t.id = \
             latest_tick_id), 1000000 - latest_tick_id, NULL),
             TRUE, 1000, 5 FROM service_metrics WHERE service_id = 1;
         UPDATE service_metrics SET latest_tick_id = 1000000, tick_count = tick_count + 1, \
         up_count = up_count + 1
             WHERE service_id = 1",
    );
    let (code, output) = launch.run(&["export", "--format", "openmetrics", "--service", "1"]);
    assert_eq!(code, Some(0));
    assert!(output.contains("1 ticks are left out") && !output.contains(" 1.000\n"), "{output}");
    let csv = run_ok(&launch, &["export", "--service", "1"]);
    assert!(csv.lines().last().unwrap().contains(",1970-01-01T00:00:01.000Z,1000,up,0.005,,,"));
}

#[test]
fn an_export_that_cannot_be_made_has_an_error() {
    let launch = launch(Store::Sqlite);
    run_err(&launch, &["export"], 1, &["db.db", "there is no such file"]);
    assert!(files(launch.folder()).is_empty(), "nothing is created");
    let (app, _targets) = with_history(&launch);
    run_err(&launch, &["export", "--service", "1", "--service", "nobody"], 1, &["\"nobody\""]);
    for wrong in [
        &["--from", "yesterday"][..],
        &["--to", "2026-02-30T00:00:00Z"],
        &["--from", "2", "--to", "2"],
        &["--format", "xml"],
    ] {
        let words = [&["export"], wrong].concat();
        run_err(&launch, &words, 2, &[wrong[0]]);
    }
    run_err(&launch, &["export", "--from", "yesterday"], 2, &["RFC 3339"]);

    // A closed pipe is no failure.
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
fn an_export_of_a_stopped_service_changes_no_file() {
    let launch = launch(Store::Sqlite);
    let (app, _targets) = with_history(&launch);
    app.stop();
    let before = files(launch.folder());
    run_ok(&launch, &["export"]);
    assert!(run_ok(&launch, &["check-db"]).starts_with("whole: "));
    assert_same(&before, &files(launch.folder()));
}
