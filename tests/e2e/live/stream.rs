//! The events of a stream, and when they arrive.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    Behaviour, EventStream, Launch, Store, Target, ensure, retry_while_busy, stores,
};

stores!(
    a_stream_tells_of_down_and_up_within_a_second,
    a_stream_continues_after_the_last_event,
    a_restart_resets_the_streams,
);

/// A second, of which the interval of the probes may take a fifth.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

fn a_stream_tells_of_down_and_up_within_a_second(store: Store) {
    let app = Launch::on(store).start();
    let target = Target::healthy();
    let id = app.add_with(&json!({"name": "pay", "group": "core", "url": target.url()}));
    app.wait_for_state(id, "up");
    let mut stream = EventStream::open(&app, "");
    let hello = stream.wait_for("hello", |_| true).data;
    let id_of_hello = format!("{}-{}", hello["boot"], hello["seq"]);
    assert_eq!(stream.last_id(), id_of_hello);
    retry_while_busy(|| {
        for (behaviour, state) in [(Behaviour::Status(503), "down"), (Behaviour::Status(200), "up")]
        {
            target.set_behaviour(behaviour);
            let changed = Instant::now();
            let event = stream.wait_for_state(id, state);
            let took = event.received - changed;
            assert_eq!(
                (&event.data["name"], &event.data["group"]),
                (&json!("pay"), &json!("core"))
            );
            let reason = if state == "down" { json!("status") } else { json!(null) };
            assert_eq!(event.data["reason"], reason);
            let counts = stream.wait_for("counts", |data| data["counts"][state] == 1).data;
            assert_eq!(counts["groups"][0]["name"], "core");
            ensure(took < SEEN_WITHIN, || format!("{state} after {took:?}"))?;
        }
        Ok(())
    });
    let ticks = EventStream::open(&app, &format!("?services={id}")).wait_for("ticks", |_| true);
    assert_eq!((&ticks.data[0][0], &ticks.data[0][1]), (&json!(id), &json!("up")));
}

fn a_stream_continues_after_the_last_event(store: Store) {
    let app = Launch::on(store).start();
    let target = Target::healthy();
    let (one, other) = (app.add("one", &target.url()), app.add("other", &target.url()));
    app.wait_for_state(one, "up");
    app.wait_for_state(other, "up");
    let moment = app.data("overview", "/v1/overview")["moment"].as_str().unwrap().to_owned();
    app.change(one, &json!({"name": "renamed"}));
    let since = format!("?since={moment}");
    let event = EventStream::open(&app, &since).wait_for("state", |_| true);
    assert_eq!((&event.data["id"], &event.data["name"]), (&json!(one), &json!("renamed")));

    let mut stream = EventStream::open(&app, "");
    app.change(one, &json!({"name": "seen"}));
    stream.wait_for("state", |data| data["name"] == "seen");
    let last_id = stream.wait_for("", |_| true).last_id;
    drop(stream);
    app.change(one, &json!({"name": "missed"}));
    app.delete(&format!("/v1/services/{other}"));
    // As a browser does: with the parameters of the page.
    let mut stream = EventStream::resume(&app, &since, &last_id);
    assert_eq!(stream.next().unwrap().name, "hello");
    assert_eq!(stream.wait_for("gone", |_| true).data, json!({"id": other}));
    let event = stream.wait_for("state", |_| true);
    assert_eq!(event.data["name"], "missed", "and not what was seen before");

    let mut group = EventStream::open(&app, "?group=core");
    app.change(one, &json!({"group": "core"}));
    group.wait_for_state(one, "up");
    app.change(one, &json!({"group": null}));
    assert_eq!(group.wait_for("gone", |_| true).data, json!({"id": one}));
}

fn a_restart_resets_the_streams(store: Store) {
    let launch = Launch::on(store);
    let app = launch.start();
    app.add("one", "http://127.0.0.1:1/");
    let mut stream = EventStream::open(&app, "");
    stream.wait_for("hello", |_| true);
    let last_id = stream.last_id().to_owned();
    app.stop();
    let app = launch.start();
    for last_id in [last_id.as_str(), "of another program"] {
        let mut stream = EventStream::resume(&app, "", last_id);
        assert_eq!(stream.next().unwrap().name, "hello");
        assert_eq!(stream.next().unwrap().name, "reset");
        assert_ne!(stream.last_id(), last_id);
    }
}

#[test]
fn a_stream_has_the_headers_of_events_and_none_of_pages() {
    let app = Launch::new().start();
    let head = app.request("HEAD", "/v1/stream", &[], "");
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.header("content-type"), "text/event-stream");
    assert_eq!(head.header("cache-control"), "no-store");
    assert_eq!(head.header("x-accel-buffering"), "no");
    assert_eq!(head.header("content-encoding"), "");
    app.assert_bad_request("/v1/stream?services=0", "services: invalid value");
    app.assert_bad_request("/v1/stream?since=7", "since: invalid value");
    app.assert_bad_request("/v1/stream?state=ill", "expected one of up, down");
}
