//! The variables of templates: facts of a message, texts, and the keys of a channel.

use std::collections::BTreeMap;

use minijinja::Value as Filled;
use serde_json::{Map, Value};

use crate::alerting::local_time::{LocalTime, duration_text};
use crate::alerting::markup::{TEXT_LIMIT, clean, clean_lines};
use crate::alerting::text::{self, Text};
use crate::domain::alert::Message;
use crate::domain::maintenance::zone::Zone;

type Fields = BTreeMap<&'static str, Filled>;

/// The variables that a user's template has: everything but the keys of the channel, which hold
/// secrets.
pub fn of_message(message: &Message, zone: &Zone, texts: &Text) -> Fields {
    let facts = &message.facts;
    let line = |text: &str| Filled::from(clean(text, TEXT_LIMIT));
    let optional = |text: Option<&str>| text.map_or(Filled::UNDEFINED, line);
    let resolved = text::is_resolved(message.state);
    let service = Fields::from([
        ("name", line(&facts.name)),
        ("group", optional(facts.group.as_deref())),
        ("url", line(&facts.url)),
    ]);
    let conditions = facts.conditions.iter().map(|(condition, success)| {
        Filled::from(Fields::from([
            ("condition", line(condition)),
            ("success", Filled::from(*success)),
        ]))
    });
    let result = Fields::from([
        ("reason", line(&facts.reason)),
        ("detail", line(&facts.detail)),
        ("http_status", facts.http_status.map_or(Filled::UNDEFINED, Filled::from)),
        ("response_time_ms", facts.response_time_ms.map_or(Filled::UNDEFINED, Filled::from)),
        ("conditions", conditions.collect()),
    ]);
    let mut fields = Fields::from([
        ("title", Filled::from(texts.title.as_str())),
        ("message", Filled::from(texts.message.as_str())),
        ("resolved", Filled::from(resolved)),
        ("alert", Filled::from(alert(message, zone, resolved))),
        ("service", Filled::from(service)),
        ("result", Filled::from(result)),
        ("monitor", line(&message.monitor)),
        ("link", optional(message.link.as_deref())),
        ("recipient", optional(message.recipient.as_deref())),
        ("reference", optional(message.reference.as_deref())),
    ]);
    if let Some(digest) = &message.digest {
        let reasons = digest.reasons.iter().map(|(reason, count)| {
            Filled::from(Fields::from([("reason", line(reason)), ("count", (*count).into())]))
        });
        let digest = Fields::from([
            ("total", Filled::from(digest.total)),
            ("firing", Filled::from(digest.firing)),
            ("names", digest.names.iter().map(|name| line(name)).collect()),
            ("reasons", reasons.collect()),
        ]);
        fields.insert("digest", Filled::from(digest));
    }
    fields
}

fn alert(message: &Message, zone: &Zone, resolved: bool) -> Fields {
    let safe = |text: &str| Filled::from_safe_string(text.to_owned());
    let time = |at_ms| safe(&LocalTime::new(zone, at_ms).rfc3339());
    let seconds = |at_ms: i64| Filled::from(at_ms.div_euclid(1_000));
    let ended = |value: &dyn Fn(i64) -> Filled| {
        message.ended_ms.filter(|_| resolved).map_or(Filled::UNDEFINED, value)
    };
    let lasted = text::lasted(message);
    Fields::from([
        ("key", safe(&message.key)),
        ("revision", message.revision.into()),
        ("state", safe(message.state.as_str())),
        ("status", safe(if resolved { "resolved" } else { "triggered" })),
        ("kind", safe(message.kind.as_str())),
        ("severity", safe(message.severity.as_str())),
        ("description", Filled::from(clean_lines(&message.description, TEXT_LIMIT))),
        ("since", time(message.since_ms)),
        ("since_ms", message.since_ms.into()),
        ("since_s", seconds(message.since_ms)),
        ("ended", ended(&time)),
        ("ended_ms", ended(&|at_ms| Filled::from(at_ms))),
        ("ended_s", ended(&seconds)),
        ("now", time(message.now_ms)),
        ("now_ms", message.now_ms.into()),
        ("now_s", seconds(message.now_ms)),
        ("duration", safe(&duration_text(lasted))),
        ("duration_s", lasted.as_secs().into()),
        ("failure_threshold", message.failure_threshold.into()),
        ("success_threshold", message.success_threshold.into()),
        ("dependents", message.dependents.into()),
        ("end_cause", message.end_cause.map_or(Filled::UNDEFINED, safe)),
    ])
}

/// The variables of a row: those of the message, its texts as they are to be written, and keys.
pub fn of_row(
    mut fields: Fields,
    escaped: &Text,
    plain: &Text,
    keys: &Map<String, Value>,
) -> Filled {
    let safe = |text: &str| Filled::from_safe_string(text.to_owned());
    fields.insert("title", safe(&escaped.title));
    fields.insert("message", safe(&escaped.message));
    fields.insert("plain_title", safe(&plain.title));
    fields.insert("plain_message", safe(&plain.message));
    fields.insert("key", key(keys));
    Filled::from(fields)
}

/// The keys of a channel. Its user wrote them, so they are not escaped in a body.
pub fn key(keys: &Map<String, Value>) -> Filled {
    let fields = keys.iter().map(|(name, value)| (name.clone(), safe_value(value)));
    Filled::from(fields.collect::<BTreeMap<String, Filled>>())
}

fn safe_value(value: &Value) -> Filled {
    match value {
        Value::String(text) => Filled::from_safe_string(text.clone()),
        Value::Array(items) => items.iter().map(safe_value).collect(),
        Value::Object(fields) => key(fields),
        Value::Null => Filled::from(()),
        Value::Bool(value) => Filled::from(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Filled::from(number),
            None => Filled::from(number.as_f64()),
        },
    }
}
