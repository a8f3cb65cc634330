//! Quiet hours of channels and policies.

use serde_json::Value;

use crate::api::input::fields::Fields;
use crate::api::input::params::one_of;
use crate::domain::Invalid;
use crate::domain::maintenance::written;

/// The schedules in the field `quiet`, in the form in which they are stored.
pub fn quiet(fields: &mut Fields<'_>) -> Vec<Value> {
    let mut schedules = Vec::new();
    for (nth, item) in fields.list("quiet").unwrap_or_default().iter().enumerate() {
        let path = format!("quiet[{nth}]");
        let Some(map) = item.as_object() else {
            fields.reject(&path, &Invalid::hidden("an object"));
            continue;
        };
        for key in map.keys().filter(|key| !written::KEYS.contains(&key.as_str())) {
            let expected = one_of(written::KEYS);
            fields.problem(&format!("{path}.{key}"), format!("unknown field, expected {expected}"));
        }
        match written::read(map) {
            Ok(written) => schedules.push(Value::Object(written.keys)),
            Err(problems) => {
                for written::KeyProblem { key, problem } in problems {
                    fields.problem(&format!("{path}.{key}"), problem);
                }
            }
        }
    }
    schedules
}
