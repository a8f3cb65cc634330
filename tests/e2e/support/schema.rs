//! JSON Schema, as far as the OpenAPI document uses it.

use regex_lite::Regex;
use serde_json::{Value, json};

/// Whether `value` fits `schema`, as far as the document uses JSON Schema.
pub fn fits(schema: &Value, value: &Value) -> bool {
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let is_type = |name: &Value| match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        other => panic!("type {other}"),
    };
    if !types.iter().any(is_type) {
        return false;
    }
    let bound = |key: &str| schema[key].as_f64();
    if let Some(number) = value.as_f64() {
        return bound("minimum").is_none_or(|least| number >= least)
            && bound("maximum").is_none_or(|most| number <= most)
            && bound("exclusiveMinimum").is_none_or(|least| number > least)
            && bound("exclusiveMaximum").is_none_or(|most| number < most);
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as f64;
        return bound("minLength").is_none_or(|least| length >= least)
            && bound("maxLength").is_none_or(|most| length <= most)
            && schema["enum"].as_array().is_none_or(|words| words.contains(value))
            && schema["pattern"].as_str().is_none_or(|it| Regex::new(it).unwrap().is_match(text));
    }
    if let Some(items) = value.as_array() {
        return bound("maxItems").is_none_or(|most| items.len() as f64 <= most)
            && items.iter().all(|item| fits(&schema["items"], item));
    }
    if let Some(object) = value.as_object() {
        return bound("maxProperties").is_none_or(|most| object.len() as f64 <= most);
    }
    true
}

/// Values at the bounds of `schema`, beyond them, and of other types.
pub fn values(schema: &Value) -> Vec<Value> {
    let types = schema["type"].to_string();
    let mut values = vec![json!(null), json!(true), json!("5"), json!([1]), json!(1e300)];
    if types.contains("number") || types.contains("integer") {
        let step = if types.contains("integer") { 1.0 } else { 0.0001 };
        for key in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
            if let Some(bound) = schema[key].as_i64() {
                // As a whole number, and with a fraction of zero.
                values.extend([json!(bound), json!(bound as f64), json!(bound as f64 - step)]);
                values.push(json!(bound as f64 + step));
            } else if let Some(bound) = schema[key].as_f64() {
                values.extend([json!(bound), json!(bound - step), json!(bound + step)]);
            }
        }
        values.extend([json!(1.5), json!(-1)]);
    }
    if types.contains("string") {
        values.extend([json!(""), json!(7)]);
        for key in ["minLength", "maxLength"] {
            if let Some(length) = schema[key].as_u64() {
                values.push(json!("x".repeat(length as usize)));
                values.push(json!("x".repeat(length as usize + 1)));
            }
        }
    }
    values.push(schema["default"].clone());
    values.push(schema["example"].clone());
    values
}

/// Calls `found` with every integer schema and its path.
pub fn visit_integers(value: &Value, path: &str, found: &mut impl FnMut(&str, &Value)) {
    let Some(object) = value.as_object() else {
        return value
            .as_array()
            .into_iter()
            .flatten()
            .for_each(|item| visit_integers(item, path, found));
    };
    // A property may have the name `type`: then it is an object.
    let types = object.get("type").filter(|types| !types.is_object());
    if types.is_some_and(|types| types.to_string().contains("integer")) {
        found(path, value);
    }
    for (key, inner) in object {
        visit_integers(inner, &format!("{path}/{key}"), found);
    }
}
