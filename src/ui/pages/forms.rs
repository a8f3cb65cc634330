//! Fields of forms as JSON of the API, and back. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::domain::Invalid;
use crate::ui::html::service_form::fields;

/// Values of a form by their names.
pub type Values = BTreeMap<String, String>;

/// A JSON object of the API, or what is wrong with the form.
pub type Object = Result<Map<String, Value>, Vec<String>>;

/// The field for everything that has no field of its own.
const MORE: &str = "more";

/// The values of a form. Line ends are those of this system.
pub fn values(pairs: Vec<(String, String)>) -> Values {
    pairs.into_iter().map(|(name, value)| (name, value.replace("\r\n", "\n"))).collect()
}

/// The service that a form describes. Empty fields are left out.
pub fn service(values: &Values) -> Object {
    let mut problems = Vec::new();
    let mut object = Map::new();
    if let Some(more) = filled(values, MORE) {
        match serde_json::from_str(more) {
            Ok(Value::Object(more)) => object = more,
            _ => problems.push(Invalid::hidden("a JSON object").of(MORE)),
        }
    }
    for field in fields().filter(|field| field.name != MORE) {
        let value = match field.name {
            "enabled" => Some(json!(values.get("enabled").is_some_and(|value| value == "true"))),
            "insecure" => filled(values, "insecure").map(|_| json!(true)),
            "headers" => filled(values, "headers").map(|text| headers(text, &mut problems)),
            "conditions" => filled(values, "conditions").map(|text| json!(lines(text))),
            "interval_seconds" | "timeout_seconds" | "failure_threshold" | "success_threshold"
            | "slo.target" => filled(values, field.name).map(number),
            // Spaces may belong to a body.
            "body" => values.get("body").filter(|text| !text.is_empty()).map(|text| json!(text)),
            name => filled(values, name).map(|text| json!(text)),
        };
        if let Some(value) = value {
            put(&mut object, field.name, value);
        }
    }
    if problems.is_empty() { Ok(object) } else { Err(problems) }
}

/// The values of the form of a service, from its fields with masked secrets.
pub fn of_service(fields: &Map<String, Value>) -> Values {
    let mut rest: Map<String, Value> = fields
        .iter()
        .filter(|(_, value)| !is_empty(value))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let mut values = Values::new();
    for field in self::fields().filter(|field| field.name != MORE) {
        let text = match take(&mut rest, field.name) {
            None => continue,
            Some(Value::String(text)) => text,
            Some(Value::Array(lines)) => joined(lines.iter().map(text_of)),
            Some(Value::Object(map)) => {
                joined(map.iter().map(|(name, value)| format!("{name}: {}", text_of(value))))
            }
            Some(other) => other.to_string(),
        };
        values.insert(field.name.to_owned(), text);
    }
    if !rest.is_empty() {
        let more = serde_json::to_string_pretty(&rest).unwrap_or_default();
        values.insert(MORE.to_owned(), more);
    }
    values
}

/// The change (RFC 7396) that makes `after` of `before`.
pub fn change(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let removed = before.keys().filter(|name| !after.contains_key(*name));
    let mut change: Map<String, Value> = removed.map(|name| (name.clone(), Value::Null)).collect();
    for (name, value) in after {
        let changed = match (before.get(name), value) {
            (Some(known), value) if known == value => continue,
            (Some(Value::Object(before)), Value::Object(after)) => {
                Value::Object(self::change(before, after))
            }
            (_, value) => value.clone(),
        };
        change.insert(name.clone(), changed);
    }
    change
}

/// `name` may have a dot: a field of an object.
pub fn put(object: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => drop(object.insert(name.to_owned(), value)),
        Some((outer, inner)) => {
            let outer = object.entry(outer).or_insert_with(|| json!({}));
            if let Value::Object(map) = outer {
                put(map, inner, value);
            }
        }
    }
}

fn take(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let Some((outer, inner)) = name.split_once('.') else { return object.remove(name) };
    let Some(Value::Object(map)) = object.get_mut(outer) else { return None };
    let value = map.remove(inner);
    if map.is_empty() {
        object.remove(outer);
    }
    value
}

/// A value with more than spaces, without those around it.
pub fn filled<'v>(values: &'v Values, name: &str) -> Option<&'v str> {
    values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// Texts between commas or line ends.
