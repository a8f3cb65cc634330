//! The declarative list of services.

use serde_json::json;

use crate::support::{Launch, Target};

fn with_file(launch: Launch, text: &str) -> Launch {
    std::fs::write(launch.folder().join("services.yaml"), text).unwrap();
    launch.with("SERVICES_FILE", "services.yaml")
}

#[test]
fn a_file_adds_changes_and_removes_and_leaves_the_apis_alone() {
    let target = Target::healthy();
    let url = target.url();
    let launch = with_file(
        Launch::new(),
        &format!(
            "endpoints:\n  - {{name: stays, url: '{url}'}}\n  - {{name: changes, group: one, url: '{url}'}}\n  \
             - {{name: goes, url: '{url}'}}\n"
        ),
    );
    let app = launch.start();
    let by_hand = app.add("by-hand", &url);
    app.wait_for_ticks(2, 2);
    app.stop();

    let launch = with_file(
        launch,
        &format!(
            "endpoints:\n  - {{name: new, url: '{url}', enabled: false}}\n  - {{name: stays, url: '{url}'}}\n  \
             - {{name: changes, group: two, url: '{url}', interval: 300ms, client: {{timeout: 1m30s}}}}\n"
        ),
    );
    let app = launch.start();
    let changed = app.service(2);
    assert_eq!((&changed["name"], &changed["group"]), (&json!("changes"), &json!("two")));
    assert_eq!(changed["interval_seconds"], 0.3);
    assert_eq!(changed["timeout_seconds"], 90.0);
    assert!(changed["metric"]["data"]["tick_count"].as_u64().unwrap() >= 2, "its history stays");
    assert_eq!(app.get("/v1/services/3").status, 404, "it went");
    assert_eq!(app.service(by_hand)["name"], "by-hand");
    assert_eq!(app.service(5)["state"], "paused");

    let refused = app.send("PATCH", "/v1/services/2", &json!({"group": "three"}));
    assert_eq!((refused.status, refused.errors().contains("services file")), (409, true));
    assert_eq!(app.delete("/v1/services/2").status, 409);
    assert_eq!(app.delete(&format!("/v1/services/{by_hand}")).status, 204);
    app.db().assert_consistent();
}

#[test]
fn a_wrong_file_is_refused_with_file_line_and_entry_and_changes_nothing() {
    let launch =
        with_file(Launch::new(), "endpoints:\n  - {name: a, url: 'http://127.0.0.1:1/'}\n");
    launch.start().stop();
    let launch = with_file(
        launch,
        "endpoints:\n  - name: b\n    url: http://b/\n  - name: c\n    url: http://c/\n    intreval: 30s\n",
    );
    let (code, said) = launch.run_to_end();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("services.yaml:6: endpoint 2 (c): intreval: unknown key"), "{said}");
    let app = Launch::start(&launch.with("SERVICES_FILE", ""));
    let names = app.get("/v1/services");
    assert_eq!(names.list("services").len(), 1);
    assert_eq!(names.list("services")[0]["name"], "a");
}

#[test]
fn a_hundred_thousand_entries_load() {
    let mut text = String::from("endpoints:\n");
    for nth in 0..100_000 {
        text.push_str(&format!(
            "  - name: service-{nth}\n    group: g{}\n    url: http://127.0.0.1:1/{nth}\n    interval: 24h\n",
            nth % 10
        ));
    }
    let app = with_file(Launch::new(), &text).start();
    let last = app.get("/v1/services?page=1000&limit=100");
    assert_eq!(last.body["data"]["services"]["pagination"]["total"], 100_000);
    assert_eq!(last.list("services")[99]["name"], "service-99999");
    assert_eq!(app.metric("service_healthcheck_services"), Some(100_000.0));
}
