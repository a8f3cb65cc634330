//! What is left after a clock that is set back, a store that fails, and a message that is refused.

use std::time::{Duration, Instant};

use serde_json::json;
use service_healthcheck::clock::unix_ms;

use crate::support::{App, Behaviour, Launch, Receiver, Store, Target, stores, wait_until};

stores!(
    an_alert_keeps_its_length_when_the_clock_is_set_back,
    a_refused_message_arrives_when_it_is_retried,
    a_store_that_fails_for_a_minute_is_reported_once_and_so_is_its_end,
);

const HOUR_MS: i64 = 3_600_000;

fn add(app: &App, target: &Target) -> i64 {
    let rule = json!({
        "channel": "hook", "failure_threshold": 1, "success_threshold": 1, "send_on_resolved": true,
    });
    app.add_with(&json!({"name": "api", "url": target.url(), "alerts": [rule]}))
}

fn an_alert_keeps_its_length_when_the_clock_is_set_back(store: Store) {
    let launch = Launch::on(store).with("FAILPOINTS_CLOCK_OFFSET_FILE", "clock");
    launch.write_file("clock", &HOUR_MS.to_string());
    let app = launch.start();
    let (receiver, target) = (Receiver::start(), Target::start(Behaviour::Status(503)));
    receiver.create_channel(&app, "hook");
    let before_ms = unix_ms();
    add(&app, &target);
    receiver.wait_for_states("api", &["firing"]);
    launch.write_file("clock", "0");
    app.wait_for_log("the wall clock was set back");
    let since = || app.db().number("SELECT since_ms FROM alerts");
    wait_until("the alert to be moved", || since() <= unix_ms());
    target.set_behaviour(Behaviour::Status(200));
    receiver.wait_for_states("api", &["firing", "resolved"]);
    let lasted = || app.db().number("SELECT coalesce(max(resolved_ms - since_ms), -1) FROM alerts");
    wait_until("the alert to be resolved", || lasted() >= 0);
    let most_ms = unix_ms() - before_ms;
    assert!((0..=most_ms).contains(&lasted()), "{} ms in {most_ms} ms", lasted());
    assert!(since() >= before_ms - 1_000, "{} before {before_ms}", since());
}

fn a_refused_message_arrives_when_it_is_retried(store: Store) {
    let app = Launch::on(store).start();
    let (receiver, target) = (Receiver::start(), Target::start(Behaviour::Status(503)));
    receiver.create_channel(&app, "hook");
    receiver.target.set_behaviour(Behaviour::Status(400));
    add(&app, &target);
    wait_until("a dead letter", || app.metric("service_healthcheck_dead_letters") == Some(1.0));
    let refused = receiver.received().len();
    // It is not tried again by itself.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(receiver.received().len(), refused);
    receiver.target.set_behaviour(Behaviour::Status(200));
    let deliveries = app.get("/v1/deliveries");
    let id = deliveries.list("deliveries")[0]["id"].as_i64().unwrap();
    let retry = app.send("POST", &format!("/v1/deliveries/{id}/retry"), &json!({}));
    assert!(retry.status < 300, "{} {}", retry.status, retry.text);
    wait_until("its delivery", || {
        app.db().number("SELECT count(*) FROM deliveries WHERE outcome = 'delivered'") == 1
    });
    assert!(receiver.received().iter().all(|message| message.revision == 1));
    let again = app.send("POST", &format!("/v1/deliveries/{id}/retry"), &json!({}));
    assert_eq!(again.status, 409, "{}", again.text);
    let audit = app.get("/v1/audit?action=delivery.retry");
    let [row] = audit.list("audit") else { panic!("{}", audit.text) };
    assert_eq!(row["object"], json!({"kind": "delivery", "id": id, "name": "hook"}));
    assert_eq!(row["actor"], "this machine");
}

fn a_store_that_fails_for_a_minute_is_reported_once_and_so_is_its_end(store: Store) {
    let app = Launch::on(store).start();
    let (receiver, target) = (Receiver::start(), Target::healthy());
    receiver.create_channel(&app, "hook");
    let id = app.add("api", &target.url());
    app.wait_for_state(id, "up");
    wait_until("the dispatcher to know the channel", || {
        app.metric("service_healthcheck_deliveries_total{channel=\"hook\"").is_some()
    });
    let states = || -> Vec<String> {
        receiver.received().into_iter().map(|message| message.state).collect()
    };
    let (lock, locked) = (app.db().lock(), Instant::now());
    let probed = target.request_count();
    wait_until("a message about the store", || !states().is_empty());
    std::thread::sleep(Duration::from_secs(60).saturating_sub(locked.elapsed()));
    assert_eq!(states(), ["firing"], "one message in a minute");
    assert!(receiver.received()[0].key.contains("store"), "{:?}", receiver.received());
    assert!(target.request_count() > probed + 60, "probing continues");
    drop(lock);
    wait_until("its end to be reported", || states().len() > 1);
    app.wait_until_ready();
    assert_eq!(states(), ["firing", "resolved"]);
}
