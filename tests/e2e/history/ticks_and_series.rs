//! What is asked of the results: ticks and series, whether they are fresh or sealed.

use serde_json::{Value, json};
use service_healthcheck::clock::unix_ms;

use crate::support::{App, Behaviour, Launch, Target, wait_for};

/// Probes often, and seals so many ticks together.
fn launch(chunk_ticks: u32) -> Launch {
    Launch::new().with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1").with("TICKS_PER_CHUNK", chunk_ticks)
}

/// A paused service with `count` ticks or more, of which every other one failed; some are sealed and some are fresh.
fn with_ticks(app: &App, count: u64) -> (i64, Vec<Value>) {
    let target = Target::start(Behaviour::Alternating(200, 503));
    let id = app.add("shaky", &target.url());
    app.wait_for_ticks(id, count);
    // Until the first result after a sealing.
    wait_for("fresh ticks and sealed ones", || {
        let rows = app.told("storage", "/v1/_internal/storage")["rows"].clone();
        (rows["fresh_ticks"] != 0 && rows["sealed_ticks"] != 0).then_some(())
    });
    app.pause(id);
    let ticks = ticks(app, id, "limit=1000");
    for state in ["up", "down"] {
        assert!(ticks.iter().any(|tick| tick["state"] == state), "{ticks:?}");
    }
    (id, ticks)
}

fn ticks(app: &App, id: i64, query: &str) -> Vec<Value> {
    let ticks = app.told("ticks", &format!("/v1/services/{id}/ticks?{query}"));
    ticks.as_array().unwrap().clone()
}

/// The parts of a list of ticks, one after the other, with `before` called before each but the first.
fn walk(app: &App, id: i64, query: &str, mut before: impl FnMut()) -> Vec<Value> {
    let (mut walked, mut cursor) = (Vec::new(), String::new());
    loop {
        let reply = app.get(&format!("/v1/services/{id}/ticks?{query}{cursor}"));
        walked.extend_from_slice(reply.list("ticks"));
        let Some(next) = reply.body["data"]["ticks"]["pagination"]["next_cursor"].as_str() else {
            return walked;
        };
        cursor = format!("&cursor={next}");
        before();
    }
}

fn seqs(ticks: &[Value]) -> Vec<u64> {
    ticks.iter().map(|tick| tick["seq"].as_u64().unwrap()).collect()
}

