//! From a failing service to messages that arrive.

use serde_json::json;

use crate::support::{App, Behaviour, Launch, Receiver, Store, Target, stores, wait_until};

stores!(
    a_service_that_goes_down_and_up_makes_two_messages_in_order,
    each_rule_has_its_own_thresholds,
    a_restart_repeats_nothing_and_forgets_nothing,
    what_came_and_went_while_the_receiver_was_away_is_one_message,
    a_paused_and_a_removed_service_end_their_alerts,
    a_child_of_a_parent_that_is_down_is_not_reported,
);

/// Adds a service with one rule for the channel, which begins and ends after one result.
fn add(app: &App, name: &str, target: &Target, channel: &str) -> i64 {
    app.add_with(&json!({
        "name": name, "url": target.url(),
        "alerts": [rule(channel, 1, 1)],
    }))
}

fn rule(channel: &str, failures: u32, successes: u32) -> serde_json::Value {
    json!({
        "channel": channel, "failure_threshold": failures, "success_threshold": successes,
        "send_on_resolved": true,
    })
}

fn a_service_that_goes_down_and_up_makes_two_messages_in_order(store: Store) {
    let app = Launch::on(store).start();
    let (receiver, target) = (Receiver::start(), Target::healthy());
    receiver.create_channel(&app, "hook");
    let id = add(&app, "api", &target, "hook");
    app.wait_for_state(id, "up");
    target.set_behaviour(Behaviour::Status(503));
    receiver.wait_for_states("api", &["firing"]);
    target.set_behaviour(Behaviour::Status(200));
    receiver.wait_for_states("api", &["firing", "resolved"]);
    let received = receiver.received();
    assert_eq!(received[0].key, received[1].key);
    assert_eq!((received[0].revision, received[1].revision), (1, 2));
    wait_until("the alert to be resolved", || {
        app.db().number("SELECT count(*) FROM alerts WHERE state = 'resolved'") == 1
    });
    let head = receiver.target.last_head();
    assert!(
        head.to_lowercase().contains(&format!("idempotency-key: {}-2", received[1].key)),
        "{head}"
    );
}

fn each_rule_has_its_own_thresholds(store: Store) {
    let app = Launch::on(store).start();
    let (soon, late, target) = (Receiver::start(), Receiver::start(), Target::healthy());
    soon.create_channel(&app, "soon");
    late.create_channel(&app, "late");
    let id = app.add_with(&json!({
        "name": "api", "url": target.url(), "interval_seconds": 0.5,
        "alerts": [rule("soon", 1, 1), rule("late", 4, 3)],
    }));
    app.wait_for_state(id, "up");
    target.set_behaviour(Behaviour::Status(503));
    soon.wait_for_states("api", &["firing"]);
    assert_eq!(late.received(), []);
    late.wait_for_states("api", &["firing"]);
    target.set_behaviour(Behaviour::Status(200));
    soon.wait_for_states("api", &["firing", "resolved"]);
    assert_eq!(late.received().len(), 1);
    late.wait_for_states("api", &["firing", "resolved"]);
}

fn a_restart_repeats_nothing_and_forgets_nothing(store: Store) {
    let launch = Launch::on(store);
    let app = launch.start();
    let (receiver, target) = (Receiver::start(), Target::healthy());
    receiver.create_channel(&app, "hook");
    let id = add(&app, "api", &target, "hook");
    app.wait_for_state(id, "up");
    target.set_behaviour(Behaviour::Status(503));
    receiver.wait_for_states("api", &["firing"]);
    app.stop();
    let app = launch.start();
    app.change(
        id,
        &json!({"alerts": [{
            "channel": "hook", "failure_threshold": 2, "success_threshold": 1,
            "send_on_resolved": true, "description": "changed",
        }]}),
    );
    app.wait_for_ticks(id, 5);
    assert_eq!(receiver.states_of("api"), ["firing"]);
    target.set_behaviour(Behaviour::Status(200));
    receiver.wait_for_states("api", &["firing", "resolved"]);
}

fn what_came_and_went_while_the_receiver_was_away_is_one_message(store: Store) {
    let app = Launch::on(store).start();
    let (receiver, target) = (Receiver::start(), Target::healthy());
    let channel = receiver.create_channel(&app, "hook");
    receiver.target.set_behaviour(Behaviour::Status(502));
    let id = add(&app, "api", &target, "hook");
    app.wait_for_state(id, "up");
    target.set_behaviour(Behaviour::Status(503));
    app.wait_for_log("channel failed");
    target.set_behaviour(Behaviour::Status(200));
    wait_until("the alert to be resolved", || {
        app.db().number("SELECT count(*) FROM alerts WHERE state = 'resolved'") == 1
    });
    let failed = receiver.received().len();
    receiver.target.set_behaviour(Behaviour::Status(200));
    // A changed channel is tried again at once.
    let change = json!({"refill_seconds": 1});
    app.send("PATCH", &format!("/v1/channels/{channel}"), &change);
    wait_until("a message that arrives", || {
        app.db().number("SELECT count(*) FROM deliveries WHERE outcome = 'delivered'") == 1
    });
    let states: Vec<String> =
        receiver.received()[failed..].iter().map(|message| message.state.clone()).collect();
    assert_eq!(states.last().map(String::as_str), Some("missed"), "{states:?}");
}

fn a_paused_and_a_removed_service_end_their_alerts(store: Store) {
    let app = Launch::on(store).start();
    let (receiver, target) = (Receiver::start(), Target::start(Behaviour::Status(503)));
    receiver.create_channel(&app, "hook");
    let paused = add(&app, "paused", &target, "hook");
    let removed = add(&app, "removed", &target, "hook");
    receiver.wait_for_states("paused", &["firing"]);
    receiver.wait_for_states("removed", &["firing"]);
    app.pause(paused);
    app.delete(&format!("/v1/services/{removed}"));
    receiver.wait_for_states("paused", &["firing", "resolved"]);
    receiver.wait_for_states("removed", &["firing", "resolved"]);
    let causes = app.db().texts("SELECT cause FROM alerts ORDER BY cause");
    assert_eq!(causes, ["paused", "removed"]);
}

fn a_child_of_a_parent_that_is_down_is_not_reported(store: Store) {
    let app = Launch::on(store).start();
    let (receiver, router, api) = (Receiver::start(), Target::healthy(), Target::healthy());
    receiver.create_channel(&app, "hook");
    // Its own probes come too late to say that it is down.
    let parent = app.add_with(&json!({
        "name": "router", "url": router.url(), "interval_seconds": 600,
        "alerts": [rule("hook", 1, 1)],
    }));
    let child = app.add_with(&json!({
        "name": "api", "url": api.url(), "depends_on": ["router"],
        "alerts": [rule("hook", 1, 1)],
    }));
    app.wait_for_state(parent, "up");
    app.wait_for_state(child, "up");
    router.set_behaviour(Behaviour::Status(503));
    api.set_behaviour(Behaviour::Status(503));
    receiver.wait_for_states("router", &["firing"]);
    wait_until("the alert of the child to be suppressed", || {
        let held = "SELECT count(*) FROM alerts WHERE suppressed_by = 'dependency'";
        app.db().number(held) == 1
    });
    assert_eq!(receiver.states_of("api"), Vec::<String>::new());
    // The parent is up again, and the child still fails.
    router.set_behaviour(Behaviour::Status(200));
    app.send("POST", &format!("/v1/services/{parent}/probe"), &json!({"record": true}));
    receiver.wait_for_states("api", &["firing"]);
}
