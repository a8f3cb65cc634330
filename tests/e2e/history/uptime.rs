//! Uptime over a window, with outages, pauses and stops of the program.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{App, Behaviour, Launch, Store, Target, stores};

use super::{began_ms, events, seconds, to_seconds};

stores!(
    the_states_add_up_to_the_window_and_an_outage_is_listed,
    time_while_the_program_is_stopped_is_unknown_and_no_downtime,
    a_pause_is_neither_up_nor_down_and_nothing_is_probed,
    the_uptime_of_all_services_is_paged,
);

fn uptime(app: &App, id: i64, query: &str) -> Value {
    app.data("uptime", &format!("/v1/services/{id}/uptime?{query}"))
}

/// The seconds of all states add up to the window, to the millisecond.
fn assert_adds_up(answer: &Value) {
    let sum: f64 =
        ["up", "down", "unknown", "paused"].map(|state| seconds(answer, state)).iter().sum();
    let window_ms = answer["to_ms"].as_i64().unwrap() - answer["from_ms"].as_i64().unwrap();
    assert!(window_ms > 0 && (sum * 1e3 - window_ms as f64).abs() < 0.1, "{answer}");
}

fn the_states_add_up_to_the_window_and_an_outage_is_listed(store: Store) {
    let app = Launch::on(store).with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1").start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_state(id, "up");
    let began = Instant::now();
    target.set_behaviour(Behaviour::Status(500));
    app.wait_for_state(id, "down");
    // The outage itself.
    std::thread::sleep(Duration::from_millis(700));
    target.set_behaviour(Behaviour::Status(200));
    app.wait_for_state(id, "up");
    let longest = began.elapsed().as_secs_f64();

    let db = app.db();
    let (down_ms, up_ms) = (began_ms(&app, "downtime"), began_ms(&app, "uptime"));
    let first_ms = db.number("SELECT min(date_started_ms) FROM service_events");
    let since_first = format!("from={}", to_seconds(first_ms));
    for query in [
        "",
        "window=24h",
        "window=1h",
        "window=1y",
        "from=0",
        "from=2026-01-01T00:00:00Z&to=2038-01-01T00:00:00Z",
        &since_first,
        &format!("from={}&to={}", to_seconds(down_ms - 77), to_seconds(up_ms + 1)),
    ] {
        let answer = uptime(&app, id, query);
        assert_adds_up(&answer);
        let down = (up_ms - down_ms) as f64 / 1e3;
        assert!((0.6..longest).contains(&down), "{down} s");
        assert!((seconds(&answer, "down") - down).abs() < 1e-9, "{query}: {answer}");
        let outages = json!({
            "count": 1, "longest_seconds": down, "mttr_seconds": down,
            "mtbf_seconds": seconds(&answer, "up")
        });
        assert_eq!(answer["outages"], outages, "{query}");
        let share = 100.0 * seconds(&answer, "up") / (seconds(&answer, "up") + down);
        assert!((answer["uptime_percent"].as_f64().unwrap() - share).abs() < 1e-9, "{answer}");
    }
    let answer = uptime(&app, id, &since_first);
    assert_eq!(seconds(&answer, "unknown"), 0.0, "{answer}");
    let inside = format!("from={}&to={}", to_seconds(down_ms + 10), to_seconds(up_ms - 10));
    let answer = uptime(&app, id, &inside);
    assert_adds_up(&answer);
    assert_eq!(
        (answer["uptime_percent"].as_f64(), &answer["outages"]["count"]),
        (Some(0.0), &json!(1))
    );
    let before = uptime(&app, id, "from=1000&to=2000");
    assert_eq!((seconds(&before, "unknown"), &before["uptime_percent"]), (1_000.0, &Value::Null));
}