/// Milliseconds as the seconds of a query.
fn moment(ms: i64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

fn date_ms(tick: &Value) -> i64 {
    tick["date_ms"].as_i64().unwrap()
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-3
}

/// The mean of a field of the buckets, by the count of each.
fn mean(buckets: &[Value], value: impl Fn(&Value) -> &Value) -> f64 {
    let count = |bucket: &Value| bucket["count"].as_f64().unwrap();
    let filled = || buckets.iter().filter(|bucket| bucket["count"] != 0);
    let sum: f64 = filled().map(|bucket| value(bucket).as_f64().unwrap() * count(bucket)).sum();
    sum / filled().map(count).sum::<f64>()
}

fn counted(buckets: &[Value]) -> u64 {
    buckets.iter().map(|bucket| bucket["count"].as_u64().unwrap()).sum()
}

#[test]
fn every_tick_is_listed_once_while_others_arrive_and_are_sealed() {
    let app = launch(2).start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    let (db, mut count) = (app.db(), 12);
    app.wait_for_ticks(id, count);
    let sealed = || db.number("SELECT coalesce(sum(tick_count), 0) FROM service_tick_chunks");
    let walked = walk(&app, id, "limit=3", || {
        let before = sealed();
        count += 2;
        app.wait_for_ticks(id, count);
        wait_for("ticks to be sealed meanwhile", || (sealed() > before).then_some(()));
    });
    let newest = walked[0]["seq"].as_u64().unwrap();
    assert!(newest >= 12 && newest < count, "{newest} of {count}");
    assert_eq!(seqs(&walked), (1..=newest).rev().collect::<Vec<_>>());
    assert!(walked.iter().map(date_ms).rev().is_sorted(), "newest first: {walked:?}");
    assert!(walked.iter().all(|tick| date_ms(tick) / 1_000 == tick["date"]));
}

#[test]
fn a_sealed_tick_looks_as_it_did_when_it_was_fresh() {
    let app = launch(16).start();
    let target = Target::start(Behaviour::Alternating(200, 503));
    let id = app.add("a", &target.url());
    app.wait_for_ticks(id, 6);
    let fresh = ticks(&app, id, "to=9999999999");
    let db = app.db();
    let sealed_to = || {
        db.number("SELECT coalesce(max(first_seq + tick_count - 1), 0) FROM service_tick_chunks")
    };
    assert_eq!(sealed_to(), 0, "none was sealed yet");
    let newest = fresh[0]["seq"].as_i64().unwrap();
    wait_for("them to be sealed", || (sealed_to() >= newest).then_some(()));
    let sealed = ticks(&app, id, &format!("cursor={}", newest + 1));
    assert!(fresh.len() >= 6 && fresh[0]["phases"]["transfer_ms"].is_number(), "{fresh:?}");
    assert_eq!(sealed, fresh);
}

#[test]
fn ticks_are_found_by_state_reason_and_time() {
    let app = launch(3).start();
    let (id, all) = with_ticks(&app, 12);
    let up: Vec<Value> = all.iter().filter(|tick| tick["state"] == "up").cloned().collect();
    let down: Vec<Value> = all.iter().filter(|tick| tick["state"] == "down").cloned().collect();
    assert_eq!(up.len() + down.len(), all.len());
    assert!(down.iter().all(|tick| tick["reason"] == "status" && tick["http_status"] == 503));
    assert!(up.iter().all(|tick| tick["reason"].is_null() && tick["http_status"] == 200));

    let (from, to) = (date_ms(&all[all.len() - 3]), date_ms(&all[2]));
    let within: Vec<Value> =
        all.iter().filter(|tick| (from..to).contains(&date_ms(tick))).cloned().collect();
    assert!(!within.is_empty() && within.len() < all.len());
    let within_query = format!("from={}&to={}", moment(from), moment(to));
    for (query, expected) in [
        ("state=up".to_owned(), &up[..]),
        ("state=down".to_owned(), &down),
        ("reason=status".to_owned(), &down),
        ("state=down&reason=status".to_owned(), &down),
        ("state=up&reason=status".to_owned(), &[]),
        ("reason=timeout".to_owned(), &[]),
        ("state=unknown".to_owned(), &[]),
        (within_query, &within),
        ("from=2001-01-01T00:00:00Z".to_owned(), &all),
        ("to=2001-01-01T00:00:00Z".to_owned(), &[]),
        ("limit=2".to_owned(), &all[..2]),
        ("limit=2&state=down".to_owned(), &down[..2]),
    ] {
        assert_eq!(ticks(&app, id, &query), expected, "{query}");
    }
    assert_eq!(walk(&app, id, "state=down&limit=1", || {}), down);
    assert_eq!(walk(&app, id, &format!("limit={}", all.len()), || {}), all);
}

#[test]
fn a_wrong_question_for_ticks_names_what_is_wrong() {
    let app = Launch::new().start();
    let id = app.add_with(&json!({"name": "a", "url": "http://127.0.0.1:1/", "enabled": false}));
    for (query, why) in [
        ("cursor=abc", "cursor: \"abc\""),
        ("cursor=-1", "cursor: \"-1\""),
        ("limit=0", "limit: \"0\""),
        ("limit=1001", "limit: \"1001\""),
        ("state=ill", "state: \"ill\""),
        ("state=paused", "state: \"paused\""),
        ("reason=bad_luck", "reason: \"bad_luck\""),
        ("page=2", "\"page\": unknown parameter"),
    ] {
        app.assert_refused(&format!("/v1/services/{id}/ticks?{query}"), why);
    }
    assert_eq!(ticks(&app, id, ""), [] as [Value; 0]);
    assert_eq!(app.get("/v1/services/9/ticks").status, 404);
    assert_eq!(app.get("/v1/services/9/series").status, 404);
}

#[test]
fn a_series_says_the_same_in_buckets_of_any_length() {
    let app = launch(4).start();
    let (id, ticks) = with_ticks(&app, 20);
    let metric = app.service(id)["metric"]["data"].clone();
    let (count, average) = (ticks.len() as u64, metric["average_response_time_ms"].as_f64());
    assert_eq!(metric["tick_count"], count);
    let times = || ticks.iter().map(|tick| tick["response_time_ms"].as_f64().unwrap());
    let (least, most) = (times().fold(f64::MAX, f64::min), times().fold(0.0, f64::max));
    let up_share = metric["up_count"].as_f64().unwrap() / count as f64;
    let from = moment(date_ms(&ticks[ticks.len() - 1]));
    for (step, seconds, source) in [
        ("1s", 1, "ticks"),
        ("60", 60, "ticks"),
        ("1m", 60, "ticks"),
        ("1h", 3_600, "hours"),
        ("1d", 86_400, "days"),
    ] {
        let path = format!("/v1/services/{id}/series?from={from}&step={step}");
        let series = app.told("series", &path);
        assert_eq!((&series["source"], &series["step_seconds"]), (&json!(source), &json!(seconds)));
        let buckets = series["buckets"].as_array().unwrap();
        assert_eq!(counted(buckets), count, "{series}");
        assert!(near(mean(buckets, |bucket| &bucket["avg_ms"]), average.unwrap()), "{series}");
        assert!(near(mean(buckets, |bucket| &bucket["up_share"]), up_share), "{series}");
        let values = |key| buckets.iter().filter_map(move |bucket| bucket[key].as_f64());
        assert_eq!(values("min_ms").fold(f64::MAX, f64::min), least, "{series}");
        assert_eq!(values("max_ms").fold(0.0, f64::max), most, "{series}");
        assert!(values("p50_ms").all(|p50| (least * 0.99..=most * 1.01).contains(&p50)));

        let series = app.told("series", &format!("{path}&of=phases"));
        let buckets = series["buckets"].as_array().unwrap();
        assert_eq!(counted(buckets), count, "{series}");
        for phase in ["resolve_ms", "connect_ms", "tls_ms", "processing_ms", "transfer_ms"] {
            let of_ticks: f64 = ticks.iter().map(|t| t["phases"][phase].as_f64().unwrap()).sum();
            let of_series = mean(buckets, |bucket| &bucket["phases"][phase]);
            assert!(near(of_series, of_ticks / count as f64), "{phase}: {series}");
        }
    }
}

#[test]
fn a_bucket_without_ticks_is_there_with_a_count_of_0() {
    let app = launch(4).start();
    let (id, ticks) = with_ticks(&app, 8);
    let newest = date_ms(&ticks[0]) / 1_000;
    let (from, to) = (newest - 299, newest + 1);
    let query = format!("/v1/services/{id}/series?from={from}&to={to}&step=1s");
    let series = app.told("series", &query);
    assert_eq!((&series["from"], &series["to"]), (&json!(from), &json!(to)));
    let buckets = series["buckets"].as_array().unwrap();
    let starts: Vec<i64> = buckets.iter().map(|b| b["start"].as_i64().unwrap()).collect();
    assert_eq!(starts, (from..to).collect::<Vec<_>>());
    assert_eq!(counted(buckets), ticks.len() as u64);
    let empty = json!({
        "start": from, "count": 0, "unknown_count": 0, "up_share": null, "avg_ms": null,
        "min_ms": null, "max_ms": null, "p50_ms": null, "p90_ms": null, "p99_ms": null
    });
    assert_eq!(buckets[0], empty);
    let phases = app.told("series", &format!("{query}&of=phases"));
    assert_eq!(phases["buckets"][0], json!({"start": from, "count": 0, "phases": null}));

    let path = format!("/v1/services/{id}/series");
    for (query, why) in [
        ("window=1h&step=1s", "step: makes 3601 buckets; accepted are at most 2000"),
        ("window=1y&step=1m", "buckets; accepted are at most 2000"),
        ("step=0", "step: \"0\""),
        ("step=often", "step: \"often\""),
        ("of=latency", "of: \"latency\""),
    ] {
        app.assert_refused(&format!("{path}?{query}"), why);
    }
    let most = app.told("series", &format!("{path}?from={}&to={newest}&step=1", newest - 2_000));
    assert_eq!(most["buckets"].as_array().unwrap().len(), 2_000);
}

#[test]
fn the_buckets_of_an_uptime_series_add_up_to_the_uptime() {
    let app = launch(4).start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_state(id, "up");
    target.becomes(Behaviour::Status(500));
    app.wait_for_state(id, "down");
    target.becomes(Behaviour::Status(200));
    app.wait_for_state(id, "up");
    app.pause(id);
    let paused_ms = app.db().number("SELECT max(date_started_ms) FROM service_events");
    // Whole buckets that are over, so that nothing of them lies beyond the window.
    let to = paused_ms / 2_000 * 2 + 2;
    wait_for("the buckets to be over", || (unix_ms() > to * 1_000).then_some(()));
    let window = format!("from={}&to={to}", to - 20);
    let uptime = app.told("uptime", &format!("/v1/services/{id}/uptime?{window}"));
    for (step, count) in [("1s", 20), ("2s", 10)] {
        let path = format!("/v1/services/{id}/series?{window}&step={step}&of=uptime");
        let series = app.told("series", &path);
        let buckets = series["buckets"].as_array().unwrap();
        assert_eq!((buckets.len(), &series["source"]), (count, &json!("events")));
        for state in ["up", "down", "unknown", "paused"] {
            let sum: f64 = buckets.iter().map(|b| b["seconds"][state].as_f64().unwrap()).sum();
            let told = uptime["seconds"][state].as_f64().unwrap();
            assert!(told > 0.0 && (sum - told).abs() < 1e-6, "{state}: {series} {uptime}");
        }
    }
}
