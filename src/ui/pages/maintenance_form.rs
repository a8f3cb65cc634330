//! The fields of the form of planned work as JSON of the API, and back. Pure.

use serde_json::{Map, Value, json};

use crate::domain::maintenance::{MaintenanceDefinition, Timing};
use crate::ui::html::text;
use crate::ui::pages::forms;
use crate::ui::pages::forms::Values;

/// The maintenance of a form. A moment without a zone is one of UTC. Without a box for `enabled`
/// the field is left out.
pub fn object(values: &Values, has_enabled: bool) -> Map<String, Value> {
    let mut object = Map::new();
    for name in ["match.name", "match.group", "every"] {
        if let Some(text) = forms::filled(values, name) {
            forms::put(&mut object, name, json!(forms::list(text)));
        }
    }
    if let Some(text) = forms::filled(values, "service_ids") {
        let ids: Vec<Value> = forms::list(text).into_iter().map(forms::number).collect();
        object.insert("service_ids".to_owned(), json!(ids));
    }
    for name in ["note", "start", "cron", "duration", "timezone", "uptime"] {
        if let Some(text) = forms::filled(values, name) {
            object.insert(name.to_owned(), json!(text));
        }
    }
    for name in ["from", "to"] {
        if let Some(text) = forms::filled(values, name) {
            let has_seconds = text.matches(':').count() > 1;
            let seconds = if has_seconds { "" } else { ":00" };
            let zone = if text.ends_with('Z') { "" } else { "Z" };
            object.insert(name.to_owned(), json!(format!("{text}{seconds}{zone}")));
        }
    }
    if has_enabled {
        let is_enabled = values.get("enabled").is_some_and(|value| value == "true");
        object.insert("enabled".to_owned(), json!(is_enabled));
    }
    object
}

/// The values of the form of a maintenance.
pub fn values(definition: &MaintenanceDefinition) -> Values {
    let written = definition.write();
    let mut values = Values::new();
    for name in ["note", "start", "cron", "duration", "timezone"] {
        if let Some(text) = written.get(name).and_then(Value::as_str) {
            values.insert(name.to_owned(), text.to_owned());
        }
    }
    let of_match = written.get("match").and_then(Value::as_object);
    let lists = [
        ("match.name", of_match.and_then(|it| it.get("name"))),
        ("match.group", of_match.and_then(|it| it.get("group"))),
        ("every", written.get("every")),
        ("service_ids", written.get("service_ids")),
    ];
    for (name, list) in lists {
        let items = list.and_then(Value::as_array).into_iter().flatten();
        let items: Vec<String> =
            items.map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).collect();
        if !items.is_empty() {
            values.insert(name.to_owned(), items.join(", "));
        }
    }
    if let Timing::Once { from_ms, to_ms } = definition.schedule().timing {
        values.insert("from".to_owned(), text::input_minute(from_ms));
        values.insert("to".to_owned(), text::input_minute(to_ms));
    }
    values.insert("uptime".to_owned(), definition.uptime.as_str().to_owned());
    values.insert("enabled".to_owned(), definition.schedule().enabled.to_string());
    values
}

/// The keys with other values, whole; null for those that were removed.
pub fn change(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let removed = before.keys().filter(|name| !after.contains_key(*name));
    let removed = removed.map(|name| (name.clone(), Value::Null));
    let changed = after.iter().filter(|(name, value)| before.get(*name) != Some(*value));
    removed.chain(changed.map(|(name, value)| (name.clone(), value.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn a_form_plans_once_or_repeatedly() {
        let of = |pairs: &[(&str, &str)]| MaintenanceDefinition::read(&object(&form(pairs), false));
        let times =
            [("from", "2030-01-01T10:00"), ("to", "2030-01-01T11:30"), ("match.name", "a*")];
        let once = of(&times).unwrap();
        let Timing::Once { from_ms, to_ms } = once.schedule().timing else { unreachable!() };
        assert_eq!(to_ms - from_ms, 5_400_000);
        let weekly =
            [("start", "23:00"), ("duration", "1h"), ("every", "Sunday, Monday"), ("note", "x")];
        assert!(of(&weekly).is_ok());
        assert!(
            of(&[("cron", "0 3 * * sun"), ("duration", "1h"), ("service_ids", "3, 7")]).is_ok()
        );
        assert!(of(&[]).is_err());
    }

    #[test]
    fn a_change_has_what_was_changed_in_the_form_alone() {
        for written in [
            json!({"from": 1_796_000_007, "to": 1_796_003_600, "note": "move", "uptime": "count",
                "service_ids": [3, 7]}),
            json!({"start": "23:00", "duration": "90m", "every": ["Monday"], "enabled": false,
                "match": {"group": ["core", "web"], "name": ["db-*"]}}),
            json!({"cron": "0 3 * * sun", "duration": "3h", "timezone": "Europe/Berlin"}),
        ] {
            let definition = MaintenanceDefinition::read(written.as_object().unwrap()).unwrap();
            let values = values(&definition);
            let before = object(&values, true);
            assert_eq!(change(&before, &object(&values, true)), Map::new(), "{written}");
            let mut other = values.clone();
            other.insert("note".to_owned(), "other".to_owned());
            let patch = change(&before, &object(&other, true));
            assert_eq!(Value::Object(patch.clone()), json!({"note": "other"}));
            let patched = definition.patched(&patch).unwrap();
            assert_eq!(patched.note.as_deref(), Some("other"));
            assert_eq!((patched.written, patched.scope), (definition.written, definition.scope));
        }
    }

    #[test]
    fn a_single_maintenance_becomes_a_repeated_one() {
        let once = json!({"from": 1_796_000_000, "to": 1_796_003_600, "match": {"name": ["a"]}});
        let definition = MaintenanceDefinition::read(once.as_object().unwrap()).unwrap();
        let mut other = values(&definition);
        for name in ["from", "to"] {
            other.remove(name);
        }
        other.extend(form(&[("start", "23:00"), ("duration", "1h"), ("match.group", "core")]));
        let patch = change(&object(&values(&definition), true), &object(&other, true));
        let expected = json!({
            "from": null, "to": null, "start": "23:00", "duration": "1h",
            "match": {"name": ["a"], "group": ["core"]}
        });
        assert_eq!(Value::Object(patch.clone()), expected);
        assert!(definition.patched(&patch).is_ok());
    }
}
