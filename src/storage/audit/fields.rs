//! The fields of the objects that are changed, as the audit compares and shows them.

use serde_json::{Map, Value, json};

use crate::domain::access::{Scope, Session, Token};
use crate::domain::alert::{
    Acknowledgement, AlertKind, ChannelOptions, Matcher, PolicyOptions, Severity, Silence,
};
use crate::domain::audit::Fields;
use crate::domain::maintenance::MaintenanceDefinition;
use crate::domain::secret::pieces::MASK;
use crate::domain::secret::url::mask_template;
use crate::domain::{Definition, Requests};
use crate::spec::{self, Form};

pub fn service(definition: &Definition) -> Fields {
    Fields::new(
        spec::write(definition, Form::Stored),
        spec::write(definition, Form::Masked(Requests::Masked)),
    )
}

/// Nothing of the text of a token.
pub fn token(token: &Token) -> Fields {
    let scopes: Vec<&str> = token.scopes.given().map(Scope::as_str).collect();
    let groups: Option<Vec<&str>> = token.groups.names().map(Iterator::collect);
    let expires_at = token.expires_at_ms.map(|ms| ms.div_euclid(1_000));
    open(json!({
        "name": token.name, "scopes": scopes, "groups": groups, "expires_at": expires_at,
    }))
}

pub fn session(session: &Session) -> Fields {
    open(json!({
        "token_id": Some(session.token_id).filter(|id| *id != 0),
        "expires_at": session.expires_at_ms.div_euclid(1_000),
    }))
}

/// Every text of the keys is masked: the store does not know which keys of a kind are secrets.
pub fn channel(name: &str, kind: &str, enabled: bool, options: &ChannelOptions) -> Fields {
    let fields = |options: &ChannelOptions| {
        let mut fields = match serde_json::to_value(options) {
            Ok(Value::Object(fields)) => named_as_in_the_api(fields),
            // Texts, numbers and values of JSON: this cannot fail.
            _ => Map::new(),
        };
        fields.insert("name".to_owned(), name.into());
        fields.insert("kind".to_owned(), kind.into());
        fields.insert("enabled".to_owned(), enabled.into());
        fields
    };
    let mut shown = options.clone();
    mask_texts(&mut shown.keys, &|_| MASK.to_owned());
    for group in &mut shown.overrides {
        mask_texts(&mut group.keys, &|_| MASK.to_owned());
    }
    mask_texts(&mut shown.client, &|text| mask_template(text, Requests::Masked));
    Fields::new(fields(options), fields(&shown))
}

fn named_as_in_the_api(fields: Map<String, Value>) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.replace('-', "_"), value)).collect()
}

fn mask_texts(map: &mut Map<String, Value>, masked: &impl Fn(&str) -> String) {
    map.values_mut().for_each(|value| mask_value(value, masked));
}

fn mask_value(value: &mut Value, masked: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = masked(text),
        Value::Array(items) => items.iter_mut().for_each(|item| mask_value(item, masked)),
        Value::Object(map) => mask_texts(map, masked),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Named as in the API.
pub fn policy(name: &str, position: u32, matcher: &Matcher, options: &PolicyOptions) -> Fields {
    let steps = options.steps.iter().map(
        |(after, channels)| json!({"after_seconds": after.as_secs_f64(), "channels": channels}),
    );
    let severities = options.quiet_passes.iter().copied().map(Severity::as_str);
    open(json!({
        "name": name,
        "position": position,
        "match": matcher,
        "on": options.on.iter().copied().map(AlertKind::as_str).collect::<Vec<_>>(),
        "severity": options.severity.map(Severity::as_str),
        "failure_threshold": options.failure_threshold,
        "success_threshold": options.success_threshold,
        "description": options.description,
        "steps": steps.collect::<Vec<_>>(),
        "group_by": options.group_by,
        "group_wait_seconds": options.group_wait.as_secs_f64(),
        "group_interval_seconds": options.group_interval.as_secs_f64(),
        "reminder_seconds": options.reminder.map(|time| time.as_secs_f64()),
        "send_on_resolved": options.send_on_resolved,
        "continue": options.continues,
        "quiet": options.quiet,
        "quiet_passes": severities.collect::<Vec<_>>(),
    }))
}

/// Times are unix seconds, as in the API.
pub fn silence(silence: &Silence) -> Fields {
    open(json!({
        "match": silence.matcher,
        "from": silence.from_ms.div_euclid(1_000),
        "to": silence.to_ms.div_euclid(1_000),
        "by": silence.by,
        "note": silence.note,
    }))
}

/// Times are unix seconds, as in the API.
pub fn acknowledgement(acknowledgement: &Acknowledgement) -> Fields {
    open(json!({
        "by": acknowledgement.by,
        "note": acknowledgement.note,
        "until": acknowledgement.until_ms.map(|until_ms| until_ms.div_euclid(1_000)),
    }))
}

pub fn maintenance(definition: &MaintenanceDefinition) -> Fields {
    Fields::open(definition.write())
}

fn open(fields: Value) -> Fields {
    match fields {
        Value::Object(fields) => Fields::open(fields),
        _ => Fields::default(),
    }
}
