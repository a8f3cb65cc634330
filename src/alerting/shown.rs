//! The options of a channel as responses show them.

use serde_json::{Map, Value};
use url::Url;

use crate::alerting::key::ValueType;
use crate::alerting::kind::Kind;
use crate::domain::alert::{Channel, ChannelOptions};
use crate::domain::secret::MASK;
use crate::domain::secret::url::{Requests, mask, mask_template};
use crate::domain::{Origin, Template};

/// The options of `channel` with masked secrets. Texts of the services file are templates, whose
/// variables are shown by their names; those of the API are literal.
pub fn shown(channel: &Channel) -> ChannelOptions {
    let (kind, origin) = (Kind::find(&channel.kind), channel.origin);
    let keys = |keys: &Map<String, Value>| {
        let shown = keys.iter().map(|(name, value)| {
            let key = kind.and_then(|kind| kind.row.keys.get(name));
            let is_url = key.is_some_and(|key| key.value_type == ValueType::Url);
            let value = match is_secret(kind, name) {
                true => secret(value, is_url, origin),
                false => plain(value, origin),
            };
            (name.clone(), value)
        });
        shown.collect()
    };
    let mut shown = channel.options.clone();
    shown.keys = keys(&channel.options.keys);
    shown.overrides.iter_mut().for_each(|group| group.keys = keys(&group.keys));
    shown.client.values_mut().for_each(|value| *value = plain(value, origin));
    shown
}

/// Whether responses mask the value of a key. Those of an unknown kind are masked.
pub fn is_secret(kind: Option<Kind>, key: &str) -> bool {
    kind.is_none_or(|kind| kind.is_secret(key))
}

/// A value that is no secret; a URL in it may have some.
fn plain(value: &Value, origin: Origin) -> Value {
    with_texts(value, &|text| match origin {
        _ if !text.contains("://") => text.to_owned(),
        Origin::Api => mask(text, Requests::Masked),
        Origin::File => mask_template(text, Requests::Masked),
    })
}

/// Of a URL whose path is a secret, its scheme and authority are shown.
fn secret(value: &Value, is_url: bool, origin: Origin) -> Value {
    let masked = with_texts(value, &|text| {
        let template = match origin {
            Origin::Api => Template::literal(text),
            Origin::File => Template::parse(text).unwrap_or_else(|_| Template::literal(text)),
        };
        let literal = template.as_literal().filter(|_| is_url);
        match literal.and_then(|text| Url::parse(&text).ok()).filter(Url::has_host) {
            Some(url) => {
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                let host = url.host_str().unwrap_or_default();
                format!("{}://{host}{port}/{MASK}", url.scheme())
            }
            None => template.masked(),
        }
    });
    match masked {
        Value::Number(_) | Value::Bool(_) => Value::String(MASK.to_owned()),
        masked => masked,
    }
}

/// `value` with each text in it changed.
fn with_texts(value: &Value, change: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(text)),
        Value::Array(items) => items.iter().map(|item| with_texts(item, change)).collect(),
        Value::Object(fields) => {
            let changed = fields.iter().map(|(name, it)| (name.clone(), with_texts(it, change)));
            changed.collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::alert::channel::GroupOverride;

    fn channel(kind: &str, origin: Origin, keys: &Value) -> Channel {
        let keys = keys.as_object().unwrap().clone();
        Channel {
            id: 1,
            name: "a".to_owned(),
            kind: kind.to_owned(),
            origin,
            enabled: true,
            options: ChannelOptions { keys, ..ChannelOptions::default() },
            failing_since_ms: None,
        }
    }

    #[test]
    fn secrets_are_masked_and_variables_of_the_file_are_named() {
        use Origin::{Api, File};
        for (kind, origin, keys, expected) in [
            (
                "slack",
                Api,
                json!({"webhook-url": "https://u:p@hooks.slack.com:8443/services/T0?x=s3cret"}),
                json!({"webhook-url": "https://hooks.slack.com:8443/***"}),
            ),
            (
                "slack",
                File,
                json!({"webhook-url": "${SLACK_URL}"}),
                json!({"webhook-url": "${SLACK_URL}"}),
            ),
            (
                "gotify",
                Api,
                json!({"server-url": "https://u:s3cret@g/?a=b", "token": "s3cret", "priority": 5}),
                json!({"server-url": "https://u:***@g/?a=b", "token": "***", "priority": 5}),
            ),
            ("gotify", Api, json!({"token": "${s3cret}"}), json!({"token": "***"})),
            (
                "webhook",
                File,
                json!({
                    "url": "https://h/s3cret", "secret": ["s3cret", "${KEY}"],
                    "headers": {"x-team": "s3cret", "x-none": ""}
                }),
                json!({
                    "url": "https://h/***", "secret": ["***", "${KEY}"],
                    "headers": {"x-team": "***", "x-none": ""}
                }),
            ),
            (
                "alertmanager",
                Api,
                json!({"urls": ["https://u:s3cret@h/", "https://i/"]}),
                json!({"urls": ["***", "***"]}),
            ),
            ("gone", Api, json!({"a": "s3cret", "b": 5}), json!({"a": "***", "b": "***"})),
        ] {
            let shown = shown(&channel(kind, origin, &keys));
            assert_eq!(Value::Object(shown.keys), expected, "{kind}");
        }
    }

    #[test]
    fn overrides_and_client_are_masked_too() {
        let keys = json!({"server-url": "https://g", "token": "s3cret"});
        let mut channel = channel("gotify", Origin::Api, &keys);
        let client = json!({"proxy-url": "http://u:s3cret@p:3128", "timeout": "5s"});
        let over = json!({"token": "s3cret", "priority": 1});
        channel.options.client = client.as_object().unwrap().clone();
        let keys = over.as_object().unwrap().clone();
        channel.options.overrides = vec![GroupOverride { group: "core".to_owned(), keys }];
        let shown = shown(&channel);
        assert!(!format!("{shown:?}").contains("s3cret"), "{shown:?}");
        assert_eq!(shown.overrides[0].keys["priority"], 1);
        assert_eq!(shown.client["proxy-url"], "http://u:***@p:3128");
        assert_eq!(shown.client["timeout"], "5s");
    }
}
