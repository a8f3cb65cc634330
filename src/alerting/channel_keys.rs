//! The keys of a channel for one message: defaults of the row, the channel's own, those of the
//! service's group, and those of the alert, with variables filled in.

use serde_json::{Map, Value};

use crate::alerting::key::{Key, ValueType, is_unset};
use crate::alerting::kind::Kind;
use crate::domain::alert::Channel;
use crate::domain::secret::MASK;
use crate::domain::{Origin, Template, Variables};

/// What is written in place of variables and secrets.
#[derive(Clone, Copy)]
pub enum Fill<'f> {
    /// The values of variables.
    Real(&'f Variables),
    /// [`MASK`] for a secret key, and the names of variables.
    Masked,
}

/// The keys as they are written, each with its origin.
struct Written<'c> {
    value: &'c Value,
    /// In a literal text, `${NAME}` is not a variable.
    is_literal: bool,
}

/// The keys of `channel` for a service of `group`, in the types of its row. The error names the
/// key.
pub fn resolve(
    kind: &Kind,
    channel: &Channel,
    overrides: &Map<String, Value>,
    group: Option<&str>,
    fill: Fill<'_>,
) -> Result<Map<String, Value>, String> {
    let mut keys = Map::new();
    for (name, key) in &kind.row.keys {
        let written = written(channel, overrides, group, name);
        let value = match written.filter(|written| !is_unset(written.value)) {
            Some(written) => Some(filled(name, key, &written, fill)?),
            None if key.required => {
                return Err(format!("{name}: missing, expected {}", key.expected()));
            }
            None => key.default.clone(),
        };
        if let Some(value) = value {
            keys.insert(name.clone(), value);
        }
    }
    Ok(keys)
}

/// A template of the channel: `title` or `message`.
pub fn text_template<'c>(
    channel: &'c Channel,
    overrides: &'c Map<String, Value>,
    group: Option<&str>,
    name: &str,
) -> Option<&'c str> {
    let own = match name {
        "title" => channel.options.title.as_deref(),
        "message" => channel.options.message.as_deref(),
        _ => None,
    };
    let written = written(channel, overrides, group, name).and_then(|it| it.value.as_str());
    written.or(own).filter(|template| !template.is_empty())
}

/// The values of secret keys, as they must not appear in an error.
pub fn secrets(kind: &Kind, keys: &Map<String, Value>) -> Vec<String> {
    let mut secrets = Vec::new();
    for (name, value) in keys {
        if kind.is_secret(name) {
            texts(value, &mut secrets);
        }
    }
    secrets
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

fn written<'c>(
    channel: &'c Channel,
    overrides: &'c Map<String, Value>,
    group: Option<&str>,
    name: &str,
) -> Option<Written<'c>> {
    if let Some(value) = overrides.get(name) {
        return Some(Written { value, is_literal: false });
    }
    let is_literal = channel.origin == Origin::Api;
    let of_group = channel.options.overrides.iter().find(|it| group == Some(it.group.as_str()));
    let value = of_group.and_then(|it| it.keys.get(name)).or(channel.options.keys.get(name))?;
    Some(Written { value, is_literal })
}

fn filled(name: &str, key: &Key, written: &Written<'_>, fill: Fill<'_>) -> Result<Value, String> {
    match fill {
        Fill::Real(variables) => {
            let value = match written.is_literal {
                true => written.value.clone(),
                false => each_text(written.value, &|text| {
                    let template = Template::parse(text).map_err(|_| {
                        format!("{name}: invalid value, expected {}", Template::EXPECTED)
                    })?;
                    template.fill(variables).map_err(|error| format!("{name}: {error}"))
                })?,
            };
            let typed = key.typed(&value);
            // What a variable fills to is not shown.
            typed.map_err(|_| format!("{name}: invalid value, expected {}", key.expected()))
        }
        Fill::Masked if key.secret => Ok(masked(key, written.value)),
        Fill::Masked => {
            let value = each_text(written.value, &|text| Ok(shown(text, written.is_literal)))?;
            // A variable in place of a number stays a text.
            Ok(key.typed(&value).unwrap_or(value))
        }
    }
}

