//! The body of a channel.

use serde_json::{Map, Value};

use crate::alerting::{Kind, kept_secrets};
use crate::api::error::ApiError;
use crate::api::input::alerting::quiet::quiet;
use crate::api::input::fields::Fields;
use crate::api::input::params::one_of;
use crate::domain::alert::channel::{GroupOverride, KeyProblem};
use crate::domain::alert::{Channel, ChannelOptions, Severity};
use crate::domain::{Invalid, Origin};
use crate::storage::alerting::NewChannel;

/// Writable fields.
const FIELDS: [&str; 12] = [
    "name",
    "kind",
    "enabled",
    "keys",
    "client",
    "overrides",
    "title",
    "message",
    "system",
    "refill_seconds",
    "quiet",
    "quiet_passes",
];

/// Longest template, in characters.
const TEMPLATE_MAX: usize = 16 * 1024;
const DAY_S: u32 = 86_400;

/// A new channel as the API writes it.
pub fn channel(map: &Map<String, Value>) -> Result<NewChannel, ApiError> {
    let (mut fields, channel) = read(map);
    report(&mut fields, kept_secrets::masks(&channel.kind, &channel.options));
    check(fields, channel)
}

/// The channel `before` with the fields in `map`, which are those of `before` after `change`. A
/// mask keeps the stored secret.
pub fn changed_channel(
    before: &Channel,
    map: &Map<String, Value>,
    change: &Map<String, Value>,
) -> Result<NewChannel, ApiError> {
    let (mut fields, channel) = read(map);
    let NewChannel { name, kind, enabled, options } = channel;
    let options = kept_secrets::keep(before, &kind, options, change).unwrap_or_else(|problems| {
        report(&mut fields, problems);
        ChannelOptions::default()
    });
    if !fields.is_valid() {
        // The check of the kind would report secrets that could not be kept.
        return fields.done(NewChannel { name, kind, enabled, options });
    }
    check(fields, NewChannel { name, kind, enabled, options })
}

/// Checks what the kind of the channel demands, beside what was found so far.
fn check(mut fields: Fields<'_>, channel: NewChannel) -> Result<NewChannel, ApiError> {
    match Kind::find(&channel.kind) {
        None if channel.kind.is_empty() => {}
        None => {
            let expected = one_of(Kind::all().map(|kind| kind.name));
            fields.reject("kind", &Invalid::quoted(&channel.kind, expected));
        }
        Some(kind) => {
            let problems = kind.check(&channel.options, Origin::Api).err().unwrap_or_default();
            let fields_of_channel = ["overrides", "client", "title", "message"];
            report(
                &mut fields,
                problems.into_iter().map(|KeyProblem { key, problem }| {
                    let first = key.split(['.', '[']).next().unwrap_or_default();
                    let is_field = fields_of_channel.contains(&first);
                    let key = if is_field { key } else { format!("keys.{key}") };
                    KeyProblem { key, problem }
                }),
            );
        }
    }
    fields.done(channel)
}

/// A problem of a value that was reported already is left out.
fn report(fields: &mut Fields<'_>, problems: impl IntoIterator<Item = KeyProblem>) {
    for KeyProblem { key, problem } in problems {
        if !fields.has_problem(&key) {
            fields.problem(&key, problem);
        }
    }
}

/// Reads the fields.
fn read(map: &Map<String, Value>) -> (Fields<'_>, NewChannel) {
    let mut fields = Fields::new(map, &FIELDS);
    let severities = Severity::ALL.map(Severity::as_str);
    let passes = fields.words("quiet_passes", severities, Severity::from_word);
    let refill_seconds = fields.value("refill_seconds").is_some();
    let refill_seconds = refill_seconds.then(|| fields.number("refill_seconds", 1, 1..=DAY_S));
    let options = ChannelOptions {
        keys: without_nulls(fields.map("keys")),
        client: without_nulls(fields.map("client")),
        overrides: overrides(&mut fields),
        title: fields.text("title", TEMPLATE_MAX),
        message: fields.text("message", TEMPLATE_MAX),
        system: fields.boolean("system", false),
        refill_seconds,
        quiet: quiet(&mut fields),
        quiet_passes: passes.into_iter().map(|severity| severity.as_str().to_owned()).collect(),
    };
    let name = fields.name("name");
    let kind = fields.name("kind");
    let enabled = fields.boolean("enabled", true);
    (fields, NewChannel { name, kind, enabled, options })
}

fn without_nulls(mut map: Map<String, Value>) -> Map<String, Value> {
    map.retain(|_, value| !value.is_null());
    map
}

