//! An installation with a service in each state, and text that is hard to show.

use serde_json::json;
use service_healthcheck::clock::unix_ms;

use crate::support::{App, Behaviour, Launch, Target, wait_for};

/// Every page that a reader can open.
pub const PAGES: [&str; 16] = [
    "/",
    "/services",
    "/services?q=nothing-has-this-name",
    "/services/1",
    "/services/2?window=24h&table=1",
    "/services/new",
    "/services/1/edit",
    "/events",
    "/alerts",
    "/channels",
    "/channels/1/edit",
    "/maintenance",
    "/maintenance/1/edit",
    "/instances",
    "/wall",
    "/login",
];

/// A name of the greatest length, without a place to break it.
fn long_name() -> String {
    "long-name-without-a-space-".repeat(9)
}

/// Names that a page must escape, and names in other scripts.
const HARD_NAMES: [&str; 3] =
    ["<script>alert(1)</script>", "\"quoted\" & 'more' {{7*7}}", "خدمة الدفع"];

/// A running program; its targets must be kept alive. Service 1 is up and under maintenance, 2 is
/// down with an alert.
pub fn busy() -> (App, [Target; 3]) {
    let [healthy, failing] = [Target::healthy(), Target::start(Behaviour::Status(503))];
    let receiver = Target::healthy();
    let app = Launch::new().start();
    let post = |path: &str, body: serde_json::Value| {
        let reply = app.send("POST", path, &body);
        assert!(reply.status < 300, "{path}: {}", reply.text);
    };
    let keys = json!({"url": receiver.url()});
    post("/v1/channels", json!({"name": "ops", "kind": "webhook", "keys": keys}));
    post(
        "/v1/policies",
        json!({
            "name": "all", "channels": ["ops"], "failure_threshold": 1, "success_threshold": 1,
            "group_wait_seconds": 0,
        }),
    );
    let add =
        |name: &str, url: String| app.add_with(&json!({"name": name, "group": "core", "url": url}));
    let up = add("pay", healthy.at("/pay?with=a-long-query-string&that=does-not-break"));
    let down = add("mail", failing.at("/mail"));
    let paused = add("shop", healthy.at("/shop"));
    for name in HARD_NAMES {
        add(name, healthy.at("/hard"));
    }
    app.add_with(
        &json!({"name": long_name(), "group": "g".repeat(60), "url": failing.at("/long")}),
    );
    app.add_with(&json!({
        "name": "job", "url": "push://job", "interval_seconds": 3_600,
        "heartbeat": {"token": "token-of-the-job", "grace_seconds": 3_600},
    }));
    app.wait_for_state(up, "up");
    app.wait_for_state(down, "down");
    app.wait_for_state(paused, "up");
    app.pause(paused);
    let now_s = unix_ms() / 1_000;
    for (from, note) in [(now_s + 2, "Upgrade of the database"), (now_s + 3_600, "New disks")] {
        post(
            "/v1/maintenance",
            json!({"match": {"name": ["pay"]}, "from": from, "to": from + 7_200, "note": note}),
        );
    }
    post(
        "/v1/silences",
        json!({"match": {"name": ["sh*"]}, "to": now_s + 3_600, "note": "moving"}),
    );
    wait_for("an alert", || app.get("/v1/alerts?state=firing").list("alerts").first().map(|_| ()));
    (app, [healthy, failing, receiver])
}
