//! Series: buckets of ticks, phases and uptime.

use serde_json::{Value, json};
use service_healthcheck::clock::unix_ms;

use crate::support::{Behaviour, Store, Target, stores, wait_until};

use super::{date_ms, launch, to_seconds, with_ticks};

stores!(
    a_series_has_the_same_totals_for_every_bucket_length,
    an_empty_bucket_is_listed_with_count_0,
    the_buckets_of_an_uptime_series_add_up_to_the_uptime,
);

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-3
}

/// The mean of a field of the buckets, weighted by their counts.
fn mean(buckets: &[Value], value: impl Fn(&Value) -> &Value) -> f64 {
    let count = |bucket: &Value| bucket["count"].as_f64().unwrap();
    let filled = || buckets.iter().filter(|bucket| bucket["count"] != 0);
    let sum: f64 = filled().map(|bucket| value(bucket).as_f64().unwrap() * count(bucket)).sum();
    sum / filled().map(count).sum::<f64>()
}

fn counted(buckets: &[Value]) -> u64 {
    buckets.iter().map(|bucket| bucket["count"].as_u64().unwrap()).sum()
}

fn a_series_has_the_same_totals_for_every_bucket_length(store: Store) {
    let app = launch(store, 4).start();
    let (id, ticks) = with_ticks(&app, 20);
    let metric = app.service(id)["metric"]["data"].clone();
    let (count, average) = (ticks.len() as u64, metric["average_response_time_ms"].as_f64());
    assert_eq!(metric["tick_count"], count);
    let times = || ticks.iter().map(|tick| tick["response_time_ms"].as_f64().unwrap());
    let (least, most) = (times().fold(f64::MAX, f64::min), times().fold(0.0, f64::max));
    let up_share = metric["up_count"].as_f64().unwrap() / count as f64;
    let from = to_seconds(date_ms(&ticks[ticks.len() - 1]));
    for (step, seconds, source) in [
        ("1s", 1, "ticks"),
        ("60", 60, "ticks"),
        ("1m", 60, "ticks"),
        ("1h", 3_600, "hours"),
        ("1d", 86_400, "days"),
    ] {
        let path = format!("/v1/services/{id}/series?from={from}&step={step}");
        let series = app.data("series", &path);
        assert_eq!((&series["source"], &series["step_seconds"]), (&json!(source), &json!(seconds)));
        let buckets = series["buckets"].as_array().unwrap();
        assert_eq!(counted(buckets), count, "{series}");
        assert!(near(mean(buckets, |bucket| &bucket["avg_ms"]), average.unwrap()), "{series}");
        assert!(near(mean(buckets, |bucket| &bucket["up_share"]), up_share), "{series}");
        let values = |key| buckets.iter().filter_map(move |bucket| bucket[key].as_f64());
        assert_eq!(values("min_ms").fold(f64::MAX, f64::min), least, "{series}");
        assert_eq!(values("max_ms").fold(0.0, f64::max), most, "{series}");
        assert!(values("p50_ms").all(|p50| (least * 0.99..=most * 1.01).contains(&p50)));

        let series = app.data("series", &format!("{path}&of=phases"));
        let buckets = series["buckets"].as_array().unwrap();
        assert_eq!(counted(buckets), count, "{series}");
        for phase in ["resolve_ms", "connect_ms", "tls_ms", "processing_ms", "transfer_ms"] {
            let of_ticks: f64 = ticks.iter().map(|t| t["phases"][phase].as_f64().unwrap()).sum();
            let of_series = mean(buckets, |bucket| &bucket["phases"][phase]);
            assert!(near(of_series, of_ticks / count as f64), "{phase}: {series}");
        }
    }
}

fn an_empty_bucket_is_listed_with_count_0(store: Store) {
    let app = launch(store, 4).start();
    let (id, ticks) = with_ticks(&app, 8);
    let newest = date_ms(&ticks[0]) / 1_000;
    let (from, to) = (newest - 299, newest + 1);
    let query = format!("/v1/services/{id}/series?from={from}&to={to}&step=1s");
    let series = app.data("series", &query);
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
    let phases = app.data("series", &format!("{query}&of=phases"));
    assert_eq!(phases["buckets"][0], json!({"start": from, "count": 0, "phases": null}));

    let path = format!("/v1/services/{id}/series");
    for (query, why) in [
        ("window=1h&step=1s", "at most 2000 buckets, this step makes 3601"),
        ("window=1y&step=1m", "at most 2000 buckets, this step makes "),
        ("step=0", "step: invalid value \"0\""),
        ("step=often", "step: invalid value \"often\""),
        ("of=latency", "of: invalid value \"latency\""),
    ] {
        app.assert_bad_request(&format!("{path}?{query}"), why);
    }
    let most = app.data("series", &format!("{path}?from={}&to={newest}&step=1", newest - 2_000));
    assert_eq!(most["buckets"].as_array().unwrap().len(), 2_000);
}

fn the_buckets_of_an_uptime_series_add_up_to_the_uptime(store: Store) {
    let app = launch(store, 4).start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_state(id, "up");
    target.set_behaviour(Behaviour::Status(500));
    app.wait_for_state(id, "down");
    target.set_behaviour(Behaviour::Status(200));
    app.wait_for_state(id, "up");
    app.pause(id);
    let paused_ms = app.db().number("SELECT max(date_started_ms) FROM service_events");
    // Whole buckets in the past, so that none extends beyond the window.
    let to = paused_ms / 2_000 * 2 + 2;
    wait_until("the end of the buckets", || unix_ms() > to * 1_000);
    let window = format!("from={}&to={to}", to - 600);
    let uptime = app.data("uptime", &format!("/v1/services/{id}/uptime?{window}"));
    for (step, count) in [("1s", 600), ("2s", 300)] {
        let path = format!("/v1/services/{id}/series?{window}&step={step}&of=uptime");
        let series = app.data("series", &path);
        let buckets = series["buckets"].as_array().unwrap();
        assert_eq!((buckets.len(), &series["source"]), (count, &json!("events")));
        for state in ["up", "down", "unknown", "paused"] {
            let sum: f64 = buckets.iter().map(|b| b["seconds"][state].as_f64().unwrap()).sum();
            let answer = uptime["seconds"][state].as_f64().unwrap();
            assert!(answer > 0.0 && (sum - answer).abs() < 1e-6, "{state}: {series} {uptime}");
        }
    }
}
