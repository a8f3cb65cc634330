//! What is asked of time: uptime, events and objectives, over a pause, an outage and a stop of the program too.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{App, Behaviour, Launch, Target};

/// Milliseconds as the seconds of a query.
fn moment(ms: i64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

fn uptime(app: &App, id: i64, query: &str) -> Value {
    app.told("uptime", &format!("/v1/services/{id}/uptime?{query}"))
}

fn seconds(told: &Value, state: &str) -> f64 {
    told["seconds"][state].as_f64().unwrap()
}

/// The seconds of all states are the window, to the millisecond.
fn assert_adds_up(told: &Value) {
    let sum: f64 =
        ["up", "down", "unknown", "paused"].map(|state| seconds(told, state)).iter().sum();
    let window_ms = told["to_ms"].as_i64().unwrap() - told["from_ms"].as_i64().unwrap();
    assert!(window_ms > 0 && (sum * 1e3 - window_ms as f64).abs() < 0.1, "{told}");
}

/// When the newest event of that kind began, in unix milliseconds.
fn began_ms(app: &App, event: &str) -> i64 {
    let query = format!("SELECT max(date_started_ms) FROM service_events WHERE event = '{event}'");
    app.db().number(&query)
}

/// The words of the events of a service, oldest first.
fn events(app: &App, id: i64) -> Vec<String> {
    let events = app.told("events", &format!("/v1/services/{id}/events"));
    let words = events.as_array().unwrap().iter().rev();
    words.map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_states_add_up_to_the_window_and_an_outage_is_told() {
    let app = Launch::new().with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1").start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_state(id, "up");
    let began = Instant::now();
    target.becomes(Behaviour::Status(500));
    app.wait_for_state(id, "down");
    // The outage itself.
    std::thread::sleep(Duration::from_millis(700));
    target.becomes(Behaviour::Status(200));
    app.wait_for_state(id, "up");
    let longest = began.elapsed().as_secs_f64();

    let db = app.db();
    let (down_ms, up_ms) = (began_ms(&app, "downtime"), began_ms(&app, "uptime"));
    let first_ms = db.number("SELECT min(date_started_ms) FROM service_events");
    let since_first = format!("from={}", moment(first_ms));
    for query in [
        "",
        "window=24h",
        "window=1h",
        "window=1y",
        "from=0",
        "from=2026-01-01T00:00:00Z&to=2038-01-01T00:00:00Z",
        &since_first,
        &format!("from={}&to={}", moment(down_ms - 77), moment(up_ms + 1)),
    ] {
        let told = uptime(&app, id, query);
        assert_adds_up(&told);
        let down = (up_ms - down_ms) as f64 / 1e3;
        assert!((0.6..longest).contains(&down), "{down} s");
        assert!((seconds(&told, "down") - down).abs() < 1e-9, "{query}: {told}");
        let outages = json!({
            "count": 1, "longest_seconds": down, "mttr_seconds": down,
            "mtbf_seconds": seconds(&told, "up")
        });
        assert_eq!(told["outages"], outages, "{query}");
        let share = 100.0 * seconds(&told, "up") / (seconds(&told, "up") + down);
        assert!((told["uptime_percent"].as_f64().unwrap() - share).abs() < 1e-9, "{told}");
    }
    let told = uptime(&app, id, &since_first);
    assert_eq!(seconds(&told, "unknown"), 0.0, "{told}");
    let inside = format!("from={}&to={}", moment(down_ms + 10), moment(up_ms - 10));
    let told = uptime(&app, id, &inside);
    assert_adds_up(&told);
    assert_eq!(
        (told["uptime_percent"].as_f64(), &told["outages"]["count"]),
        (Some(0.0), &json!(1))
    );
    let before = uptime(&app, id, "from=1000&to=2000");
    assert_eq!((seconds(&before, "unknown"), &before["uptime_percent"]), (1_000.0, &Value::Null));
}

#[test]
fn time_in_which_the_program_was_stopped_is_unknown_and_no_downtime() {
    for is_killed in [false, true] {
        let launch = Launch::new().with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1");
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
        let window = format!("from={}&to={}", moment(from_ms), moment(back_ms + 1));
        let up = seconds(&uptime(&app, id, &window), "up");
        let all = up + gap;
        for (unknown, percent, outages) in
            [("exclude", 100.0, 0), ("down", 100.0 * up / all, 1), ("up", 100.0, 0)]
        {
            let told = uptime(&app, id, &format!("{window}&unknown={unknown}"));
            assert_adds_up(&told);
            assert_eq!((seconds(&told, "unknown"), seconds(&told, "down")), (gap, 0.0), "{told}");
            assert!((told["uptime_percent"].as_f64().unwrap() - percent).abs() < 1e-9, "{told}");
            assert_eq!(
                (&told["unknown"], &told["outages"]["count"]),
                (&json!(unknown), &json!(outages))
            );
        }
        let within = format!("from={}&to={}", moment(gap_ms), moment(back_ms));
        let percent =
            |unknown| uptime(&app, id, &format!("{within}{unknown}"))["uptime_percent"].as_f64();
        assert_eq!(percent(""), None, "nothing is known");
        assert_eq!((percent("&unknown=down"), percent("&unknown=up")), (Some(0.0), Some(100.0)));
        db.assert_consistent();
    }
}

#[test]
fn a_pause_is_neither_up_nor_down_and_nothing_is_probed() {
    let app = Launch::new().with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1").start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_ticks(id, 3);
    let paused = app.change(id, &json!({"enabled": false}));
    assert_eq!(
        (&paused["state"], &paused["current_status"]["event"]),
        (&json!("paused"), &json!("paused"))
    );
    // A probe that was under way may still arrive.
    let hits = target.hits() + 1;
    // The pause itself.
    std::thread::sleep(Duration::from_secs(1));
    assert!(target.hits() <= hits, "{} probes", target.hits());
    let still = app.service(id);
    assert_eq!(still["state"], "paused");
    assert_eq!(still["metric"]["data"]["tick_count"], paused["metric"]["data"]["tick_count"]);
    app.change(id, &json!({"enabled": true}));
    app.wait_for_state(id, "up");
    assert_eq!(events(&app, id), ["uptime", "paused", "unknown", "uptime"]);

    let from_ms = app.db().number("SELECT min(date_started_ms) FROM service_events");
    // What follows is unknown until the first result.
    let pause = (began_ms(&app, "unknown") - began_ms(&app, "paused")) as f64 / 1e3;
    let waited = (began_ms(&app, "uptime") - began_ms(&app, "unknown")) as f64 / 1e3;
    let told = uptime(&app, id, &format!("from={}", moment(from_ms)));
    assert_adds_up(&told);
    assert!((1.0..10.0).contains(&pause), "{pause} s");
    assert_eq!(seconds(&told, "paused"), pause, "{told}");
    assert_eq!((seconds(&told, "down"), seconds(&told, "unknown")), (0.0, waited), "{told}");
    assert_eq!(
        (told["uptime_percent"].as_f64(), &told["outages"]["count"]),
        (Some(100.0), &json!(0))
    );
    app.db().assert_consistent();
}

#[test]
fn the_uptime_of_all_services_is_paged() {
    let app = Launch::new().start();
    let (good, bad) = (Target::healthy(), Target::start(Behaviour::Status(500)));
    app.add("gone", &good.url());
    let ids = [
        app.add_with(&json!({"name": "good", "group": "core", "url": good.url()})),
        app.add("bad", &bad.url()),
        app.add_with(&json!({"name": "idle", "url": good.url(), "enabled": false})),
    ];
    app.wait_for_state(ids[0], "up");
    app.wait_for_state(ids[1], "down");
    app.delete("/v1/services/1");
    for (window, days) in [("24h", 1), ("7d", 7), ("30d", 30), ("90d", 90), ("1y", 365)] {
        let all = app.told("uptime", &format!("/v1/uptime?window={window}"));
        let told: Vec<i64> =
            all.as_array().unwrap().iter().map(|one| one["service_id"].as_i64().unwrap()).collect();
        assert_eq!(told, ids, "{all}");
        for one in all.as_array().unwrap() {
            assert_adds_up(one);
            let length = one["to_ms"].as_i64().unwrap() - one["from_ms"].as_i64().unwrap();
            assert_eq!(length, days * 86_400_000, "{one}");
        }
    }
    let from_ms = app.db().number("SELECT max(created_at_ms) FROM service_ticks");
    let window = format!("from={}&to={}", moment(from_ms - 5_000), moment(from_ms));
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
        let mut told = uptime(&app, ids[nth], &window);
        told["service_id"] = json!(ids[nth]);
        told["name"] = json!(name);
        told["group"] = group;
        assert_eq!(paged[nth], told);
    }
    let percents: Vec<_> = paged.iter().map(|one| one["uptime_percent"].as_f64()).collect();
    assert_eq!(percents, [Some(100.0), Some(0.0), None], "{paged:?}");
    app.assert_refused("/v1/uptime?limit=0", "limit: \"0\"");
}

#[test]
fn events_of_all_services_are_told_newest_first_and_by_filter() {
    let app = Launch::new().with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1").start();
    let (steady, shaky) = (Target::healthy(), Target::healthy());
    let ids = [app.add("steady", &steady.url()), app.add("shaky", &shaky.url())];
    let gone = app.add("gone", &steady.url());
    for id in [ids[0], ids[1], gone] {
        app.wait_for_state(id, "up");
    }
    shaky.becomes(Behaviour::Status(500));
    app.wait_for_state(ids[1], "down");
    shaky.becomes(Behaviour::Status(200));
    app.wait_for_state(ids[1], "up");
    app.delete(&format!("/v1/services/{gone}"));
    let (down_ms, up_ms) = (began_ms(&app, "downtime"), began_ms(&app, "uptime"));
    let list = |query: &str| -> Vec<(i64, String, String)> {
        let events = app.told("events", &format!("/v1/events?{query}"));
        let word = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
        let told = events.as_array().unwrap().iter();
        told.map(|e| (e["service_id"].as_i64().unwrap(), word(e, "service_name"), word(e, "event")))
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
        // What ended just then does not last into it.
        (format!("from={}", moment(down_ms)), vec![back.clone(), down.clone(), lasting.clone()]),
        (format!("from={}", moment(up_ms)), vec![back.clone(), lasting.clone()]),
        (format!("event=uptime&from={}&to={}", moment(down_ms), moment(up_ms)), vec![lasting]),
        ("to=1000".to_owned(), vec![]),
        ("limit=1&page=2".to_owned(), vec![down.clone()]),
    ] {
        assert_eq!(list(&query), expected, "{query}");
    }
    let of_service =
        format!("/v1/services/{}/events?from={}&to={}", ids[1], moment(down_ms), moment(up_ms));
    let told = app.told("events", &of_service);
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    assert_eq!(
        (&told[0]["event"], &told[0]["date_started"]),
        (&json!("downtime"), &json!(down_ms / 1_000))
    );
    for id in [gone, 99] {
        assert_eq!(app.get(&format!("/v1/events?service={id}")).status, 404);
    }
    for (query, why) in [
        ("event=crash", "event: \"crash\""),
        ("service=x", "service: \"x\""),
        ("page=0", "page: \"0\""),
    ] {
        app.assert_refused(&format!("/v1/events?{query}"), why);
    }
}

#[test]
fn an_objective_has_a_budget_and_burn_rates() {
    let launch = Launch::new().with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1");
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
    let told = app.told("slo", &format!("/v1/services/{id}/slo"));
    assert_eq!((&told["target"], &told["window"]), (&json!(99.9), &json!("30d")));
    assert_eq!(told["burn_rates"], json!({"5m": 0.0, "1h": 0.0, "6h": 0.0, "3d": 0.0}));
    let budget = json!({
        "seconds": 2_592.0, "spent_seconds": 0.0, "left_seconds": 2_592.0, "left_percent": 100.0
    });
    assert_eq!(told["error_budget"], budget, "a thousandth of the window");

    target.becomes(Behaviour::Status(500));
    app.wait_for_state(id, "down");
    let told = app.told("slo", &format!("/v1/services/{id}/slo"));
    let (up, down, budget) = (seconds(&told, "up"), seconds(&told, "down"), &told["error_budget"]);
    assert!(down > 0.0);
    let rate = down / (up + down) / 0.001;
    for window in ["5m", "1h", "6h", "3d"] {
        let burned = told["burn_rates"][window].as_f64().unwrap();
        assert!((burned - rate).abs() < 1e-6 * rate, "{window}, {rate}: {told}");
    }
    assert_eq!(budget["spent_seconds"].as_f64(), Some(down));
    let left = 2_592.0 - down;
    assert!((budget["left_seconds"].as_f64().unwrap() - left).abs() < 1e-6, "{told}");
    assert!((budget["left_percent"].as_f64().unwrap() - left / 25.92).abs() < 1e-6, "{told}");

    let refused = app.get(&format!("/v1/services/{none}/slo"));
    assert_eq!(refused.status, 404);
    assert_eq!(refused.errors(), "slo: this service has none; set slo.target and slo.window");
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

#[test]
fn a_wrong_window_is_refused_everywhere_and_says_why() {
    let app = Launch::new().start();
    app.add_with(&json!({"name": "a", "url": "http://127.0.0.1:1/", "enabled": false}));
    let open = ["/v1/services/1/ticks", "/v1/services/1/events", "/v1/events"];
    let spans = ["/v1/services/1/uptime", "/v1/services/1/series", "/v1/uptime"];
    for path in open.into_iter().chain(spans) {
        assert_eq!(app.get(path).status, 200, "{path}");
        for (query, why) in [
            ("from=2000&to=1000", "to: not later than from"),
            ("from=2000&to=2000", "to: not later than from"),
            ("from=99999999999&to=199999999999", "from: lies in the future"),
            (
                "from=yesterday",
                "from: \"yesterday\" is not accepted; accepted is unix seconds or RFC",
            ),
            ("to=2026-13-01T00:00:00Z", "to: \"2026-13-01T00:00:00Z\" is not accepted"),
            ("from=1&from=2", "from: given more than once"),
        ] {
            app.assert_refused(&format!("{path}?{query}"), why);
        }
    }
    for path in spans {
        for (query, why) in [
            ("window=1h&from=1000", "window: not accepted beside from and to"),
            ("window=1h&to=1000", "window: not accepted beside from and to"),
            ("window=1fortnight", "window: \"1fortnight\" is not accepted; accepted is a span"),
            ("window=0d", "window: \"0d\""),
            ("window=", "window: \"\""),
            (
                "unknown=maybe",
                "unknown: \"maybe\" is not accepted; accepted is one of exclude, down, up",
            ),
        ] {
            app.assert_refused(&format!("{path}?{query}"), why);
        }
    }
    for path in open {
        app.assert_refused(&format!("{path}?window=1h"), "\"window\": unknown parameter");
    }
}
