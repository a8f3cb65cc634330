//! `webhook`: a signed request with everything that is known of a message, in the form of this
//! program or of Alertmanager.

use http::Method;
use serde_json::{Map, Value, json};

use crate::alerting::local_time::LocalTime;
use crate::alerting::markup::{TEXT_LIMIT, clean, clean_lines, header};
use crate::alerting::parts::{IDEMPOTENCY_KEY, Parts, idempotency_key};
use crate::alerting::sign::{self, SECRET_EXPECTED};
use crate::alerting::smtp;
use crate::alerting::text::{self, Text};
use crate::domain::alert::{KeyProblem, Message, MessageState};
use crate::domain::maintenance::zone::Zone;
use crate::domain::secret::MASK;
use crate::domain::{Invalid, Origin};

/// Checks `keys` beyond their types.
pub fn check(keys: &Map<String, Value>, origin: Origin) -> Vec<KeyProblem> {
    let count = match keys.get("secret") {
        Some(Value::Array(items)) => items.len(),
        _ => 1,
    };
    let literals = keys.get("secret").map(|secrets| smtp::literals(secrets, origin));
    let is_valid = |secret: &String| sign::parse(secret).is_some();
    if count <= sign::SECRETS_LIMIT && literals.is_none_or(|it| it.iter().all(is_valid)) {
        return Vec::new();
    }
    vec![KeyProblem::new("secret", Invalid::hidden(SECRET_EXPECTED))]
}

/// The request. The error names the key that cannot be used.
pub fn parts(
    message: &Message,
    texts: &Text,
    keys: &Map<String, Value>,
    zone: &Zone,
) -> Result<Parts, String> {
    let key = |name: &str| keys.get(name).and_then(Value::as_str).unwrap_or_default();
    let body = match key("format") {
        "alertmanager" => alertmanager(message, texts),
        _ => native(message, texts, zone),
    };
    let body = body.to_string();
    let (id, timestamp_s) = (idempotency_key(message), message.now_ms.div_euclid(1_000));
    let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    if let Some(Value::Object(written)) = keys.get("headers") {
        for (name, value) in written {
            headers.retain(|(set, _)| !set.eq_ignore_ascii_case(name));
            headers.push((name.clone(), header(value.as_str().unwrap_or_default())));
        }
    }
    headers.push((IDEMPOTENCY_KEY.to_owned(), id.clone()));
    headers.push(("webhook-id".to_owned(), id.clone()));
    headers.push(("webhook-timestamp".to_owned(), timestamp_s.to_string()));
    let secrets = keys.get("secret").and_then(Value::as_array).map(Vec::as_slice);
    let secrets: Vec<&str> = secrets.unwrap_or_default().iter().filter_map(Value::as_str).collect();
    if secrets.contains(&MASK) {
        headers.push(("webhook-signature".to_owned(), format!("v1,{MASK}")));
    } else if !secrets.is_empty() {
        let parsed: Option<Vec<_>> = secrets.iter().map(|secret| sign::parse(secret)).collect();
        let parsed = parsed.filter(|keys| keys.len() <= sign::SECRETS_LIMIT);
        let parsed =
            parsed.ok_or_else(|| format!("secret: invalid value, expected {SECRET_EXPECTED}"))?;
        let signature = sign::signature(&parsed, &id, timestamp_s, &body);
        headers.push(("webhook-signature".to_owned(), signature));
    }
    Ok(Parts { method: Method::POST, url: key("url").to_owned(), headers, body: Some(body) })
}

/// The form of this program. Fields are added, never changed.
fn native(message: &Message, texts: &Text, zone: &Zone) -> Value {
    let facts = &message.facts;
    let line = |text: &str| clean(text, TEXT_LIMIT);
    let optional = |text: &str| Some(line(text)).filter(|text| !text.is_empty());
    let time = |at_ms| LocalTime::new(zone, at_ms).rfc3339();
    let resolved = text::is_resolved(message.state);
    let conditions: Vec<Value> = facts
        .conditions
        .iter()
        .map(|(condition, success)| json!({"condition": line(condition), "success": success}))
        .collect();
    let digest = message.digest.as_ref().map(|digest| {
        let reasons = digest.reasons.iter();
        let reasons: Vec<Value> = reasons
            .map(|(reason, count)| json!({"reason": line(reason), "count": count}))
            .collect();
        let names: Vec<String> = digest.names.iter().map(|name| line(name)).collect();
        json!({
            "total": digest.total, "firing": digest.firing, "reasons": reasons, "names": names,
        })
    });
    json!({
        "type": format!("alert.{}", message.state.as_str()),
        "timestamp": time(message.now_ms),
        "data": {
            "key": message.key,
            "revision": message.revision,
            "state": message.state.as_str(),
            "resolved": resolved,
            "kind": message.kind.as_str(),
            "severity": message.severity.as_str(),
            "title": texts.title,
            "message": texts.message,
            "description": clean_lines(&message.description, TEXT_LIMIT),
            "monitor": line(&message.monitor),
            "service": if message.kind.is_own() { Value::Null } else { json!({
                "name": line(&facts.name),
                "group": facts.group.as_deref().map(line),
                "url": optional(&facts.url),
            }) },
            "reason": optional(&facts.reason),
            "detail": optional(&facts.detail),
            "http_status": facts.http_status,
            "response_time_ms": facts.response_time_ms,
            "conditions": conditions,
            "since": time(message.since_ms),
            "ended": message.ended_ms.filter(|_| resolved).map(time),
            "end_cause": message.end_cause,
            "duration_seconds": text::lasted(message).as_secs(),
            "dependents": message.dependents,
            "digest": digest,
            "link": message.link,
        },
    })
}

