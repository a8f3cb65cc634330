//! Rendering an alert never panics: whatever a target answers and whatever templates a user
//! writes, each kind has a request with a valid body, or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use service_healthcheck::alerting::{Job, Key, Kind, Renderer, ValueType};
use service_healthcheck::domain::alert::message::Digest;
use service_healthcheck::domain::alert::{
    AlertKind, Channel, ChannelOptions, Facts, Message, NotificationState, Severity,
};
use service_healthcheck::domain::maintenance::zone::Zone;
use service_healthcheck::domain::{Origin, Variables};

thread_local! {
    static RENDERER: Renderer = Renderer::new(Zone::utc(), Variables::default());
}

// The first line selects the kind, the second the state; the others are texts.
fuzz_target!(|text: &str| {
    let mut lines = text.splitn(8, '\n');
    let mut line = || lines.next().unwrap_or_default().to_owned();
    let (kind, state) = (line(), line());
    let Some(kind) = Kind::find(&kind) else { return };
    let states = NotificationState::ALL;
    let state = states[state.len() % states.len()];
    let mut message = Message {
        state,
        kind: AlertKind::ALL[state as usize % AlertKind::ALL.len()],
        severity: Severity::Critical,
        key: "shc-k7qw2mzx-17".to_owned(),
        revision: 1,
        monitor: "monitor".to_owned(),
        description: line(),
        facts: Facts { name: line(), group: Some(line()), detail: line(), ..Facts::default() },
        since_ms: 0,
        ended_ms: None,
        now_ms: 1_795_918_440_000,
        end_cause: None,
        failure_threshold: 3,
        success_threshold: 2,
        dependents: 0,
        link: None,
        recipient: None,
        reference: None,
        digest: None,
    };
    let (title, template) = (line(), line());
    message.facts.conditions = vec![(message.facts.detail.clone(), false)];
    message.facts.url.clone_from(&message.facts.name);
    if matches!(state, NotificationState::Digest | NotificationState::DigestResolved) {
        let names = vec![message.facts.name.clone(); 3];
        let reasons = vec![(message.facts.detail.clone(), 3)];
        message.digest = Some(Digest { total: 5, firing: 3, reasons, names });
    }
    let mut options = ChannelOptions { keys: keys(kind), ..ChannelOptions::default() };
    options.title = Some(title).filter(|title| !title.is_empty());
    options.message = Some(template).filter(|template| !template.is_empty());
    let channel = Channel {
        id: 1,
        name: kind.name.to_owned(),
        kind: kind.name.to_owned(),
        origin: Origin::Api,
        enabled: true,
        options,
        failing_since_ms: None,
    };
    let job = Job { kind, channel: &channel, overrides: &Map::new(), message: &message };
    let shown = RENDERER.with(|renderer| renderer.show(&job));
    let Ok(Some(request)) = shown else { return };
    let is_json = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("content-type") && value == "application/json"
    };
    if request.headers.iter().any(is_json) {
        let body = request.body.unwrap_or_default();
        assert!(serde_json::from_str::<Value>(&body).is_ok(), "{body}");
    }
});

/// A valid value of each key that must be given.
fn keys(kind: Kind) -> Map<String, Value> {
    let keys = kind.row.keys.iter().filter(|(_, key)| key.required);
    keys.map(|(name, key)| (name.clone(), value(key))).collect()
}

fn value(key: &Key) -> Value {
    match key.value_type {
        ValueType::Url => {
            key.begins.clone().unwrap_or_else(|| "http://h.example/o/r".into()).into()
        }
        ValueType::Integer => key.range.map_or(1, |(least, _)| least).into(),
        ValueType::Boolean => true.into(),
        ValueType::List => json!(["a", "b"]),
        ValueType::Integers => json!([1]),
        ValueType::Map => json!({"a": "b"}),
        ValueType::Text => "k".repeat(key.length.unwrap_or(1)).into(),
    }
}
