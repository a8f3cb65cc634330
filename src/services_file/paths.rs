//! Values at paths with dots.

use serde_json::{Map, Value, json};

pub fn value<'v>(object: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    let mut steps = path.split('.');
    let first = object.get(steps.next()?)?;
    steps.try_fold(first, |value, step| value.get(step))
}

/// Sets the value at `path`, unless a part of the path is no mapping.
pub fn set(object: &mut Map<String, Value>, path: &str, value: &Value) {
    let Some((key, rest)) = path.split_once('.') else {
        object.insert(path.to_owned(), value.clone());
        return;
    };
    let inner = object.entry(key).or_insert(Value::Null);
    if inner.is_null() {
        *inner = json!({});
    }
    if let Some(inner) = inner.as_object_mut() {
        set(inner, rest, value);
    }
}

/// Removes the value at `path`.
pub fn take(object: &mut Map<String, Value>, path: &str) -> Option<Value> {
    match path.split_once('.') {
        None => object.remove(path),
        Some((key, rest)) => take(object.get_mut(key)?.as_object_mut()?, rest),
    }
}