/// The body of Alertmanager's webhooks, version 4.
fn alertmanager(message: &Message, texts: &Text) -> Value {
    let facts = &message.facts;
    let line = |text: &str| clean(text, TEXT_LIMIT);
    let utc = |at_ms| LocalTime::new(&Zone::utc(), at_ms).rfc3339();
    let resolved = text::is_resolved(message.state);
    let status = if resolved { "resolved" } else { "firing" };
    let labels: Map<String, Value> = [
        ("alertname", message.kind.as_str().to_owned()),
        ("service", line(&facts.name)),
        ("group", line(facts.group.as_deref().unwrap_or_default())),
        ("kind", message.kind.as_str().to_owned()),
        ("severity", message.severity.as_str().to_owned()),
        ("monitor", line(&message.monitor)),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name.to_owned(), Value::from(value)))
    .collect();
    let annotations = json!({"summary": texts.title, "description": texts.message});
    let link = message.link.clone().unwrap_or_default();
    // Alertmanager writes the zero time of Go for an alert without an end.
    let ends_at = message.ended_ms.filter(|_| resolved).map(utc);
    let is_digest = message.digest.is_some()
        || matches!(message.state, MessageState::Digest | MessageState::DigestResolved);
    let group_labels =
        if is_digest { json!({}) } else { json!({"alertname": labels["alertname"]}) };
    json!({
        "version": "4",
        "groupKey": message.key,
        "truncatedAlerts": 0,
        "status": status,
        "receiver": line(&message.monitor),
        "groupLabels": group_labels,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": link,
        "alerts": [{
            "status": status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": utc(message.since_ms),
            "endsAt": ends_at.unwrap_or_else(|| "0001-01-01T00:00:00Z".to_owned()),
            "generatorURL": link,
            "fingerprint": message.key,
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::sample::message;
    use crate::alerting::text::built_in;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn parts_of(keys: &Value, message: &Message) -> Result<Parts, String> {
        let texts = built_in(message, &Zone::utc());
        parts(message, &texts, keys.as_object().unwrap(), &Zone::utc())
    }

    fn header_of<'p>(parts: &'p Parts, name: &str) -> Option<&'p str> {
        parts.headers.iter().find(|(set, _)| set == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_request_is_signed_with_each_secret_over_its_own_body() {
        let keys = json!({
            "url": "https://h/hook", "format": "native", "secret": [SECRET, SECRET],
            "headers": {"X-Token": "a\r\nb", "content-type": "application/x"},
        });
        let parts = parts_of(&keys, &message(MessageState::Firing)).unwrap();
        let body = parts.body.clone().unwrap();
        let key = sign::parse(SECRET).unwrap();
        let expected =
            sign::signature(&[key.clone(), key], "shc-abcdefgh-12-3", 1_795_956_000, &body);
        assert_eq!(header_of(&parts, "webhook-signature"), Some(expected.as_str()));
        assert_eq!(header_of(&parts, "webhook-id"), Some("shc-abcdefgh-12-3"));
        assert_eq!(header_of(&parts, "webhook-timestamp"), Some("1795956000"));
        assert_eq!(header_of(&parts, "X-Token"), Some("ab"));
        assert_eq!(header_of(&parts, "Content-Type"), None);
        let json: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(json["type"], "alert.firing");
        assert_eq!(json["data"]["service"]["group"], "core");
        assert_eq!(json["data"]["since"], "2026-11-29T12:03:00Z");
        assert_eq!(
            (&json["data"]["ended"], &json["data"]["duration_seconds"]),
            (&Value::Null, &json!(2220))
        );
    }

    #[test]
    fn a_bad_secret_is_named_without_its_value() {
        for secrets in [json!(["s3cret"]), json!([SECRET, SECRET, SECRET])] {
            let keys = json!({"url": "https://h/", "secret": secrets});
            let error = parts_of(&keys, &message(MessageState::Firing)).err().unwrap();
            assert_eq!(error, format!("secret: invalid value, expected {SECRET_EXPECTED}"));
        }
        let masked = json!({"url": "https://h/", "secret": [MASK]});
        let parts = parts_of(&masked, &message(MessageState::Firing)).unwrap();
        assert_eq!(header_of(&parts, "webhook-signature"), Some("v1,***"));
    }

    #[test]
    fn the_form_of_alertmanager_has_its_ten_fields() {
        let keys = json!({"url": "https://h/", "format": "alertmanager"});
        let body = |state| {
            let body = parts_of(&keys, &message(state)).unwrap().body.unwrap();
            serde_json::from_str::<Value>(&body).unwrap()
        };
        let firing = body(MessageState::Firing);
        let mut fields: Vec<&str> =
            firing.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                "alerts",
                "commonAnnotations",
                "commonLabels",
                "externalURL",
                "groupKey",
                "groupLabels",
                "receiver",
                "status",
                "truncatedAlerts",
                "version",
            ]
        );
        assert_eq!(firing["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
        let resolved = body(MessageState::Resolved);
        assert_eq!(
            (&resolved["status"], &resolved["alerts"][0]["endsAt"]),
            (&json!("resolved"), &json!("2026-11-29T12:40:00Z"))
        );
        assert_eq!(firing["alerts"][0]["fingerprint"], resolved["alerts"][0]["fingerprint"]);
    }
}
