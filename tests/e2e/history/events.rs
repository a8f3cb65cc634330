//! Events of one service and of all.

use serde_json::{Value, json};

use crate::support::{Behaviour, Launch, Store, Target, stores};

use super::{began_ms, to_seconds};

stores!(
    events_of_a_service_are_contiguous_and_newest_first,
    events_of_all_services_are_listed_newest_first_and_filtered,
);

fn events_of_a_service_are_contiguous_and_newest_first(store: Store) {
    let app = Launch::on(store).start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_state(id, "up");
    target.set_behaviour(Behaviour::Status(503));
    app.wait_for_state(id, "down");
    target.set_behaviour(Behaviour::Status(204));
    app.wait_for_state(id, "up");

    let reply = app.get(&format!("/v1/services/{id}/events"));
    let events = reply.list("events");
    let words: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(words, ["uptime", "downtime", "uptime"]);
    assert_eq!(events[0]["date_ended"], Value::Null);
    assert_eq!(events[1]["date_ended"], events[0]["date_started"]);
    assert_eq!(events[2]["date_ended"], events[1]["date_started"]);
    assert_eq!(events[1]["failure"]["reason"], "status");
    assert_eq!(events[1]["failure"]["detail"], "503 Service Unavailable");
    assert_eq!(
        reply.body["data"]["events"]["pagination"],
        json!({"page": 1, "limit": 100, "total": 3, "pages": 1})
    );
    let second = app.get(&format!("/v1/services/{id}/events?page=2&limit=2"));
    assert_eq!(second.list("events"), &events[2..]);
    app.db().assert_consistent();
}

fn events_of_all_services_are_listed_newest_first_and_filtered(store: Store) {
    let app = Launch::on(store).with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1").start();
    let (steady, shaky) = (Target::healthy(), Target::healthy());
    let ids = [app.add("steady", &steady.url()), app.add("shaky", &shaky.url())];
    let gone = app.add("gone", &steady.url());
    for id in [ids[0], ids[1], gone] {
        app.wait_for_state(id, "up");
    }
    shaky.set_behaviour(Behaviour::Status(500));
    app.wait_for_state(ids[1], "down");
    shaky.set_behaviour(Behaviour::Status(200));
    app.wait_for_state(ids[1], "up");
    app.delete(&format!("/v1/services/{gone}"));
    let (down_ms, up_ms) = (began_ms(&app, "downtime"), began_ms(&app, "uptime"));
    let list = |query: &str| -> Vec<(i64, String, String)> {
        let events = app.data("events", &format!("/v1/events?{query}"));
        let word = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
        let answer = events.as_array().unwrap().iter();
        answer
            .map(|e| (e["service_id"].as_i64().unwrap(), word(e, "service_name"), word(e, "event")))
            .collect()
    };
    let of =
        |nth: usize, event: &str| (ids[nth], ["steady", "shaky"][nth].to_owned(), event.to_owned());
    let (back, down) = (of(1, "uptime"), of(1, "downtime"));
    let (first, lasting) = (of(1, "uptime"), of(0, "uptime"));
    let sorted = |mut events: Vec<_>| {
        events.sort();
        events
    };
    let all = list("");
    assert_eq!(all[..2], [back.clone(), down.clone()]);
    assert_eq!(sorted(all[2..].to_vec()), sorted(vec![first.clone(), lasting.clone()]));
    for (query, expected) in [
        (format!("service={}", ids[0]), vec![lasting.clone()]),
        (format!("service={}", ids[1]), vec![back.clone(), down.clone(), first]),
        ("event=downtime".to_owned(), vec![down.clone()]),
        ("reason=status".to_owned(), vec![down.clone()]),
        ("reason=timeout".to_owned(), vec![]),
        ("event=paused".to_owned(), vec![]),
        (format!("service={}&event=downtime", ids[0]), vec![]),
        // An event that ended at `from` is not in the window.
        (
            format!("from={}", to_seconds(down_ms)),
            vec![back.clone(), down.clone(), lasting.clone()],
        ),
        (format!("from={}", to_seconds(up_ms)), vec![back.clone(), lasting.clone()]),
        (
            format!("event=uptime&from={}&to={}", to_seconds(down_ms), to_seconds(up_ms)),
            vec![lasting],
        ),
        ("to=1000".to_owned(), vec![]),
        ("limit=1&page=2".to_owned(), vec![down.clone()]),
    ] {
        assert_eq!(list(&query), expected, "{query}");
    }
    let of_service = format!(
        "/v1/services/{}/events?from={}&to={}",
        ids[1],
        to_seconds(down_ms),
        to_seconds(up_ms)
    );
    let answer = app.data("events", &of_service);
    assert_eq!(answer.as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(
        (&answer[0]["event"], &answer[0]["date_started"]),
        (&json!("downtime"), &json!(down_ms / 1_000))
    );
    for id in [gone, 99] {
        assert_eq!(app.get(&format!("/v1/events?service={id}")).status, 404);
    }
    for (query, why) in [
        ("event=crash", "event: invalid value \"crash\""),
        ("service=x", "service: invalid value \"x\""),
        ("page=0", "page: invalid value \"0\""),
    ] {
        app.assert_bad_request(&format!("/v1/events?{query}"), why);
    }
}