fn overrides(fields: &mut Fields<'_>) -> Vec<GroupOverride> {
    let mut overrides = Vec::new();
    for (nth, item) in fields.list("overrides").unwrap_or_default().iter().enumerate() {
        let path = format!("overrides[{nth}]");
        let Some(map) = item.as_object() else {
            fields.reject(&path, &Invalid::hidden("an object with group and keys of the kind"));
            continue;
        };
        let mut keys = without_nulls(map.clone());
        match keys.remove("group") {
            Some(Value::String(group)) if !group.is_empty() => {
                overrides.push(GroupOverride { group, keys });
            }
            None => fields.require(&format!("{path}.group")),
            Some(_) => {
                fields.reject(&format!("{path}.group"), &Invalid::hidden("the name of a group"));
            }
        }
    }
    overrides
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<NewChannel, String> {
        channel(body.as_object().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_channel_is_read_as_it_is_written() {
        let channel = read(&json!({
            "name": "ops", "kind": "gotify", "title": "$5 ${HOME}",
            "keys": {"server-url": "https://g/", "token": "${HOME}", "priority": 7},
            "overrides": [{"group": "core", "token": "a$b"}],
            "client": {"timeout": "5s", "insecure": null}, "refill_seconds": 60,
            "quiet": [{"start": "22:00", "duration": "8h", "timezone": "Europe/Berlin"}],
            "quiet_passes": "critical"
        }));
        let NewChannel { options, enabled, .. } = channel.unwrap();
        assert!(enabled && !options.system);
        assert_eq!(options.keys["token"], "${HOME}");
        assert_eq!(options.title.as_deref(), Some("$5 ${HOME}"));
        assert_eq!(options.overrides[0].group, "core");
        assert_eq!((options.client.len(), options.refill_seconds), (1, Some(60)));
        assert_eq!((options.quiet.len(), &options.quiet_passes[..]), (1, &["critical".into()][..]));
    }

    #[test]
    fn every_problem_is_named_with_its_field() {
        let error = read(&json!({
            "name": "", "kind": "gotify", "id": 1, "enabled": "yes",
            "keys": {"server-url": "ftp://h", "tokn": "x"}, "client": {"timeout": "2m"},
            "overrides": [{"token": "x"}, {"group": "a", "priority": "high"}, 5],
            "quiet": [{"start": "25:00", "until": "x"}], "quiet_passes": ["all"],
            "refill_seconds": 0
        }));
        let error = error.unwrap_err();
        for problem in [
            "name: invalid value \"\", expected a text of 1 to 255",
            "id: unknown or read-only field",
            "enabled: invalid value \"yes\"",
            "keys.server-url: invalid value",
            "keys.tokn: unknown key",
            "keys.token: missing",
            "client.timeout: invalid value",
            "overrides[0].group: required",
            "overrides[1].priority: invalid value",
            "overrides[2]: invalid value",
            "quiet[0].start: ",
            "quiet[0].until: unknown field, expected one of enabled, start",
            "quiet_passes: invalid value \"all\"",
            "refill_seconds: invalid value 0",
        ] {
            // Positions of overrides are those of the valid ones.
            let moved = problem.replace("overrides[1].p", "overrides[0].p");
            assert!(error.contains(problem) || error.contains(&moved), "{problem} in {error}");
        }
        let error = read(&json!({"name": "a", "kind": "slak", "keys": {}})).unwrap_err();
        assert!(error.contains("kind: invalid value \"slak\", expected one of "), "{error}");
        assert!(error.contains("slack, "), "{error}");
        let error = read(&json!({"kind": "gotify", "keys": {"token": "***"}})).unwrap_err();
        assert!(error.contains("keys.token: invalid value, expected the value itself"), "{error}");
        assert!(error.contains("name: required"), "{error}");
    }

    #[test]
    fn a_mask_keeps_the_secret_of_the_stored_channel() {
        let keys = json!({"server-url": "https://g/", "token": "s3cr$et"});
        let body = json!({"name": "ops", "kind": "gotify", "keys": keys});
        let NewChannel { name, kind, enabled, options } = read(&body).unwrap();
        let origin = Origin::Api;
        let before =
            Channel { id: 1, name, kind, origin, enabled, options, failing_since_ms: None };
        let change = json!({"enabled": false, "keys": {"token": "***", "priority": 3}});
        let mut after = body;
        after["enabled"] = json!(false);
        after["keys"]["token"] = json!("***");
        after["keys"]["priority"] = json!(3);
        let map = |value: &Value| value.as_object().unwrap().clone();
        let channel = changed_channel(&before, &map(&after), &map(&change)).unwrap();
        assert!(!channel.enabled);
        assert_eq!(channel.options.keys["token"], "s3cr$et");
        assert_eq!(channel.options.keys["priority"], 3);
        after["keys"]["server-url"] = json!("https://evil/");
        let error = changed_channel(&before, &map(&after), &map(&change)).unwrap_err().to_string();
        let expected = "keys.token: required in clear, or null: a change of keys.server-url may";
        assert!(error.contains(expected), "{error}");
    }
}
