//! Kinds of channels, and the check of what a channel sets.

use serde_json::{Map, Value};

use crate::alerting::client_options::ClientOptions;
use crate::alerting::key::is_unset;
use crate::alerting::row::{Code, Row, Shape};
use crate::alerting::template::Templates;
use crate::alerting::{alertmanager, custom, smtp, table, webhook};
use crate::domain::alert::ChannelOptions;
use crate::domain::alert::channel::KeyProblem;
use crate::domain::service::definition::Origin;
use crate::services_file::similar::unknown_key;

/// A kind of channels, such as `slack`.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    pub row: &'static Row,
}

impl Kind {
    /// Keys that every kind takes beside those of its row: templates of the texts.
    pub const TEXTS: [&str; 2] = ["title", "message"];

    pub fn find(name: &str) -> Option<Self> {
        let (name, row) = table::rows().get_key_value(name)?;
        Some(Self { name, row })
    }

    /// All kinds, by name.
    pub fn all() -> impl Iterator<Item = Self> {
        table::rows().iter().map(|(name, row)| Self { name, row })
    }

    /// Checks everything that a channel of this kind sets: each mistake is a problem. Texts of a
    /// channel of the API are literal: in those of the file, `${NAME}` is a variable.
    pub fn check(&self, options: &ChannelOptions, origin: Origin) -> Result<(), Vec<KeyProblem>> {
        let mut problems = Vec::new();
        self.check_each("", &options.keys, origin, &mut problems);
        for (name, key) in &self.row.keys {
            if key.required && options.keys.get(name).is_none_or(is_unset) {
                let problem = format!("missing, expected {}", key.expected());
                problems.push(KeyProblem::new(name, problem));
            }
        }
        for (at, group) in options.overrides.iter().enumerate() {
            self.check_each(&format!("overrides[{at}]."), &group.keys, origin, &mut problems);
        }
        for (name, template) in [("title", &options.title), ("message", &options.message)] {
            if let Some(template) = template {
                check_text("", name, template, &mut problems);
            }
        }
        if let Err(of_client) = ClientOptions::read(&options.client, origin) {
            problems.extend(of_client);
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The recipients of one request each, as they are written; empty for a kind with one request
    /// for all.
    pub fn recipients(&self, options: &ChannelOptions) -> Vec<String> {
        let items = self.row.each.as_ref().and_then(|each| options.keys.get(each));
        match items {
            Some(Value::Array(items)) => {
                items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(Value::String(text)) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                items.map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Checks keys that replace those of a channel: `provider-override` of an alert.
    pub fn check_overrides(
        &self,
        keys: &Map<String, Value>,
        origin: Origin,
    ) -> Result<(), Vec<KeyProblem>> {
        let mut problems = Vec::new();
        self.check_each("", keys, origin, &mut problems);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Whether the value of `key` is masked wherever it is shown.
    pub fn is_secret(&self, key: &str) -> bool {
        self.row.keys.get(key).is_some_and(|key| key.secret)
    }

    fn check_each(
        &self,
        prefix: &str,
        keys: &Map<String, Value>,
        origin: Origin,
        problems: &mut Vec<KeyProblem>,
    ) {
        let before = problems.len();
        for (name, value) in keys {
            let Some(key) = self.row.keys.get(name) else {
                match value {
                    Value::String(text) if Self::TEXTS.contains(&name.as_str()) => {
                        check_text(prefix, name, text, problems);
                    }
                    _ => {
                        let known = self.row.keys.keys().map(String::as_str).chain(Self::TEXTS);
                        let problem = unknown_key(name, known);
                        problems.push(KeyProblem::new(format!("{prefix}{name}"), problem));
                    }
                }
                continue;
            };
            // That a required key is not set is reported once, for the channel.
            if is_unset(value) {
                continue;
            }
            if let Err(why) = key.check(value, origin) {
                problems.push(KeyProblem::new(format!("{prefix}{name}"), why));
            }
        }
        if problems.len() == before {
            let of_kind = match self.row.shape {
                Shape::Code(Code::Email) => smtp::check(keys, origin),
                Shape::Code(Code::Alertmanager) => alertmanager::check(keys, origin),
                Shape::Code(Code::Webhook) => webhook::check(keys, origin),
                Shape::Code(Code::Custom) => custom::check(keys),
                Shape::Requests(_) => Vec::new(),
            };
            let prefixed = |problem: KeyProblem| KeyProblem {
                key: format!("{prefix}{}", problem.key),
                ..problem
            };
            problems.extend(of_kind.into_iter().map(prefixed));
        }
    }
}

fn check_text(prefix: &str, name: &str, template: &str, problems: &mut Vec<KeyProblem>) {
    if let Err(why) = Templates::new().check(template) {
        problems.push(KeyProblem::new(format!("{prefix}{name}"), why));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::alert::channel::GroupOverride;

    fn options(keys: &Value) -> ChannelOptions {
        ChannelOptions { keys: keys.as_object().unwrap().clone(), ..ChannelOptions::default() }
    }

    fn problems(kind: &str, options: &ChannelOptions) -> Vec<String> {
        let checked = Kind::find(kind).unwrap().check(options, Origin::File);
        checked.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_mistake_of_a_channel_is_reported_with_what_is_valid() {
        for (kind, keys, expected) in [
            ("slack", json!({"webhook-url": "https://h/x"}), &[][..]),
            ("slack", json!({"webhook-url": "${SLACK_URL}"}), &[]),
            ("slack", json!({"webhook-url": "https://h/x", "base-url": "http://127.0.0.1"}), &[]),
            ("slack", json!({}), &["webhook-url: missing, expected an http:// or https:// URL"]),
            (
                "slack",
                json!({"webhook_url": "https://h/x", "webhook-url": "s3cret"}),
                &[
                    "webhook-url: invalid value, expected an http:// or https:// URL",
                    "webhook_url: unknown key, did you mean webhook-url? expected one of base-url, \
                     webhook-url, title, message",
                ],
            ),
            (
                "email",
                json!({"from": "mon", "host": "mail.example", "port": 25, "to": "ops@example.org"}),
                &["from: invalid value \"mon\", expected an address, such as ops@example.org"],
            ),
            (
                "alertmanager",
                json!({"urls": ["http://am:9093"], "labels": {"a-b": "c"}}),
                &["labels: invalid value \"a-b\", expected names of letters, digits and _, not \
                     beginning with a digit"],
            ),
            (
                "ntfy",
                json!({"topic": "t", "priority": "9", "token": "s3cret", "disable-cache": "yes"}),
                &[
                    "disable-cache: invalid value \"yes\", expected true or false",
                    "priority: invalid value \"9\", expected 1 to 5",
                    "token: invalid value, expected a text that begins with tk_",
                ],
            ),
            ("ntfy", json!({"topic": "t", "priority": "${PRIORITY}", "token": ""}), &[]),
            (
                "opsgenie",
                json!({"api-key": "k", "priority": "P9", "tags": "a, b"}),
                &["priority: invalid value \"P9\", expected one of P1, P2, P3, P4, P5"],
            ),
            (
                "opsgenie",
                json!({"api-key": "k", "tags": ["a", {}]}),
                &["tags: invalid value [\"a\",{}], expected a list of texts"],
            ),
            (
                "pagerduty",
                json!({"integration-key": "short"}),
                &["integration-key: invalid value, expected a text of 32 characters"],
            ),
            (
                "gotify",
                json!({"server-url": "ftp://h", "token": "${"}),
                &[
                    "server-url: invalid value \"ftp://h\", expected an http:// or https:// URL",
                    "token: invalid value, expected a text that is not empty",
                ],
            ),
        ] {
            assert_eq!(problems(kind, &options(&keys)), expected, "{kind} {keys}");
        }
        assert!(Kind::find("slak").is_none() && Kind::find("email").is_some());
    }

    #[test]
    fn a_kind_with_one_request_each_has_recipients() {
        let line = Kind::find("line").unwrap();
        for (keys, expected) in [
            (json!({"user-ids": ["a", "${B}"]}), &["a", "${B}"][..]),
            (json!({"user-ids": "a, b,"}), &["a", "b"]),
            (json!({}), &[]),
        ] {
            assert_eq!(line.recipients(&options(&keys)), expected);
        }
        let slack = Kind::find("slack").unwrap();
        assert_eq!(slack.recipients(&options(&json!({"user-ids": ["a"]}))), [""; 0]);
    }

    #[test]
    fn overrides_texts_and_client_are_checked_too() {
        let group = json!({"webhook": "x"});
        let mut options = options(&json!({"webhook-url": "https://h/x"}));
        options.overrides.push(GroupOverride {
            group: "core".to_owned(),
            keys: group.as_object().unwrap().clone(),
        });
        options.message = Some("{{ service.name".to_owned());
        options.title = Some("x".repeat(16 * 1024 + 1));
        options.client.insert("timeout".to_owned(), json!("1h"));
        assert_eq!(
            problems("slack", &options),
            [
                "overrides[0].webhook: unknown key, expected one of base-url, webhook-url, title, \
                 message",
                "title: invalid template of 16385 bytes, expected at most 16384 bytes",
                "message: syntax error: unexpected end of input, expected end of variable block in \
                 line 1",
                "client.timeout: invalid value \"1h\", expected 100ms to 60s",
            ]
        );
        let slack = Kind::find("slack").unwrap();
        assert!(slack.is_secret("webhook-url") && !slack.is_secret("title"));
        let overrides = json!({"webhook-url": "https://h/other", "colour": "red"});
        let checked = slack.check_overrides(overrides.as_object().unwrap(), Origin::File);
        assert_eq!(checked.unwrap_err().len(), 1);
        let literal = self::options(&json!({"webhook-url": "${SLACK_URL}"}));
        assert_eq!(slack.check(&literal, Origin::Api).unwrap_err().len(), 1);
    }
}
