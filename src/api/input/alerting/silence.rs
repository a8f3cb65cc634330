//! The bodies of a silence and of an acknowledgement.

use serde_json::{Map, Value};

use crate::api::error::ApiError;
use crate::api::input::alerting::matcher::matcher;
use crate::api::input::fields::{Fields, NAME_MAX, NOTE_MAX};
use crate::domain::Invalid;
use crate::domain::alert::{Acknowledgement, Matcher};
use crate::domain::time::timestamp::to_rfc3339;
use crate::storage::alerting::NewSilence;

const FIELDS: [&str; 5] = ["match", "from", "to", "by", "note"];

/// Longest silence.
const YEAR_MS: i64 = 366 * 86_400_000;

/// A silence as the API writes it; `from` is now by default.
pub fn silence(map: &Map<String, Value>, now_ms: i64) -> Result<NewSilence, ApiError> {
    let mut fields = Fields::new(map, &FIELDS);
    let matcher = matcher(&mut fields);
    if matcher == Matcher::default() {
        let message = "expected at least one entry; {\"name\": \"*\"} matches every alert";
        fields.problem("match", message.to_owned());
    }
    let from_ms = fields.moment("from").unwrap_or(now_ms);
    let to_ms = match fields.value("to") {
        Some(_) => fields.moment("to"),
        None => {
            fields.require("to");
            None
        }
    };
    if let Some(to_ms) = to_ms {
        let begin_ms = from_ms.max(now_ms);
        if to_ms <= begin_ms || to_ms > from_ms.saturating_add(YEAR_MS) {
            let expected = "a time after now and from, at most 366 days after from";
            fields.reject("to", &Invalid::new(to_rfc3339(to_ms), expected));
        }
    }
    let (by, note) = (fields.text("by", NAME_MAX), fields.text("note", NOTE_MAX));
    let to_ms = to_ms.unwrap_or_default();
    fields.done(NewSilence { matcher, from_ms, to_ms, by, note })
}

/// The body of an acknowledgement.
pub fn acknowledgement(map: &Map<String, Value>, now_ms: i64) -> Result<Acknowledgement, ApiError> {
    let mut fields = Fields::new(map, &["by", "note", "until"]);
    let until_ms = fields.moment("until");
    if let Some(until_ms) = until_ms.filter(|until_ms| *until_ms <= now_ms) {
        fields.reject("until", &Invalid::new(to_rfc3339(until_ms), "a time after now"));
    }
    let (by, note) = (fields.text("by", NAME_MAX), fields.text("note", NOTE_MAX));
    fields.done(Acknowledgement { at_ms: now_ms, by, note, until_ms })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW_MS: i64 = 1_795_413_298_500;

    fn read(body: &Value) -> Result<NewSilence, String> {
        silence(body.as_object().unwrap(), NOW_MS).map_err(|error| error.to_string())
    }

    #[test]
    fn a_silence_begins_now_unless_it_says_when() {
        let body = json!({"match": {"name": "a*"}, "to": 1_795_416_898, "by": "ann", "note": ""});
        let silence = read(&body).unwrap();
        assert_eq!((silence.from_ms, silence.to_ms), (NOW_MS, 1_795_416_898_000));
        assert_eq!((silence.by.as_deref(), silence.note), (Some("ann"), None));
        let body = json!({
            "match": {"group": ["a", "b"]}, "from": "2026-12-01T00:00:00Z",
            "to": "2026-12-02T00:00:00+01:00"
        });
        let silence = read(&body).unwrap();
        assert_eq!(silence.to_ms - silence.from_ms, 23 * 3_600_000);
    }

    #[test]
    fn a_silence_lasts_at_most_a_year_and_matches_something() {
        let to = |to: i64| json!({"match": {"name": "*"}, "to": to});
        let year_s = 366 * 86_400;
        assert!(read(&to(NOW_MS / 1_000 + year_s)).is_ok());
        for bad in [NOW_MS / 1_000 + year_s + 1, NOW_MS / 1_000, 0] {
            let error = read(&to(bad)).unwrap_err();
            assert!(error.contains("to: invalid value ") && error.contains("366 days"), "{error}");
        }
        let error = read(&json!({"match": {}, "from": "soon"})).unwrap_err();
        for problem in [
            "match: expected at least one entry",
            "to: required",
            "from: invalid value \"soon\", expected unix seconds",
        ] {
            assert!(error.contains(problem), "{problem} in {error}");
        }
    }

    #[test]
    fn an_acknowledgement_ends_later_than_now() {
        let read = |body: Value| acknowledgement(body.as_object().unwrap(), NOW_MS);
        let given = read(json!({"by": "ann", "note": "on it", "until": 1_795_416_898})).unwrap();
        let expected = Acknowledgement {
            at_ms: NOW_MS,
            by: Some("ann".to_owned()),
            note: Some("on it".to_owned()),
            until_ms: Some(1_795_416_898_000),
        };
        assert_eq!(given, expected);
        assert_eq!(read(json!({})).unwrap().until_ms, None);
        let error = read(json!({"until": 1, "who": "ann"})).unwrap_err().to_string();
        assert!(error.contains("until: invalid value 1970-01-01T00:00:01.000Z"), "{error}");
        assert!(error.contains("who: unknown or read-only field"), "{error}");
    }
}
