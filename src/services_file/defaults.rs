//! The key `defaults`: options of the endpoints that do not set them.

use serde_json::{Map, Value, json};

use crate::domain::service::target::Kind;
use crate::services_file::alerting::rules;
use crate::services_file::alerting::rules::Context;
use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::services_file::paths::{set, value};
use crate::services_file::similar::{unknown_key, unknown_key_at};
use crate::services_file::{empty_values, unused_fields, variables};
use crate::spec;
use crate::spec::field::{NAME, TIMEOUT, URL};
use crate::spec::{Dialect, FIELDS, Field, Problem, Rejection};

/// The keys that `defaults` may have; `timeout` is short for `client: timeout`.
const KEYS: [&str; 7] = [
    "alerts",
    "client",
    "confirm-interval",
    "failure-threshold",
    "interval",
    "success-threshold",
    "timeout",
];

/// Values of fields, with the place at which each is set.
#[derive(Debug, Default)]
pub struct Defaults(Vec<(Field, Value, String)>);

impl Defaults {
    /// Adds the block of one file. A value of two files is a problem, as in Gatus.
    pub fn add(&mut self, item: &Item, context: Context<'_>, findings: &mut Findings) {
        let variables = context.variables;
        let Some(mut object) = item.object(findings) else { return };
        let known_before = findings.problems.len();
        for key in object.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            item.reject(item.line_of(key), key, &unknown_key(key, KEYS.into_iter()), findings);
        }
        object.retain(|key, _| KEYS.contains(&key.as_str()));
        if let Some(timeout) = object.remove("timeout") {
            let client = object.entry("client").or_insert_with(|| json!({}));
            let both = client.get("timeout").is_some();
            if let (false, Some(client)) = (both, client.as_object_mut()) {
                client.insert("timeout".to_owned(), timeout);
            } else {
                item.reject(
                    item.line_of("timeout"),
                    "timeout",
                    "duplicate of client: timeout",
                    findings,
                );
            }
        }
        unused_fields::remove_unused(item, &mut object, variables, findings);
        empty_values::remove(&mut object, variables);
        variables::fill(item, &mut object, variables, findings);
        rules::complete(item, &mut object, context, findings);
        let mut whole = object.clone();
        whole.insert(NAME.file.to_owned(), json!("defaults"));
        whole.insert(URL.file.to_owned(), json!("http://defaults/"));
        for Problem { path, rejection } in
            spec::read(&whole, Dialect::File).err().into_iter().flatten()
        {
            let problem = match rejection {
                Rejection::UnknownKey(_) => unknown_key_at(&path),
                rejection => rejection.to_string(),
            };
            let is_short = path == TIMEOUT.file && item.line_of("timeout") != item.line_of("");
            let path = if is_short { "timeout" } else { path.as_str() };
            item.reject(item.line_of(path), path, &problem, findings);
        }
        if findings.problems.len() > known_before {
            return;
        }
        for field in FIELDS {
            let Some(value) = value(&object, field.file).filter(|value| !value.is_null()) else {
                continue;
            };
            let line = item.line_of(field.file);
            if let Some((_, _, place)) = self.0.iter().find(|(known, ..)| known == field) {
                item.reject(line, field.file, &format!("already set at {place}"), findings);
                continue;
            }
            let place = format!("{}:{line}", item.file.display());
            self.0.push((*field, value.clone(), place));
        }
    }

    /// Sets what `object` does not set. Targets of `kind` do not get options that they do not use.
    pub fn apply(&self, object: &mut Map<String, Value>, kind: Option<Kind>) {
        for (field, default, _) in &self.0 {
            let is_used =
                field.kinds.is_empty() || kind.is_some_and(|kind| field.kinds.contains(&kind));
            if is_used && value(object, field.file).is_none_or(Value::is_null) {
                set(object, field.file, default);
            }
        }
    }
}
