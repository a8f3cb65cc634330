//! Masks in `provider_override` of the entries of `alerts`.

use serde_json::{Map, Value};

use crate::domain::invalid::Invalid;
use crate::domain::secret::pieces::MASK;
use crate::spec::alert_rules::path;
use crate::spec::field::{ALERTS, Dialect};
use crate::spec::masks::EXPECTED;
use crate::spec::problem::{Problem, Rejection};

/// The key of the API.
const OVERRIDE: &str = "provider_override";

/// Puts the stored secrets in place of the masks in `change`. They are those of a stored entry of
/// the same channel whose override differs in nothing else: another value beside a secret could
/// send it elsewhere. The result has a problem for each entry without one.
pub fn unmask(change: &mut Map<String, Value>, stored: &Map<String, Value>) -> Vec<Problem> {
    let known: Vec<(&Value, &Value)> = entries(stored).filter_map(of_channel).collect();
    let mut problems = Vec::new();
    let given = change.get_mut(ALERTS.api).and_then(Value::as_array_mut);
    for (nth, entry) in given.into_iter().flatten().enumerate() {
        let Some((channel, given)) = of_channel(entry).filter(|(_, given)| has_mask(given)) else {
            continue;
        };
        let same_channel = || known.iter().filter(|(known, _)| *known == channel);
        let same = same_channel().find(|(_, known)| is_shown_as(known, given));
        match same.map(|(_, known)| (*known).clone()) {
            Some(known) => entry[OVERRIDE] = known,
            None => problems.push(problem(nth, same_channel().next().is_some())),
        }
    }
    problems
}

/// The problems of masks in a new definition, which has no stored secrets.
pub fn problems(definition: &Map<String, Value>) -> Vec<Problem> {
    let masked = |(nth, entry)| {
        let is_masked = of_channel(entry).is_some_and(|(_, given)| has_mask(given));
        is_masked.then(|| problem(nth, false))
    };
    entries(definition).enumerate().filter_map(masked).collect()
}

fn entries(definition: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    definition.get(ALERTS.api).and_then(Value::as_array).into_iter().flatten()
}

/// The channel and the override of an entry with both.
fn of_channel(entry: &Value) -> Option<(&Value, &Value)> {
    entry.get("channel").zip(entry.get(OVERRIDE))
}

fn problem(nth: usize, is_known: bool) -> Problem {
    let rejection = match is_known {
        true => Rejection::RequiredAnew(OVERRIDE.to_owned()),
        false => Invalid::hidden(EXPECTED).into(),
    };
    Problem { path: format!("{}.{OVERRIDE}", path(nth, Dialect::Api)), rejection }
}

fn has_mask(value: &Value) -> bool {
    match value {
        Value::String(text) => text == MASK,
        Value::Array(items) => items.iter().any(has_mask),
        Value::Object(map) => map.values().any(has_mask),
        _ => false,
    }
}

/// Whether `given` is `stored`, with masks in place of some texts.
fn is_shown_as(stored: &Value, given: &Value) -> bool {
    match (stored, given) {
        (Value::String(_), Value::String(text)) if text == MASK => true,
        (Value::Array(stored), Value::Array(given)) => {
            let mut pairs = stored.iter().zip(given);
            stored.len() == given.len() && pairs.all(|(stored, given)| is_shown_as(stored, given))
        }
        (Value::Object(stored), Value::Object(given)) => {
            let is_shown = |(key, stored): (&String, &Value)| {
                given.get(key).is_some_and(|given| is_shown_as(stored, given))
            };
            stored.len() == given.len() && stored.iter().all(is_shown)
        }
        (stored, given) => stored == given,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{Requests, sample};
    use crate::spec::{Form, Patch, read, write};

    #[expect(clippy::needless_pass_by_value, reason = "takes what its callers write")]
    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[expect(clippy::needless_pass_by_value, reason = "takes what its callers write")]
    fn overridden(channel: &str, keys: Value) -> Value {
        json!({"channel": channel, "provider_override": keys})
    }

    #[expect(clippy::needless_pass_by_value, reason = "takes what its callers write")]
    fn stored(alerts: Value) -> crate::domain::Definition {
        let all = json!({"name": "a", "url": "http://a/", "alerts": alerts});
        read(&map(all), Dialect::Api).unwrap()
    }

    #[test]
    fn an_override_is_masked_and_its_masks_change_nothing() {
        let keys = json!({"token": "s3cret $5", "to": ["s3cret", "${HOME}"], "priority": 5});
        let before = stored(json!([overridden("a", keys)]));
        let mut shown = write(&before, Form::Masked(Requests::Shown));
        assert!(!json!(shown).to_string().contains("s3cret"), "{shown:?}");
        assert_eq!(shown["alerts"][0]["provider_override"]["priority"], 5);
        assert!(!format!("{before:?}").contains("s3cret"));
        shown["alerts"][0]["failure_threshold"] = json!(7);
        let after = Patch::new(shown).unwrap().apply(&before).unwrap();
        let rules = after.options.alerts.clone().unwrap();
        assert_eq!(rules[0].failure_threshold, 7);
        assert_eq!(rules[0].overrides, before.options.alerts.clone().unwrap()[0].overrides);
        let written = rules[0].overrides["to"][1].as_str().unwrap();
        assert_eq!(written, "$${HOME}", "a text of the API has no variables");
    }

    #[test]
    fn a_stored_secret_stays_with_its_channel_and_the_values_beside_it() {
        let before =
            stored(json!([overridden("a", json!({"token": "s3cret", "url": "http://x"}))]));
        let problems_of = |alert: Value| {
            let change = map(json!({"alerts": [alert]}));
            Patch::new(change).unwrap().apply(&before).err().unwrap_or_default()
        };
        assert_eq!(problems_of(overridden("a", json!({"token": "***", "url": "http://x"}))), []);
        for (channel, keys, expected) in [
            ("a", json!({"token": "***", "url": "http://evil"}), "required in clear"),
            ("a", json!({"token": "***"}), "required in clear"),
            ("b", json!({"token": "***", "url": "http://x"}), "invalid value, expected the value"),
        ] {
            let problems = problems_of(overridden(channel, keys));
            assert_eq!(problems.len(), 1, "{problems:?}");
            let message = problems[0].to_string();
            let expected = format!("alerts.0.provider_override: {expected}");
            assert!(message.starts_with(&expected), "{message}");
        }
        let none = Patch::new(map(json!({"alerts": [overridden("a", json!({"token": "***"}))]})));
        assert_eq!(none.unwrap().apply(&sample::definition("n")).unwrap_err().len(), 1);
        let new = map(json!({"alerts": [overridden("a", json!({"to": ["***"]}))]}));
        assert_eq!(problems(&new).len(), 1);
    }
}