/// Variables by their names, and `$$` as a dollar sign.
fn shown(text: &str, is_literal: bool) -> String {
    if is_literal {
        return text.to_owned();
    }
    let filled = Template::parse(text)
        .ok()
        .and_then(|template| template.fill_each(|variable| Some(format!("${{{variable}}}"))).ok());
    filled.unwrap_or_else(|| text.to_owned())
}

fn masked(key: &Key, value: &Value) -> Value {
    match (key.value_type, value) {
        (ValueType::List, _) => Value::from(vec![MASK]),
        (ValueType::Map, Value::Object(fields)) => {
            fields.keys().map(|name| (name.clone(), Value::from(MASK))).collect()
        }
        _ => MASK.into(),
    }
}

fn each_text(
    value: &Value,
    replace: &impl Fn(&str) -> Result<String, String>,
) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(replace(text)?),
        Value::Array(items) => {
            let items: Result<Vec<Value>, String> =
                items.iter().map(|item| each_text(item, replace)).collect();
            items?.into()
        }
        Value::Object(fields) => {
            let fields: Result<Map<String, Value>, String> = fields
                .iter()
                .map(|(name, value)| Ok((name.clone(), each_text(value, replace)?)))
                .collect();
            fields?.into()
        }
        other => other.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;
    use crate::alerting::sample::channel;
    use crate::domain::alert::channel::GroupOverride;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn variables() -> Variables {
        Variables::new(HashMap::from([("TOKEN".to_owned(), "tk_secret".to_owned())]))
    }

    #[test]
    fn the_nearest_value_counts() {
        let kind = Kind::find("ntfy").unwrap();
        let mut channel =
            channel("ntfy", &json!({"topic": "all", "token": "${TOKEN}", "click": ""}));
        let keys = json!({"topic": "core-topic", "priority": "4"});
        channel.options.overrides =
            vec![GroupOverride { group: "core".to_owned(), keys: object(&keys) }];
        let real = Fill::Real(&Variables::default());
        assert!(resolve(&kind, &channel, &Map::new(), None, real).unwrap_err().contains("TOKEN"));
        let (variables, overrides) = (variables(), object(&json!({"priority": 5})));
        let resolve = |overrides: &Map<String, Value>, group| {
            resolve(&kind, &channel, overrides, group, Fill::Real(&variables)).unwrap()
        };
        let keys = resolve(&Map::new(), None);
        assert_eq!(keys["topic"], "all");
        assert_eq!(keys["priority"], 3);
        assert_eq!((&keys["token"], keys.get("click")), (&json!("tk_secret"), None));
        assert_eq!(secrets(&kind, &keys), ["tk_secret"]);
        let keys = resolve(&Map::new(), Some("core"));
        assert_eq!((&keys["topic"], &keys["priority"]), (&json!("core-topic"), &json!(4)));
        assert_eq!(resolve(&overrides, Some("core"))["priority"], 5);
    }

    #[test]
    fn texts_of_the_api_are_literal() {
        let mut channel = channel("ntfy", &json!({"topic": "${TOKEN}$$"}));
        channel.origin = Origin::Api;
        let kind = Kind::find("ntfy").unwrap();
        let keys = resolve(&kind, &channel, &Map::new(), None, Fill::Real(&variables())).unwrap();
        assert_eq!(keys["topic"], "${TOKEN}$$");
    }

    #[test]
    fn masked_keys_show_no_secret_and_no_variable() {
        let channel = channel(
            "ntfy",
            &json!({"topic": "${TOKEN}", "token": "tk_s3cret", "priority": "${P}"}),
        );
        let kind = Kind::find("ntfy").unwrap();
        let keys = resolve(&kind, &channel, &Map::new(), None, Fill::Masked).unwrap();
        assert_eq!(keys["topic"], "${TOKEN}");
        assert_eq!((&keys["token"], &keys["priority"]), (&json!("***"), &json!("${P}")));
    }

    #[test]
    fn a_filled_value_that_is_not_valid_is_not_shown() {
        let channel = channel("ntfy", &json!({"topic": "t", "priority": "${TOKEN}"}));
        let kind = Kind::find("ntfy").unwrap();
        let error = resolve(&kind, &channel, &Map::new(), None, Fill::Real(&variables()));
        assert_eq!(error.unwrap_err(), "priority: invalid value, expected 1 to 5");
    }
}
