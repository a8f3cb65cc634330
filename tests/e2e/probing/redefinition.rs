//! A result of a probe that began before its service was redefined is neither tick nor event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::wire::respond_ok;
use crate::support::{App, Launch, Peer, Store, Target, stores, wait_until};

stores!(
    a_result_from_before_a_change_of_what_is_probed_or_judged_is_not_recorded,
    a_changed_services_file_discards_results_from_before_a_change_of_the_probe_only,
);

const OUTDATED: &str = "service_healthcheck_outcomes_total{result=\"outdated\"}";

/// A target that answers only once it is released.
struct Held {
    peer: Peer,
    connections: Arc<AtomicUsize>,
    released: Arc<AtomicBool>,
}

impl Held {
    fn start() -> Self {
        let (connections, released) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, go) = (Arc::clone(&connections), Arc::clone(&released));
        let peer = Peer::tcp(move |wire| {
            count.fetch_add(1, Ordering::SeqCst);
            while !go.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            respond_ok(wire)
        });
        Self { peer, connections, released }
    }

    fn url(&self) -> String {
        self.peer.url("http") + "/"
    }

    fn wait_for_probe(&self) {
        wait_until("a running probe", || self.connections.load(Ordering::SeqCst) > 0);
    }

    fn release(&self) {
        self.released.store(true, Ordering::SeqCst);
    }
}

fn ticks(app: &App, id: i64) -> u64 {
    app.service(id)["metric"]["data"]["tick_count"].as_u64().unwrap_or_default()
}

fn add(app: &App, name: &str, url: &str) -> i64 {
    app.add_with(&json!({"name": name, "url": url, "interval_seconds": 3600}))
}

fn a_result_from_before_a_change_of_what_is_probed_or_judged_is_not_recorded(store: Store) {
    let app = Launch::on(store).start();
    let new = Target::healthy();
    for (nth, change) in [
        json!({"url": new.url()}),
        json!({"method": "HEAD"}),
        json!({"conditions": ["[STATUS] == 500"]}),
        json!({"timeout_seconds": 50}),
    ]
    .iter()
    .enumerate()
    {
        let old = Held::start();
        let id = add(&app, &nth.to_string(), &old.url());
        old.wait_for_probe();
        app.change(id, change);
        old.release();
        app.wait_for_metric(OUTDATED, nth as f64 + 1.0);
        assert_eq!(
            (ticks(&app, id), &app.service(id)["state"]),
            (0, &json!("pending")),
            "{change}"
        );
    }
    let probe = app.send("POST", "/v1/services/1/probe", &Value::Null);
    assert_eq!(probe.status, 200, "{}", probe.text);
    app.wait_for_state(1, "up");
    assert_eq!(ticks(&app, 1), 1);
    app.db().assert_consistent();
}

#[test]
fn a_result_from_before_a_new_name_group_or_threshold_is_recorded() {
    let app = Launch::new().start();
    let target = Held::start();
    let id = add(&app, "a", &target.url());
    target.wait_for_probe();
    app.change(id, &json!({"name": "b", "group": "c", "failure_threshold": 2}));
    target.release();
    app.wait_for_ticks(id, 1);
    assert_eq!(app.metric(OUTDATED), Some(0.0));
}

#[test]
fn a_result_on_demand_from_before_a_change_is_returned_but_not_recorded() {
    let app = Launch::new().start();
    let (healthy, held) = (Target::healthy(), Held::start());
    let id = add(&app, "a", &healthy.url());
    app.wait_for_ticks(id, 1);
    app.change(id, &json!({"url": held.url()}));
    std::thread::scope(|scope| {
        let probe =
            scope.spawn(|| app.send("POST", &format!("/v1/services/{id}/probe"), &Value::Null));
        held.wait_for_probe();
        app.change(id, &json!({"headers": {"X-New": "yes"}}));
        held.release();
        assert_eq!(probe.join().unwrap().status, 200);
    });
    app.wait_for_metric(OUTDATED, 1.0);
    assert_eq!(ticks(&app, id), 1);
}

fn a_changed_services_file_discards_results_from_before_a_change_of_the_probe_only(store: Store) {
    let (moved, grouped, new) = (Held::start(), Held::start(), Target::healthy());
    let file = |url: &str, group: &str| {
        let (options, other) = ("interval: 1h", grouped.url());
        format!(
            "endpoints:\n  - {{name: a, url: '{url}', {options}}}\n  \
             - {{name: b, group: {group}, url: '{other}', {options}}}\n"
        )
    };
    let launch = Launch::on(store).with_services_file(&file(&moved.url(), "one"));
    let app = launch.start();
    moved.wait_for_probe();
    grouped.wait_for_probe();
    launch.write_file("services.yaml", &file(&new.url(), "two"));
    app.signal(Signal::HUP);
    wait_until("the change", || app.service(2)["group"] == "two");
    moved.release();
    grouped.release();
    app.wait_for_metric(OUTDATED, 1.0);
    app.wait_for_ticks(2, 1);
    assert_eq!((app.metric(OUTDATED), ticks(&app, 1)), (Some(1.0), 0));
}
