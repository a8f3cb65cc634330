//! Every type of alerts that Gatus has is a kind of channels here, with its keys and defaults.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::alerting::{Key, Kind, ValueType};

/// The types of Gatus with the keys of their configuration (its `alerting/provider/*`, in August
/// 2026, and `alerting/config.go`): `*` marks what must be given, `=` a default. Without those of
/// all types: `default-alert`, `overrides`, and `client`, which is read apart from the keys.
const TYPES: [(&str, &[&str]); 41] = [
    ("aws-ses", &["access-key-id", "secret-access-key", "region", "from*", "to*"]),
    (
        "clickup",
        &[
            "list-id*",
            "token*",
            "api-url=https://api.clickup.com/api/v2",
            "assignees",
            "status",
            "priority=normal",
            "notify-all=true",
            "name=Health Check: [ENDPOINT_GROUP]:[ENDPOINT_NAME]",
            "content=Triggered: [ENDPOINT_GROUP] - [ENDPOINT_NAME] - [ALERT_DESCRIPTION] - \
             [RESULT_ERRORS]",
        ],
    ),
    ("custom", &["url*", "method=GET", "body", "headers", "placeholders"]),
    ("datadog", &["api-key*", "site=datadoghq.com", "tags"]),
    ("discord", &["webhook-url*", "title", "message-content"]),
    ("email", &["from*", "username", "password", "host*", "port*", "to*"]),
    ("gitea", &["repository-url*", "token*", "assignees"]),
    ("github", &["repository-url*", "token*"]),
    (
        "gitlab",
        &[
            "webhook-url*",
            "authorization-key*",
            "severity=critical",
            "monitoring-tool=gatus",
            "environment-name",
            "service",
        ],
    ),
    ("googlechat", &["webhook-url*"]),
    ("gotify", &["server-url*", "token*", "priority=5", "title"]),
    ("homeassistant", &["url*", "token*"]),
    ("ifttt", &["webhook-key*", "event-name*"]),
    ("ilert", &["integration-key*"]),
    ("incident-io", &["url*", "auth-token*", "source-url", "metadata"]),
    ("line", &["channel-access-token*", "user-ids*"]),
    (
        "matrix",
        &["server-url=https://matrix-client.matrix.org", "access-token*", "internal-room-id*"],
    ),
    ("mattermost", &["webhook-url*", "channel"]),
    ("messagebird", &["access-key*", "originator*", "recipients*"]),
    ("n8n", &["webhook-url*", "title"]),
    ("newrelic", &["insert-key*", "account-id*", "region=US"]),
    (
        "ntfy",
        &[
            "topic*",
            "url=https://ntfy.sh",
            "priority=3",
            "token",
            "email",
            "click",
            "disable-firebase=false",
            "disable-cache=false",
        ],
    ),
    (
        "opsgenie",
        &[
            "api-key*",
            "priority=P1",
            "source=gatus",
            "entity-prefix=gatus-",
            "alias-prefix=gatus-healthcheck-",
            "tags",
        ],
    ),
    ("pagerduty", &["integration-key*"]),
    ("plivo", &["auth-id*", "auth-token*", "from*", "to*"]),
    (
        "pushover",
        &[
            "application-token*",
            "user-key*",
            "title",
            "priority=0",
            "resolved-priority=0",
            "sound",
            "ttl",
            "device",
        ],
    ),
    ("rocketchat", &["webhook-url*", "channel"]),
    ("sendgrid", &["api-key*", "from*", "to*"]),
    ("signal", &["api-url*", "number*", "recipients*"]),
    ("signl4", &["team-secret*"]),
    ("slack", &["webhook-url*", "title"]),
    ("splunk", &["hec-url*", "hec-token*", "source=gatus", "sourcetype=gatus:alert", "index"]),
    ("squadcast", &["webhook-url*"]),
    ("teams", &["webhook-url*", "title"]),
    ("teams-workflows", &["webhook-url*", "title"]),
    ("telegram", &["token*", "id*", "topic-id", "api-url=https://api.telegram.org"]),
    (
        "twilio",
        &["sid*", "token*", "from*", "to*", "text-twilio-triggered", "text-twilio-resolved"],
    ),
    ("vonage", &["api-key*", "api-secret*", "from*", "to*"]),
    ("webex", &["webhook-url*"]),
    ("zapier", &["webhook-url*"]),
    ("zulip", &["bot-email*", "bot-api-key*", "domain*", "channel-id*"]),
];

