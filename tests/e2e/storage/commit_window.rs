//! Results that change nothing share a commit; what changes a state does not wait for it.

use std::time::Duration;

use serde_json::json;

use crate::support::{App, Behaviour, Launch, Store, Target, stores};

stores!(
    results_that_change_nothing_share_commits,
    kill_9_loses_results_that_change_nothing_at_most,
);

const RECORDED: &str = "service_healthcheck_outcomes_total{result=\"recorded\"}";
const COMMITS: &str = "service_healthcheck_commit_size_count";

/// Services that are due at even distances of 50 ms.
const SERVICES: u32 = 40;
const INTERVAL: &str = "2";

/// Results of a commit, on average, over two rounds.
fn results_a_commit(app: &App) -> f64 {
    // The first result of each begins an event.
    app.wait_for_metric(RECORDED, f64::from(2 * SERVICES));
    let (results, commits) = (app.metric(RECORDED).unwrap(), app.metric(COMMITS).unwrap());
    let later = app.wait_for_metric(RECORDED, results + f64::from(2 * SERVICES));
    (later - results) / (app.metric(COMMITS).unwrap() - commits)
}

fn results_that_change_nothing_share_commits(store: Store) {
    let launch = Launch::on(store).with("RUNNER_SCRAPE_INTERVAL_SECONDS", INTERVAL);
    let target = Target::healthy();
    let services: String = (0..SERVICES)
        .map(|nth| format!("  - {{name: a{nth}, url: '{}'}}\n", target.url()))
        .collect();
    let launch = launch.with_services_file(&format!("endpoints:\n{services}"));
    let app = launch.start();
    // A quarter of the interval is half a second: ten results. With 200 ms they would be four. A
    // slow machine only adds to them.
    let shared = results_a_commit(&app);
    assert!(shared > 6.5, "{shared} results a commit");
    app.stop();
    launch.db().assert_consistent();
}

fn kill_9_loses_results_that_change_nothing_at_most(store: Store) {
    let launch = Launch::on(store).with("RUNNER_SCRAPE_INTERVAL_SECONDS", "1");
    let (target, failing) = (Target::healthy(), Target::healthy());
    let app = launch.start();
    let steady = app.add("steady", &target.url());
    let changing = app.add("changing", &failing.url());
    let body = json!({"name": "job", "url": "push://job", "interval_seconds": 600,
        "heartbeat": {"token": "s3cret-of-the-job"}});
    let job = app.add_with(&body);
    app.wait_for_ticks(steady, 2);
    app.wait_for_state(changing, "up");
    failing.set_behaviour(Behaviour::Status(503));
    app.wait_for_state(changing, "down");
    let mut beats = 0;
    for _ in 0..5 {
        let headers = [("authorization", "Bearer s3cret-of-the-job")];
        let path = format!("/v1/services/{job}/heartbeat");
        assert_eq!(app.request("POST", &path, &headers, "").status, 200);
        beats += 1;
        std::thread::sleep(Duration::from_millis(70));
    }
    app.kill();
    let app = launch.start();
    let counted = app.service(job)["metric"]["data"]["tick_count"].clone();
    assert_eq!(counted, json!(beats), "each was answered");
    let events = app.get(&format!("/v1/events?service={changing}&event=downtime"));
    assert!(!events.list("events").is_empty(), "{}", events.text);
    app.db().assert_consistent();
}
