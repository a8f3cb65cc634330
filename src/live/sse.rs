//! Texts of the events of a stream (`text/event-stream`).

use serde::Serialize;
use serde_json::json;

use crate::domain::live::{Counts, GroupCounts, LastResult, LiveMoment};
use crate::domain::{Group, ServiceId};
use crate::live::overview::ShownService;

/// How long a client waits before it reconnects, in milliseconds.
const RETRY_MS: u32 = 2_000;

/// A service as `state` has it.
#[derive(Debug, Serialize)]
struct StateData<'s> {
    id: i64,
    name: &'s str,
    group: Option<&'s str>,
    state: &'static str,
    flapping: bool,
    maintenance: bool,
    since_ms: Option<i64>,
    reason: Option<&'s str>,
    detail: Option<&'s str>,
    last_result: Option<ResultData>,
}

#[derive(Debug, Serialize)]
struct ResultData {
    state: &'static str,
    at_ms: i64,
    response_time_ms: f64,
}

#[derive(Debug, Serialize)]
struct CountsData {
    up: u32,
    down: u32,
    unknown: u32,
    pending: u32,
    paused: u32,
    flapping: u32,
    maintenance: u32,
    trouble: u32,
    total: u32,
}

fn milliseconds(result: &LastResult) -> f64 {
    result.response_time_us as f64 / 1e3
}

fn event(chunk: &mut String, name: &str, data: &impl Serialize) {
    // Serialization cannot fail: every map has string keys. JSON has no line breaks.
    let data = serde_json::to_string(data).unwrap_or_default();
    chunk.push_str("event: ");
    chunk.push_str(name);
    chunk.push_str("\ndata: ");
    chunk.push_str(&data);
    chunk.push_str("\n\n");
}

/// The first event. `known` is the moment from which the stream continues.
pub(super) fn hello(chunk: &mut String, known: LiveMoment, current: LiveMoment, now_ms: i64) {
    chunk.push_str(&format!("retry: {RETRY_MS}\nid: {known}\n"));
    let LiveMoment { boot, seq } = current;
    event(chunk, "hello", &json!({"boot": boot, "seq": seq, "now_ms": now_ms}));
}

/// The client has to fetch everything again.
pub(super) fn reset(chunk: &mut String, current: LiveMoment) {
    chunk.push_str(&format!("id: {current}\n"));
    event(chunk, "reset", &json!({}));
}

/// More services have changed than are sent one by one.
pub(super) fn many(chunk: &mut String, services: usize, current: LiveMoment) {
    chunk.push_str(&format!("id: {current}\n"));
    event(chunk, "many", &json!({"services": services}));
}

/// A service in view was added or has changed.
pub(super) fn state(service: &ShownService<'_>) -> String {
    let result = service.result.as_ref().map(|result| ResultData {
        state: result.state.as_str(),
        at_ms: result.at_ms,
        response_time_ms: milliseconds(result),
    });
    let data = StateData {
        id: service.id.get(),
        name: service.name,
        group: service.group,
        state: service.status.status.as_str(),
        flapping: service.status.is_flapping,
        maintenance: service.status.is_planned,
        since_ms: service.since_ms,
        reason: service.failure.map(|failure| failure.reason.as_str()),
        detail: service.failure.map(|failure| failure.detail.as_str()),
        last_result: result,
    };
    let mut text = String::new();
    event(&mut text, "state", &data);
    text
}

/// A service was removed, or is not in view any more.
pub(super) fn gone(chunk: &mut String, id: ServiceId) {
    event(chunk, "gone", &json!({"id": id.get()}));
}

/// Sets the moment from which the client resumes. Without data, it is no event.
pub(super) fn id(chunk: &mut String, moment: LiveMoment) {
    chunk.push_str(&format!("id: {moment}\n\n"));
}

/// The newest results of services.
pub(super) fn ticks(chunk: &mut String, results: &[(ServiceId, LastResult)]) {
    let results: Vec<(i64, &str, f64)> = results
        .iter()
        .map(|(id, result)| (id.get(), result.state.as_str(), milliseconds(result)))
        .collect();
    event(chunk, "ticks", &results);
}

/// The numbers of all services, and of the groups that have changed; `None` for too many groups.
pub(super) fn counts(chunk: &mut String, all: &Counts, groups: Option<&[GroupCounts]>) {
    let groups = groups.map(|groups| {
        let group = |group: &GroupCounts| {
            let name = group.name.as_ref().map(Group::as_str);
            json!({"name": name, "counts": CountsData::new(&group.counts)})
        };
        groups.iter().map(group).collect::<Vec<_>>()
    });
    event(chunk, "counts", &json!({"counts": CountsData::new(all), "groups": groups}));
}

/// The number of open alerts.
pub(super) fn alerts(chunk: &mut String, open: u64) {
    event(chunk, "alerts", &json!({"open": open}));
}

/// Shows the client that the stream is alive.
pub(super) fn comment(chunk: &mut String) {
    chunk.push_str(":\n\n");
}

impl CountsData {
    fn new(counts: &Counts) -> Self {
        let Counts { up, down, unknown, pending, paused, flapping, planned, trouble } = *counts;
        let (maintenance, total) = (planned, counts.total());
        Self { up, down, unknown, pending, paused, flapping, maintenance, trouble, total }
    }
}
