//! The fields of the form of a channel as JSON of the API, and back. Pure.

use serde_json::{Map, Value, json};

use crate::alerting::Kind;
use crate::domain::Invalid;
use crate::ui::pages::forms;
use crate::ui::pages::forms::Values;

/// The field for everything that has no field of its own.
const MORE: &str = "more";

/// The channel of a form. A key that is no text is written as JSON, or as a list between commas.
/// Without a box for `enabled` the field is left out.
pub fn object(values: &Values, has_enabled: bool) -> Result<Map<String, Value>, Vec<String>> {
    let kind = values.get("kind").map_or("", String::as_str);
    let mut object = match forms::filled(values, MORE).map(serde_json::from_str) {
        None => Map::new(),
        Some(Ok(Value::Object(more))) => more,
        Some(_) => return Err(vec![Invalid::hidden("a JSON object").of(MORE)]),
    };
    for name in ["name", "kind"] {
        if let Some(text) = forms::filled(values, name) {
            object.insert(name.to_owned(), json!(text));
        }
    }
    if has_enabled {
        let is_enabled = values.get("enabled").is_some_and(|value| value == "true");
        object.insert("enabled".to_owned(), json!(is_enabled));
    }
    let mut keys = Map::new();
    for (name, value) in values {
        let Some(key) = name.strip_prefix("keys.") else { continue };
        if value.trim().is_empty() {
            continue;
        }
        let known = Kind::find(kind).and_then(|kind| kind.row.keys.get(key));
        let value = match known.map(|key| key.value_type.as_str()) {
            Some("integer") => forms::number(value.trim()),
            Some("boolean") => boolean(value.trim()),
            Some("list") => serde_json::from_str::<Vec<String>>(value)
                .map_or_else(|_| json!(forms::list(value)), |list| json!(list)),
            Some("map") => serde_json::from_str(value).unwrap_or_else(|_| json!(value)),
            _ => json!(value),
        };
        keys.insert(key.to_owned(), value);
    }
    object.insert("keys".to_owned(), Value::Object(keys));
    Ok(object)
}

/// Any other text as it is, for the message of the API.
fn boolean(text: &str) -> Value {
    text.parse::<bool>().map_or_else(|_| json!(text), Value::from)
}

/// The values of the form of a channel, from its fields with masked secrets.
pub fn values(fields: &Map<String, Value>) -> Values {
    let mut values = Values::new();
    let mut more = Map::new();
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("keys", Value::Object(keys)) => {
                let keys = keys.iter().map(|(key, value)| (format!("keys.{key}"), text(value)));
                values.extend(keys);
            }
            ("name" | "kind" | "enabled", value) => {
                values.insert(name.clone(), text(value));
            }
            (_, value) if is_default(value) => {}
            (_, value) => drop(more.insert(name.clone(), value.clone())),
        }
    }
    if !more.is_empty() {
        values.insert(MORE.to_owned(), serde_json::to_string_pretty(&more).unwrap_or_default());
    }
    values
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// A list whose texts have commas is JSON.
fn text(value: &Value) -> String {
    let items = value
        .as_array()
        .and_then(|items| items.iter().map(Value::as_str).collect::<Option<Vec<&str>>>());
    match (value, items) {
        (Value::String(text), _) => text.clone(),
        (_, Some(items)) if !items.iter().any(|item| item.contains([',', '\n'])) => {
            items.join(", ")
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn keys_have_the_types_of_their_kind() {
        let values = form(&[
            ("name", "ops"),
            ("kind", "webhook"),
            ("keys.url", "https://hooks.example/"),
            ("keys.empty", " "),
        ]);
        let keys = json!({"url": "https://hooks.example/"});
        let expected = json!({"name": "ops", "kind": "webhook", "keys": keys});
        assert_eq!(Value::Object(object(&values, false).unwrap()), expected);
        let wrong = object(&form(&[("more", "[1]")]), false).unwrap_err();
        assert_eq!(wrong, ["more: invalid value, expected a JSON object"]);
    }

    #[test]
    fn an_unchanged_form_changes_nothing_and_a_mask_stays() {
        let fields = json!({
            "name": "ops", "kind": "gotify", "enabled": true, "system": false, "title": null,
            "keys": {"server-url": "https://g/", "token": "***", "priority": 7},
            "client": {"timeout": "5s"}, "overrides": [], "quiet_passes": ["critical"]
        });
        let before = values(fields.as_object().unwrap());
        assert_eq!((before["keys.priority"].as_str(), before["enabled"].as_str()), ("7", "true"));
        let of = |values: &Values| object(values, true).unwrap();
        assert_eq!(forms::change(&of(&before), &of(&before)), Map::new());
        let mut after = before.clone();
        after.remove("enabled");
        after.insert("name".to_owned(), "ops-2".to_owned());
        after.insert("keys.priority".to_owned(), String::new());
        after.insert("more".to_owned(), "{\"system\": true}".to_owned());
        let change = forms::change(&of(&before), &of(&after));
        let expected = json!({
            "name": "ops-2", "enabled": false, "keys": {"priority": null},
            "client": null, "quiet_passes": null, "system": true
        });
        assert_eq!(Value::Object(change), expected);
    }

    #[test]
    fn a_list_whose_texts_have_commas_is_json() {
        assert_eq!(text(&json!(["a", "b"])), "a, b");
        assert_eq!(text(&json!(["a,b", "c"])), "[\"a,b\",\"c\"]");
        assert_eq!(text(&json!({"a": 1})), "{\"a\":1}");
        let kind = Kind::all().find_map(|kind| {
            let list = kind.row.keys.iter().find(|(_, key)| key.value_type.as_str() == "list");
            list.map(|(key, _)| (kind.name, key.clone()))
        });
        let (kind, key) = kind.unwrap();
        for written in ["a, b", "[\"a\", \"b\"]"] {
            let values = form(&[("kind", kind), (&format!("keys.{key}"), written)]);
            let object = object(&values, false).unwrap();
            assert_eq!(object["keys"][&key], json!(["a", "b"]));
        }
    }
}
