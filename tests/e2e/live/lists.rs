//! Lists and the overview, as far as requests can tell.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use service_healthcheck::clock::unix_ms;

use crate::support::{App, Behaviour, EventStream, Launch, Store, Target, stores, wait_until};

stores!(
    the_overview_counts_every_state_and_shows_trouble_first,
    a_list_has_every_change_that_was_answered,
    a_list_shows_a_service_as_it_is_after_every_kind_of_change,
    a_list_beside_results_is_as_new_as_the_services_before_it,
    a_stall_moves_every_service_to_unknown_in_lists_and_streams,
);

fn names(app: &App, query: &str) -> Vec<String> {
    let reply = app.get(&format!("/v1/services{query}"));
    let list = reply.list("services");
    list.iter().map(|service| service["name"].as_str().unwrap().to_owned()).collect()
}

fn overview(app: &App) -> Value {
    app.data("overview", "/v1/overview")
}

fn the_overview_counts_every_state_and_shows_trouble_first(store: Store) {
    let app = Launch::on(store).start();
    let nothing = overview(&app);
    assert_eq!((&nothing["counts"]["total"], &nothing["groups"]), (&json!(0), &json!([])));
    assert_eq!(nothing["trouble"], json!([]));

    let target = Target::healthy();
    let add = |name: &str, url: &str, group: Option<&str>, enabled: bool| {
        app.add_with(&json!({"name": name, "url": url, "group": group, "enabled": enabled}))
    };
    let up = add("live", &target.url(), Some("core"), true);
    let first = add("dead", "http://127.0.0.1:1/", Some("core"), true);
    app.wait_for_state(first, "down");
    let second = add("newer", "http://127.0.0.1:1/", None, true);
    add("off", "http://127.0.0.1:1/", Some("Web"), false);
    app.wait_for_state(second, "down");
    app.wait_for_state(up, "up");
    let found = overview(&app);
    let counts = json!({"up": 1, "down": 2, "unknown": 0, "pending": 0, "paused": 1,
        "flapping": 0, "maintenance": 0, "trouble": 2, "total": 4});
    assert_eq!(found["counts"], counts);
    let groups = found["groups"].as_array().unwrap();
    let totals: Vec<_> = groups.iter().map(|it| (&it["name"], &it["counts"]["total"])).collect();
    let expected = [(Value::Null, 1), (json!("core"), 2), (json!("Web"), 1)];
    let expected = expected.map(|(name, total)| (name, json!(total)));
    assert_eq!(totals, expected.iter().map(|(name, total)| (name, total)).collect::<Vec<_>>());
    let trouble = |found: &Value| -> Vec<String> {
        let list = found["trouble"].as_array().unwrap().iter();
        list.map(|service| service["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(trouble(&found), ["newer", "dead"], "the newest first");
    assert_eq!(found["trouble"][0]["current_status"]["failure"]["reason"], "refused");
    assert_eq!(trouble(&app.data("overview", "/v1/overview?limit=1")), ["newer"]);
    app.assert_bad_request("/v1/overview?limit=0", "limit: invalid value");
    app.assert_bad_request("/v1/overview?page=1", "unknown parameter");

    let now = unix_ms() / 1_000;
    let now = json!({"from": now - 60, "to": now + 3_600, "service_ids": [first],
        "retroactive": true});
    let planned = app.send("POST", "/v1/maintenance", &now);
    assert_eq!(planned.status, 201, "{}", planned.text);
    let found = overview(&app);
    assert_eq!(found["counts"]["maintenance"], 1);
    assert_eq!(found["counts"]["down"], 2, "the measured state stays");
}

/// Names, groups, pauses and removals are in the next list, however soon it is requested.
fn a_list_has_every_change_that_was_answered(store: Store) {
    let launch = Launch::on(store).with_services_file(
        "endpoints:\n  - {name: from-file, group: file, enabled: false, url: 'http://a:1/'}\n",
    );
    let app = launch.start();
    assert_eq!(names(&app, "?group=file&status=paused"), ["from-file"], "read at the start");
    for nth in 0..20 {
        let name = format!("service-{nth}");
        let id = app.add_with(&json!({"name": name, "url": "http://127.0.0.1:1/x", "group": "a"}));
        assert_eq!(names(&app, "?group=a"), [name.as_str()]);
        assert_eq!(names(&app, &format!("?q=SERVICE-{nth}")), [name.as_str()]);
        app.change(id, &json!({"group": "b", "enabled": false, "url": "http://127.0.0.1:1/y"}));
        assert_eq!((names(&app, "?group=a").len(), names(&app, "?group=b").len()), (0, 1));
        assert_eq!(names(&app, "?status=paused&q=/Y"), [name.as_str()]);
        assert_eq!(app.delete(&format!("/v1/services/{id}")).status, 204);
        assert_eq!(names(&app, "?group=b"), [""; 0]);
        assert_eq!(names(&app, ""), ["from-file"]);
    }
    let hung = Target::start(Behaviour::Hung);
    let text = format!(
        "endpoints:\n  - {{name: new, group: moved, url: '{}'}}\n  \
         - {{name: from-file, group: moved, enabled: false, url: 'http://127.0.0.1:1/'}}\n",
        hung.url()
    );
    launch.write_file("services.yaml", &text);
    app.signal(Signal::HUP);
    wait_until("the file to be applied", || names(&app, "?group=moved").len() == 2);
    assert_eq!(names(&app, "?group=file"), [""; 0]);
    assert_eq!(names(&app, "?status=pending"), ["new"]);

    // A state that one request shows is in the list of the next one.
    let id = app.add("fails", "http://127.0.0.1:1/");
    app.wait_for_state(id, "down");
    assert_eq!(names(&app, "?status=down&reason=refused"), ["fails"]);
}

/// The texts of services in lists are kept while they are current.
fn a_list_shows_a_service_as_it_is_after_every_kind_of_change(store: Store) {
    let app = Launch::on(store).with("ALERT_RESOLVE_MIN_SECONDS", "0").start();
    let (receiver, target) = (Target::healthy(), Target::healthy());
    let job = json!({"name": "job", "url": "push://job", "interval_seconds": 3_600,
        "heartbeat": {"token": "s3cret-of-the-job"}});
    let id = app.add_with(&job);
    let other = app.add_with(&json!({"name": "other", "url": target.url(),
        "interval_seconds": 3_600}));
    app.wait_for_state(other, "up");
    let mut shown = Vec::new();
    let mut is_listed = |what: &str| {
        // Twice: the first list may have read the store.
        for limit in [10, 11] {
            let listed = app.get(&format!("/v1/services?limit={limit}"));
            for (nth, id) in [id, other].into_iter().enumerate() {
                assert_eq!(listed.list("services")[nth], app.service(id), "{what}");
            }
        }
        let now = app.service(id);
        assert!(!shown.contains(&now), "nothing has changed: {what}");
        shown.push(now);
    };
    let beat = |query: &str| {
        let path = format!("/v1/services/{id}/heartbeat{query}");
        let headers = [("authorization", "Bearer s3cret-of-the-job")];
        assert_eq!(app.request("POST", &path, &headers, "").status, 200);
    };
    is_listed("a new service");
    for _ in 0..3 {
        beat("");
        is_listed("a result that changes the metric alone");
    }
    app.change(id, &json!({"group": "core"}));
    is_listed("a change");
    let now = unix_ms() / 1_000;
    let maintenance = json!({"from": now - 60, "to": now + 3_600, "service_ids": [id],
        "retroactive": true});
    let planned = app.send("POST", "/v1/maintenance", &maintenance);
    assert_eq!(planned.status, 201, "{}", planned.text);
    is_listed("maintenance");
    let maintenance_id = &planned.body["data"]["maintenance"]["data"]["id"];
    let deleted = app.delete(&format!("/v1/maintenance/{maintenance_id}"));
    assert_eq!(deleted.status, 204, "{}", deleted.text);
    beat("");
    is_listed("the end of the maintenance");
    let keys = json!({"url": receiver.url()});
    let channel = json!({"name": "ops", "kind": "webhook", "keys": keys});
    assert_eq!(app.send("POST", "/v1/channels", &channel).status, 201);
    let policy = json!({"name": "all", "channels": ["ops"], "failure_threshold": 1,
        "success_threshold": 1, "group_wait_seconds": 0});
    assert_eq!(app.send("POST", "/v1/policies", &policy).status, 201);
    beat("?success=false&error=disk%20full");
    wait_until("an alert", || !app.service(id)["alert"].is_null());
    is_listed("an alert");
    let alert = app.service(id)["alert"]["id"].clone();
    let path = format!("/v1/alerts/{alert}/acknowledge");
    assert_eq!(app.send("POST", &path, &json!({"by": "ann"})).status, 200);
    is_listed("an acknowledgement");
    beat("");
    wait_until("the end of the alert", || app.service(id)["alert"].is_null());
    is_listed("the end of an alert");
    app.change(id, &json!({"enabled": false}));
    is_listed("a pause");
}

/// The totals of results come from memory, the rest from kept texts.
fn a_list_beside_results_is_as_new_as_the_services_before_it(store: Store) {
    let app = Launch::on(store).with("COMMIT_WINDOW_MS", 20).start();
    let target = Target::healthy();
    let add = |nth: usize| {
        app.add_with(&json!({"name": format!("s{nth}"), "url": target.url(),
            "interval_seconds": 0.1, "labels": {"metric": "\"metric\":"}}))
    };
    let ids: Vec<i64> = (0..6).map(add).collect();
    let read = || -> Vec<Value> { ids.iter().map(|id| app.service(*id)).collect() };
    let ticks = |service: &Value| service["metric"]["data"]["tick_count"].as_u64().unwrap_or(0);
    let first = read();
    let mut before = read();
    for _ in 0..60 {
        let listed = app.get("/v1/services").list("services").to_vec();
        let after = read();
        for ((old, shown), new) in before.iter().zip(&listed).zip(&after) {
            assert!(ticks(old) <= ticks(shown), "{shown} is older than {old}");
            assert!(ticks(shown) <= ticks(new), "{new} is older than {shown}");
            for read in [old, new] {
                assert!(ticks(read) != ticks(shown) || read == shown, "{shown} is not {read}");
            }
        }
        before = after;
    }
    assert!(before.iter().zip(&first).all(|(now, then)| ticks(now) > ticks(then)));
}

/// The heartbeat of the recorder finds stalls of more than ten seconds.
fn a_stall_moves_every_service_to_unknown_in_lists_and_streams(store: Store) {
    let app = Launch::on(store).start();
    let target = Target::healthy();
    let body = json!({"name": "slow", "url": target.url(), "interval_seconds": 3_600});
    let id = app.add_with(&body);
    app.wait_for_state(id, "up");
    let mut stream = EventStream::open(&app, "");
    app.signal(Signal::STOP);
    std::thread::sleep(Duration::from_secs(12));
    app.signal(Signal::CONT);
    stream.wait_for_state(id, "unknown");
    assert_eq!(names(&app, "?status=unknown"), ["slow"]);
    assert_eq!(names(&app, "?status=up"), [""; 0]);
    assert_eq!(app.service(id)["state"], "unknown");
}