fn time_while_the_program_is_stopped_is_unknown_and_no_downtime(store: Store) {
    for is_killed in [false, true] {
        let launch = Launch::on(store).with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1");
        let target = Target::healthy();
        let app = launch.start();
        let id = app.add("a", &target.url());
        app.wait_for_ticks(id, 3);
        if is_killed {
            app.kill();
        } else {
            app.stop();
        }
        // The gap itself.
        std::thread::sleep(Duration::from_secs(2));
        let app = launch.start();
        app.wait_for_state(id, "up");
        assert_eq!(events(&app, id), ["uptime", "unknown", "uptime"]);
        let db = app.db();
        let from_ms = db.number("SELECT min(date_started_ms) FROM service_events");
        let (gap_ms, back_ms) = (began_ms(&app, "unknown"), began_ms(&app, "uptime"));
        let gap = (back_ms - gap_ms) as f64 / 1e3;
        assert!(gap >= 1.5, "killed: {is_killed}, {gap} s");
        let window = format!("from={}&to={}", to_seconds(from_ms), to_seconds(back_ms + 1));
        let up = seconds(&uptime(&app, id, &window), "up");
        let all = up + gap;
        for (unknown, percent, outages) in
            [("exclude", 100.0, 0), ("down", 100.0 * up / all, 1), ("up", 100.0, 0)]
        {
            let answer = uptime(&app, id, &format!("{window}&unknown={unknown}"));
            assert_adds_up(&answer);
            assert_eq!(
                (seconds(&answer, "unknown"), seconds(&answer, "down")),
                (gap, 0.0),
                "{answer}"
            );
            assert!(
                (answer["uptime_percent"].as_f64().unwrap() - percent).abs() < 1e-9,
                "{answer}"
            );
            assert_eq!(
                (&answer["unknown"], &answer["outages"]["count"]),
                (&json!(unknown), &json!(outages))
            );
        }
        let within = format!("from={}&to={}", to_seconds(gap_ms), to_seconds(back_ms));
        let percent =
            |unknown| uptime(&app, id, &format!("{within}{unknown}"))["uptime_percent"].as_f64();
        assert_eq!(percent(""), None, "nothing is known");
        assert_eq!((percent("&unknown=down"), percent("&unknown=up")), (Some(0.0), Some(100.0)));
        db.assert_consistent();
    }
}

fn a_pause_is_neither_up_nor_down_and_nothing_is_probed(store: Store) {
    let app = Launch::on(store).with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1").start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_ticks(id, 3);
    let began = Instant::now();
    let paused = app.change(id, &json!({"enabled": false}));
    assert_eq!(
        (&paused["state"], &paused["current_status"]["event"]),
        (&json!("paused"), &json!("paused"))
    );
    // A running probe may still arrive.
    let hits = target.request_count() + 1;
    // The pause itself.
    std::thread::sleep(Duration::from_secs(1));
    assert!(target.request_count() <= hits, "{} probes", target.request_count());
    let still = app.service(id);
    assert_eq!(still["state"], "paused");
    assert_eq!(still["metric"]["data"]["tick_count"], paused["metric"]["data"]["tick_count"]);
    app.change(id, &json!({"enabled": true}));
    let longest = began.elapsed().as_secs_f64() + 0.01;
    app.wait_for_state(id, "up");
    assert_eq!(events(&app, id), ["uptime", "paused", "unknown", "uptime"]);

    let from_ms = app.db().number("SELECT min(date_started_ms) FROM service_events");
    // After the pause, the state is unknown until the first result.
    let pause = (began_ms(&app, "unknown") - began_ms(&app, "paused")) as f64 / 1e3;
    let waited = (began_ms(&app, "uptime") - began_ms(&app, "unknown")) as f64 / 1e3;
    let answer = uptime(&app, id, &format!("from={}", to_seconds(from_ms)));
    assert_adds_up(&answer);
    assert!((1.0..longest).contains(&pause), "{pause} s");
    assert_eq!(seconds(&answer, "paused"), pause, "{answer}");
    assert_eq!((seconds(&answer, "down"), seconds(&answer, "unknown")), (0.0, waited), "{answer}");
    assert_eq!(
        (answer["uptime_percent"].as_f64(), &answer["outages"]["count"]),
        (Some(100.0), &json!(0))
    );
    app.db().assert_consistent();
}

