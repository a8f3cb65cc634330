//! Questions about the past: ticks, series, events, uptime and objectives.

mod events;
mod maintenance;
mod series;
mod slo;
mod ticks;
mod unobserved;
mod uptime;

use serde_json::Value;

use crate::support::{App, Behaviour, Launch, Store, Target, wait_for};

/// Probes often, and seals in chunks of this many ticks.
pub fn launch(store: Store, chunk_ticks: u32) -> Launch {
    Launch::on(store)
        .with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1")
        .with("TICKS_PER_CHUNK", chunk_ticks)
}

/// A paused service with at least `count` ticks, half of them failed, some sealed and some fresh.
pub fn with_ticks(app: &App, count: u64) -> (i64, Vec<Value>) {
    let target = Target::start(Behaviour::Alternating(200, 503));
    let id = app.add("shaky", &target.url());
    app.wait_for_ticks(id, count);
    // Until the first result after ticks were sealed.
    wait_for("fresh ticks and sealed ones", || {
        let rows = app.data("storage", "/v1/_internal/storage")["rows"].clone();
        (rows["fresh_ticks"] != 0 && rows["sealed_ticks"] != 0).then_some(())
    });
    app.pause(id);
    let ticks = ticks(app, id, "limit=1000");
    for state in ["up", "down"] {
        assert!(ticks.iter().any(|tick| tick["state"] == state), "{ticks:?}");
    }
    (id, ticks)
}

pub fn ticks(app: &App, id: i64, query: &str) -> Vec<Value> {
    let ticks = app.data("ticks", &format!("/v1/services/{id}/ticks?{query}"));
    ticks.as_array().unwrap().clone()
}

pub fn date_ms(tick: &Value) -> i64 {
    tick["date_ms"].as_i64().unwrap()
}

/// Milliseconds as seconds for a query.
pub fn to_seconds(ms: i64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

pub fn seconds(answer: &Value, state: &str) -> f64 {
    answer["seconds"][state].as_f64().unwrap()
}

/// Start of the newest event of this kind, in unix milliseconds.
pub fn began_ms(app: &App, event: &str) -> i64 {
    let query = format!("SELECT max(date_started_ms) FROM service_events WHERE event = '{event}'");
    app.db().number(&query)
}

/// The kinds of the events of a service, oldest first.
pub fn events(app: &App, id: i64) -> Vec<String> {
    let events = app.data("events", &format!("/v1/services/{id}/events"));
    let words = events.as_array().unwrap().iter().rev();
    words.map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}
