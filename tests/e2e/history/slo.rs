//! Service level objectives.

use serde_json::{Value, json};

use crate::support::{Behaviour, Launch, Store, Target, stores};

use super::seconds;

stores!(an_objective_has_a_budget_and_burn_rates,);

fn an_objective_has_a_budget_and_burn_rates(store: Store) {
    let launch = Launch::on(store).with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1");
    let target = Target::healthy();
    let file = format!(
        "endpoints:\n  - {{name: filed, url: '{}', slo: {{target: 99.9, window: 30d}}}}\n",
        target.url()
    );
    std::fs::write(launch.folder().join("services.yaml"), file).unwrap();
    let app = launch.with("SERVICES_FILE", "services.yaml").start();
    let slo = json!({"target": 99.9, "window": "30d"});
    assert_eq!(app.service(1)["slo"], slo);
    let id = app.add_with(&json!({"name": "a", "url": target.url(), "slo": slo}));
    let none = app.add("none", &target.url());
    app.wait_for_ticks(id, 3);
    let answer = app.data("slo", &format!("/v1/services/{id}/slo"));
    assert_eq!((&answer["target"], &answer["window"]), (&json!(99.9), &json!("30d")));
    assert_eq!(answer["burn_rates"], json!({"5m": 0.0, "1h": 0.0, "6h": 0.0, "3d": 0.0}));
    let budget = json!({
        "seconds": 2_592.0, "spent_seconds": 0.0, "left_seconds": 2_592.0, "left_percent": 100.0
    });
    assert_eq!(answer["error_budget"], budget, "a thousandth of the window");

    target.set_behaviour(Behaviour::Status(500));
    app.wait_for_state(id, "down");
    let answer = app.data("slo", &format!("/v1/services/{id}/slo"));
    let (up, down, budget) =
        (seconds(&answer, "up"), seconds(&answer, "down"), &answer["error_budget"]);
    assert!(down > 0.0);
    let rate = down / (up + down) / 0.001;
    for window in ["5m", "1h", "6h", "3d"] {
        let burned = answer["burn_rates"][window].as_f64().unwrap();
        assert!((burned - rate).abs() < 1e-6 * rate, "{window}, {rate}: {answer}");
    }
    assert_eq!(budget["spent_seconds"].as_f64(), Some(down));
    let left = 2_592.0 - down;
    assert!((budget["left_seconds"].as_f64().unwrap() - left).abs() < 1e-6, "{answer}");
    assert!((budget["left_percent"].as_f64().unwrap() - left / 25.92).abs() < 1e-6, "{answer}");

    let refused = app.get(&format!("/v1/services/{none}/slo"));
    assert_eq!(refused.status, 404);
    assert_eq!(
        refused.errors(),
        "slo: this service has no objective; set slo.target and slo.window"
    );
    assert_eq!(app.get("/v1/services/99/slo").errors(), "record not found");
    let body = json!({"name": "b", "url": target.url(), "slo": {"target": 101}});
    let refused = app.send("POST", "/v1/services", &body);
    assert_eq!(
        (refused.status, refused.errors().contains("slo.target")),
        (422, true),
        "{}",
        refused.text
    );
    assert_eq!(app.change(id, &json!({"slo": null}))["slo"], Value::Null);
    assert_eq!(app.get(&format!("/v1/services/{id}/slo")).status, 404);
}