fn the_uptime_of_all_services_is_paged(store: Store) {
    let app = Launch::on(store).start();
    let (good, bad) = (Target::healthy(), Target::start(Behaviour::Status(500)));
    app.add("gone", &good.url());
    let ids = [
        app.add_with(&json!({"name": "good", "group": "core", "url": good.url()})),
        app.add("bad", &bad.url()),
        app.add_with(&json!({"name": "idle", "url": good.url(), "enabled": false})),
    ];
    app.wait_for_state(ids[0], "up");
    app.wait_for_state(ids[1], "down");
    // So that the newest tick of either comes after the first tick of both.
    app.wait_for_ticks(ids[0], 2);
    app.wait_for_ticks(ids[1], 2);
    app.delete("/v1/services/1");
    for (window, days) in [("24h", 1), ("7d", 7), ("30d", 30), ("90d", 90), ("1y", 365)] {
        let all = app.data("uptime", &format!("/v1/uptime?window={window}"));
        let answer: Vec<i64> =
            all.as_array().unwrap().iter().map(|one| one["service_id"].as_i64().unwrap()).collect();
        assert_eq!(answer, ids, "{all}");
        for one in all.as_array().unwrap() {
            assert_adds_up(one);
            let length = one["to_ms"].as_i64().unwrap() - one["from_ms"].as_i64().unwrap();
            assert_eq!(length, days * 86_400_000, "{one}");
        }
    }
    let from_ms = app.db().number("SELECT max(created_at_ms) FROM service_ticks");
    let window = format!("from={}&to={}", to_seconds(from_ms - 5_000), to_seconds(from_ms));
    let mut paged = Vec::new();
    for (page, count) in [(1, 2), (2, 1), (3, 0)] {
        let reply = app.get(&format!("/v1/uptime?{window}&limit=2&page={page}"));
        assert_eq!(reply.list("uptime").len(), count, "{}", reply.text);
        let pagination = json!({"page": page, "limit": 2, "total": 3, "pages": 2});
        assert_eq!(reply.body["data"]["uptime"]["pagination"], pagination);
        paged.extend_from_slice(reply.list("uptime"));
    }
    for (nth, (name, group)) in
        [("good", json!("core")), ("bad", Value::Null), ("idle", Value::Null)]
            .into_iter()
            .enumerate()
    {
        let mut answer = uptime(&app, ids[nth], &window);
        answer["service_id"] = json!(ids[nth]);
        answer["name"] = json!(name);
        answer["group"] = group;
        assert_eq!(paged[nth], answer);
    }
    let percents: Vec<_> = paged.iter().map(|one| one["uptime_percent"].as_f64()).collect();
    assert_eq!(percents, [Some(100.0), Some(0.0), None], "{paged:?}");
    app.assert_bad_request("/v1/uptime?limit=0", "limit: invalid value \"0\"");
}

#[test]
fn an_invalid_window_is_rejected_everywhere() {
    let app = Launch::new().start();
    app.add_with(&json!({"name": "a", "url": "http://127.0.0.1:1/", "enabled": false}));
    let open = ["/v1/services/1/ticks", "/v1/services/1/events", "/v1/events"];
    let spans = ["/v1/services/1/uptime", "/v1/services/1/series", "/v1/uptime"];
    for path in open.into_iter().chain(spans) {
        assert_eq!(app.get(path).status, 200, "{path}");
        for (query, why) in [
            ("from=2000&to=1000", "to: invalid value \"1000\", expected a time after from"),
            ("from=2000&to=2000", "to: invalid value \"2000\", expected a time after from"),
            (
                "from=99999999999&to=199999999999",
                "from: invalid value \"99999999999\", expected a time before now",
            ),
            ("from=yesterday", "from: invalid value \"yesterday\", expected unix seconds or RFC"),
            ("to=2026-13-01T00:00:00Z", "to: invalid value \"2026-13-01T00:00:00Z\", expected"),
            ("from=1&from=2", "from: duplicate parameter"),
        ] {
            app.assert_bad_request(&format!("{path}?{query}"), why);
        }
    }
    for path in spans {
        for (query, why) in [
            ("window=1h&from=1000", "window: not allowed together with from or to"),
            ("window=1h&to=1000", "window: not allowed together with from or to"),
            ("window=1fortnight", "window: invalid value \"1fortnight\", expected a duration"),
            ("window=0d", "window: invalid value \"0d\""),
            ("window=", "window: invalid value \"\""),
            (
                "unknown=maybe",
                "unknown: invalid value \"maybe\", expected one of exclude, down, up",
            ),
        ] {
            app.assert_bad_request(&format!("{path}?{query}"), why);
        }
    }
    for path in open {
        app.assert_bad_request(&format!("{path}?window=1h"), "\"window\": unknown parameter");
    }
}