pub fn list(text: &str) -> Vec<&str> {
    text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// A number; any other text as it is, for the message of the API.
pub fn number(text: &str) -> Value {
    let number = text.parse::<u64>().map(Value::from);
    number
        .ok()
        .or_else(|| text.parse().ok().and_then(serde_json::Number::from_f64).map(Value::Number))
        .unwrap_or_else(|| json!(text))
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

fn headers(text: &str, problems: &mut Vec<String>) -> Value {
    let mut headers = Map::new();
    for (nth, line) in lines(text).into_iter().enumerate() {
        match line.split_once(':') {
            Some((name, value)) => {
                headers.insert(name.trim().to_owned(), json!(value.trim()));
            }
            // The line may be a secret.
            None => {
                let line = format!("headers[{nth}]");
                problems.push(Invalid::hidden("NAME: VALUE").of(&line));
            }
        }
    }
    Value::Object(headers)
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn joined(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Values {
        values(pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn a_form_becomes_the_json_of_the_api() {
        let values = form(&[
            ("name", " pay "),
            ("url", "https://pay.example"),
            ("group", ""),
            ("enabled", "true"),
            ("interval_seconds", "0.5"),
            ("timeout_seconds", "soon"),
            ("conditions", "[STATUS] == 200\r\n\r\n[BODY] != x"),
            ("headers", "A: b\nAuthorization: ***"),
            ("slo.target", "99.9"),
            ("more", "{\"slo\": {\"window\": \"7d\"}, \"labels\": {\"team\": \"a\"}}"),
        ]);
        let expected = json!({
            "name": "pay", "url": "https://pay.example", "enabled": true, "interval_seconds": 0.5,
            "timeout_seconds": "soon", "conditions": ["[STATUS] == 200", "[BODY] != x"],
            "headers": {"A": "b", "Authorization": "***"},
            "slo": {"window": "7d", "target": 99.9}, "labels": {"team": "a"}
        });
        assert_eq!(Value::Object(service(&values).unwrap()), expected);
    }

    #[test]
    fn what_is_no_json_is_a_problem_without_its_text() {
        let problems = service(&form(&[("more", "[1]"), ("headers", "secret")])).unwrap_err();
        assert_eq!(
            problems,
            [
                "more: invalid value, expected a JSON object",
                "headers[0]: invalid value, expected NAME: VALUE"
            ]
        );
    }

    #[test]
    fn an_unchanged_form_changes_nothing() {
        let fields = json!({
            "name": "pay", "url": "https://pay.example", "group": null, "enabled": false,
            "interval_seconds": 15.0, "conditions": ["[STATUS] == 200"], "insecure": true,
            "headers": {"A": "b: c"}, "slo": {"target": 99.9, "window": "30d"},
            "oauth2": {"token_url": "https://t", "client_secret": "***"}, "depends_on": ["a"]
        });
        let before = of_service(fields.as_object().unwrap());
        let object = service(&before).unwrap();
        assert_eq!(change(&object, &service(&before).unwrap()), Map::new());
        assert_eq!(object["oauth2"], fields["oauth2"]);
        assert_eq!(object["headers"], fields["headers"]);
        let mut after = before.clone();
        after.insert("group".to_owned(), "core".to_owned());
        after.insert("conditions".to_owned(), String::new());
        after.insert("headers".to_owned(), "A: d\nB: e".to_owned());
        let change = change(&object, &service(&after).unwrap());
        let expected =
            json!({"group": "core", "conditions": null, "headers": {"A": "d", "B": "e"}});
        assert_eq!(Value::Object(change), expected);
    }

    fn any_object() -> impl Strategy<Value = Map<String, Value>> {
        let leaf =
            prop_oneof![any::<bool>().prop_map(Value::from), "[a-c]{1,3}".prop_map(Value::from)];
        let inner = prop::collection::btree_map("[a-d]", leaf, 0..4);
        let value = prop_oneof![
            "[a-c]{1,3}".prop_map(Value::from),
            inner.prop_map(|map| Value::Object(map.into_iter().collect()))
        ];
        prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_change_leads_to_what_was_entered(before in any_object(), after in any_object()) {
            let mut merged = before.clone();
            crate::spec::merge(&mut merged, &change(&before, &after));
            prop_assert_eq!(merged, after);
        }
    }
}
