//! `custom`: a request that the user writes, with the placeholders of Gatus.

use http::Method;
use serde_json::{Map, Value};

use crate::alerting::markup::{TEXT_LIMIT, clean, encode, header};
use crate::alerting::parts::{IDEMPOTENCY_KEY, Parts, idempotency_key};
use crate::alerting::placeholders::{Placeholder, condition_text, fill};
use crate::alerting::text;
use crate::domain::Invalid;
use crate::domain::alert::{KeyProblem, Message};

/// The name of the only placeholder whose values `placeholders` sets, and those values.
const STATE_NAME: &str = "ALERT_TRIGGERED_OR_RESOLVED";
const STATE_VALUES: [&str; 2] = ["TRIGGERED", "RESOLVED"];

/// Checks `keys` beyond their types.
pub fn check(keys: &Map<String, Value>) -> Vec<KeyProblem> {
    let placeholders = keys.get("placeholders").and_then(Value::as_object);
    let invalid = placeholders.into_iter().flatten().filter(|(name, values)| {
        let values = values.as_object();
        let is_valid = |values: &Map<String, Value>| {
            values.keys().all(|key| STATE_VALUES.contains(&key.as_str()))
        };
        *name != STATE_NAME || !values.is_some_and(is_valid)
    });
    let problem = |name: &String| {
        let expected = format!("{STATE_NAME}: {{TRIGGERED: TEXT, RESOLVED: TEXT}}");
        KeyProblem::new("placeholders", Invalid::new(name, expected))
    };
    invalid.map(|(name, _)| problem(name)).collect()
}

/// The request. The error names the key that cannot be used.
pub fn parts(message: &Message, keys: &Map<String, Value>) -> Result<Parts, String> {
    let key = |name: &str| keys.get(name).and_then(Value::as_str).unwrap_or_default();
    let method = Method::from_bytes(key("method").as_bytes());
    let method = method.map_err(|_| "method: invalid value, expected a method of HTTP")?;
    let value = |placeholder| value(message, keys, placeholder);
    let mut headers = Vec::new();
    if let Some(Value::Object(written)) = keys.get("headers") {
        for (name, text) in written {
            let text = text.as_str().unwrap_or_default();
            headers.push((name.clone(), header(&fill(text, value))));
        }
    }
    let body = Some(key("body")).filter(|body| !body.is_empty()).map(|body| {
        match is_json(body, &headers) {
            true => fill(body, |it| json_text(&value(it))),
            false => fill(body, value),
        }
    });
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(IDEMPOTENCY_KEY)) {
        headers.push((IDEMPOTENCY_KEY.to_owned(), idempotency_key(message)));
    }
    Ok(Parts { method, url: fill(key("url"), |it| encode(&value(it))), headers, body })
}

/// Whether what is filled in stands in texts of JSON.
fn is_json(body: &str, headers: &[(String, String)]) -> bool {
    let content_type = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let is_declared = content_type.is_some_and(|(_, value)| value.contains("json"));
    is_declared || serde_json::from_str::<serde::de::IgnoredAny>(body).is_ok()
}

/// `text` as it stands between the quotes of a text of JSON.
fn json_text(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn value(message: &Message, keys: &Map<String, Value>, placeholder: Placeholder) -> String {
    let facts = &message.facts;
    let line = |text: &str| clean(text, TEXT_LIMIT);
    match placeholder {
        Placeholder::Description => line(&message.description),
        Placeholder::Name => line(&facts.name),
        Placeholder::Group => line(facts.group.as_deref().unwrap_or_default()),
        Placeholder::Url => line(&facts.url),
        Placeholder::Errors if facts.detail.is_empty() => line(&facts.reason),
        Placeholder::Errors => line(&facts.detail),
        Placeholder::Conditions => {
            let conditions = facts
                .conditions
                .iter()
                .map(|(condition, is_met)| condition_text(&line(condition), *is_met));
            conditions.collect::<Vec<_>>().join(", ")
        }
        Placeholder::State => {
            let at = usize::from(text::is_resolved(message.state));
            let own = keys
                .get("placeholders")
                .and_then(|placeholders| placeholders.get(STATE_NAME))
                .and_then(|values| values.get(STATE_VALUES[at]))
                .and_then(Value::as_str);
            own.unwrap_or(STATE_VALUES[at]).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::alerting::sample::message;
    use crate::domain::alert::MessageState;

    fn parts_of(keys: &Value, message: &Message) -> Parts {
        parts(message, keys.as_object().unwrap()).unwrap()
    }

    #[test]
    fn the_placeholders_of_gatus_are_filled_once() {
        let mut message = message(MessageState::Firing);
        message.facts.name = "a/[ENDPOINT_URL]\"".to_owned();
        let keys = json!({
            "url": "https://h/[ENDPOINT_NAME]?s=[ALERT_TRIGGERED_OR_RESOLVED]", "method": "POST",
            "headers": {"X-Name": "[ENDPOINT_GROUP]:[ENDPOINT_NAME]"},
            "body": "{\"t\": \"[ENDPOINT_NAME] [RESULT_ERRORS] [RESULT_CONDITIONS] [OTHER]\"}",
        });
        let parts = parts_of(&keys, &message);
        assert_eq!(parts.url, "https://h/a%2F%5BENDPOINT_URL%5D%22?s=TRIGGERED");
        assert_eq!(parts.headers[0].1, "core:a/[ENDPOINT_URL]\"");
        assert_eq!(parts.headers[1], ("Idempotency-Key".into(), "shc-abcdefgh-12-3".into()));
        let body: Value = serde_json::from_str(&parts.body.unwrap()).unwrap();
        assert_eq!(
            body["t"],
            "a/[ENDPOINT_URL]\" no answer within 10 s ❌ - `[STATUS] == 200`, ✅ - `[CONNECTED] == \
             true` [OTHER]"
        );
    }

    #[test]
    fn a_text_body_is_not_escaped_as_json_and_states_have_other_words() {
        let keys = json!({
            "url": "https://h/", "method": "GET",
            "body": "[ALERT_TRIGGERED_OR_RESOLVED]: [ALERT_DESCRIPTION]",
            "placeholders": {"ALERT_TRIGGERED_OR_RESOLVED": {"RESOLVED": "operational"}},
        });
        let mut message = message(MessageState::Resolved);
        message.description = "say \"hi\"".to_owned();
        assert_eq!(parts_of(&keys, &message).body.unwrap(), "operational: say \"hi\"");
        message.state = MessageState::Still;
        assert_eq!(parts_of(&keys, &message).body.unwrap(), "TRIGGERED: say \"hi\"");
        let declared = json!({
            "url": "https://h/", "method": "POST", "headers": {"content-type": "application/json"},
            "body": "{\"a\": [ALERT_DESCRIPTION], \"b\": \"[ALERT_DESCRIPTION]\"}",
        });
        let body = parts_of(&declared, &message).body.unwrap();
        assert_eq!(body, "{\"a\": say \\\"hi\\\", \"b\": \"say \\\"hi\\\"\"}");
    }
}