/// Where a key differs on purpose. SES: the role of the machine is never used. The names of Gatus
/// are replaced where people see them.
const DIFFERENT: [(&str, &str); 7] = [
    ("aws-ses", "access-key-id*"),
    ("aws-ses", "secret-access-key*"),
    ("aws-ses", "region*"),
    ("gitlab", "monitoring-tool=service-healthcheck"),
    ("opsgenie", "source=service-healthcheck"),
    ("opsgenie", "entity-prefix"),
    ("opsgenie", "alias-prefix"),
];

/// Keys that Gatus does not have.
const MORE: [(&str, &str); 1] = [("email", "starttls")];

/// Name, and the notation of [`TYPES`].
fn notation(name: &str, key: &Key) -> String {
    let default = match &key.default {
        None => String::new(),
        Some(Value::String(text)) if text.is_empty() => String::new(),
        Some(Value::String(text)) => format!("={text}"),
        Some(value) => format!("={value}"),
    };
    let mark = if key.required { "*" } else { "" };
    format!("{name}{mark}{default}")
}

fn name_of(written: &str) -> &str {
    written.split(['*', '=']).next().unwrap_or(written)
}

#[test]
fn every_type_of_gatus_is_a_kind_with_its_keys_and_defaults() {
    for (name, written) in TYPES {
        let kind = Kind::find(name).unwrap_or_else(|| panic!("{name} is not a kind"));
        let mut expected: BTreeMap<&str, String> = written
            .iter()
            .filter(|key| !Kind::TEXTS.contains(*key))
            .map(|key| (name_of(key), (*key).to_owned()))
            .collect();
        let changed = DIFFERENT.iter().chain(&MORE).filter(|(of, _)| *of == name);
        expected.extend(changed.map(|(_, key)| (name_of(key), (*key).to_owned())));
        let is_common = |key: &str| key == "base-url";
        let keys: BTreeMap<&str, String> = kind
            .row
            .keys
            .iter()
            .filter(|(key, _)| !is_common(key))
            .map(|(name, key)| (name.as_str(), notation(name, key)))
            .collect();
        assert_eq!(keys, expected, "{name}");
    }
}

#[test]
fn all_kinds_are_those_of_gatus_and_three_more() {
    let mut expected: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
    expected.extend(["alertmanager", "apprise", "webhook"]);
    expected.sort_unstable();
    assert_eq!(Kind::all().map(|kind| kind.name).collect::<Vec<_>>(), expected);
}

#[test]
fn keys_that_grant_access_are_secrets() {
    let words = ["token", "secret", "password", "api-key", "access-key", "integration-key"];
    for kind in Kind::all() {
        for (name, key) in &kind.row.keys {
            let is_access = words.iter().any(|word| name.contains(word)) || name == "webhook-url";
            assert!(key.secret || !is_access, "{} {name}", kind.name);
            let text = matches!(key.value_type, ValueType::Text | ValueType::Url);
            assert!(!is_access || text || name == "secret", "{} {name}", kind.name);
        }
    }
}

#[test]
fn values_are_checked_as_gatus_checks_them() {
    let incident_io = "https://api.incident.io/v2/alert_events/http/";
    let long = "k".repeat(26);
    for (kind, name, value, is_valid) in [
        ("github", "repository-url", "https://github.com/o/r", true),
        ("github", "repository-url", "https://github.com/o", false),
        ("github", "repository-url", "https://github.com/o/r/", false),
        ("gitea", "repository-url", "http://h:3000/o/r", true),
        ("gitea", "repository-url", "o/r", false),
        ("incident-io", "url", &format!("{incident_io}01ABC"), true),
        ("incident-io", "url", "https://api.example.com/v2/alert_events/http/01ABC", false),
        ("pushover", "device", &long[1..], true),
        ("pushover", "device", &long, false),
        ("pushover", "user-key", &long, false),
        ("pushover", "priority", "-2", true),
        ("pushover", "resolved-priority", "3", false),
        ("clickup", "assignees", "11, 12", true),
        ("clickup", "assignees", "kim", false),
        ("clickup", "priority", "none", true),
        ("clickup", "priority", "highest", false),
        ("ntfy", "token", "tk_1", true),
        ("ntfy", "token", "x", false),
    ] {
        let key = &Kind::find(kind).unwrap().row.keys[name];
        assert_eq!(key.typed(&value.into()).is_ok(), is_valid, "{kind} {name} {value}");
    }
}
