//! What an answer means: delivered, a fault of the channel, or a fault of the message. Pure.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::alerting::markup::{clean, encode};
use crate::alerting::row::{Requests, RetryPointer, Success, Unit};
use crate::domain::alert::Attempt;
use crate::domain::secret::MASK;
use crate::domain::secret::url::{Requests as ShownRequests, mask_redirect};

/// Longest time that a receiver may demand.
pub const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(3_600);
/// Longest error, in bytes.
pub const ERROR_LIMIT: usize = 256;
/// Longest reference, in bytes.
const REFERENCE_LIMIT: usize = 256;

/// An answer over HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The header `Location`.
    pub location: Option<String>,
    /// As much as was read.
    pub body: Vec<u8>,
    /// Whether more should have come.
    pub is_cut: bool,
}

/// What a row says about answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnswerRules<'r> {
    pub success: Option<&'r Success>,
    pub retry_after: Option<&'r RetryPointer>,
    pub remember: Option<&'r str>,
    /// 404 and 410 mean success.
    pub gone_is_success: bool,
    /// Statuses that mean success; empty: 200 to 299.
    pub accept: &'r [u16],
    /// Whether errors may quote the answer.
    pub quotes: bool,
}

impl<'r> AnswerRules<'r> {
    /// The rules of `requests` for a message that reports the end, or does not. Once there is a
    /// reference, what the receiver answers to an update is not one.
    pub fn of(requests: &'r Requests, ended: bool, has_reference: bool, quotes: bool) -> Self {
        let resolve = requests.resolve.as_ref().filter(|_| ended);
        Self {
            success: requests.success.as_ref().filter(|_| resolve.is_none()),
            retry_after: requests.retry_after.as_ref(),
            remember: requests.remember.as_deref().filter(|_| !ended && !has_reference),
            accept: if resolve.is_some() { &[] } else { &requests.accept },
            gone_is_success: resolve.is_some_and(|resolve| resolve.gone_is_success),
            quotes,
        }
    }
}

pub fn judge(answer: &Answer, rules: &AnswerRules<'_>) -> Attempt {
    let status = answer.status;
    let http_status = Some(status);
    // Parsed only where the row needs it.
    let needs_json = rules.success.is_some() || rules.retry_after.is_some();
    let json: Option<Value> = (needs_json || rules.remember.is_some())
        .then(|| serde_json::from_slice(&answer.body).ok())
        .flatten();
    let error = || sentence(answer, rules);
    let retry_after = || retry_after(answer, rules, json.as_ref());
    let channel_failed =
        || Attempt::ChannelFailed { http_status, error: error(), retry_after: retry_after() };
    let is_accepted = match rules.accept {
        [] => (200..300).contains(&status),
        accepted => accepted.contains(&status),
    };
    match status {
        _ if is_accepted => {
            if let Some(success) = rules.success {
                let values = pointed(json.as_ref(), &success.pointer);
                let is = |expected: &Value| values.iter().all(|value| *value == expected);
                if values.is_empty() || !is(&success.is) {
                    let is_busy = values.iter().any(|value| success.busy.contains(value));
                    // Of an answer that was cut, nobody knows.
                    return if is_busy || answer.is_cut {
                        channel_failed()
                    } else {
                        Attempt::MessageRefused { http_status, error: error() }
                    };
                }
            }
            let reference = rules.remember.and_then(|pointer| json.as_ref()?.pointer(pointer));
            let reference = reference.and_then(|value| match value {
                Value::String(text) => Some(clean(text, REFERENCE_LIMIT)),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            });
            Attempt::Delivered { http_status, reference }
        }
        404 | 410 if rules.gone_is_success => Attempt::Delivered { http_status, reference: None },
        400 | 413 | 422 => Attempt::MessageRefused { http_status, error: error() },
        _ => channel_failed(),
    }
}

/// `error` in one line without `secrets`, at most [`ERROR_LIMIT`] bytes.
pub fn safe_error(error: &str, secrets: &[String]) -> String {
    let mut error = error.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        error = error.replace(secret.as_str(), MASK);
        let encoded = encode(secret);
        error = error.replace(&encoded, MASK);
    }
    clean(&error, ERROR_LIMIT)
}

/// `answer` in one line, for the operator.
pub fn describe(answer: &Answer) -> String {
    sentence(answer, &AnswerRules { quotes: true, ..AnswerRules::default() })
}

/// The status, the target of a redirect, and the begin of the body.
fn sentence(answer: &Answer, rules: &AnswerRules<'_>) -> String {
    let phrase = StatusCode::from_u16(answer.status).ok().and_then(|it| it.canonical_reason());
    let mut sentence = format!("HTTP {} {}", answer.status, phrase.unwrap_or("unknown status"));
    if let (300..400, Some(location)) = (answer.status, &answer.location) {
        let target = mask_redirect(location, ShownRequests::Masked);
        return format!("{sentence} to {}, which is not followed", clean(&target, ERROR_LIMIT));
    }
    if rules.quotes {
        let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(2 * ERROR_LIMIT)]);
        let body = clean(body.trim(), ERROR_LIMIT);
        if !body.trim().is_empty() {
            sentence.push_str(": ");
            sentence.push_str(body.trim());
        }
    }
    sentence
}

fn retry_after(answer: &Answer, rules: &AnswerRules<'_>, json: Option<&Value>) -> Option<Duration> {
    let pointed = rules.retry_after.and_then(|retry| {
        let (pointer, unit) = match retry {
            RetryPointer::Seconds(pointer) => (pointer, Unit::S),
            RetryPointer::In { pointer, unit } => (pointer, *unit),
        };
        let number = json?.pointer(pointer)?.as_f64()?;
        let seconds = if unit == Unit::Ms { number / 1_000.0 } else { number };
        Duration::try_from_secs_f64(seconds.min(RETRY_AFTER_LIMIT.as_secs_f64())).ok()
    });
    answer.retry_after.max(pointed).map(|demanded| demanded.min(RETRY_AFTER_LIMIT))
}

/// The values at a JSON pointer in which `*` is each item of a list.
fn pointed<'j>(json: Option<&'j Value>, pointer: &str) -> Vec<&'j Value> {
    let mut found: Vec<&Value> = json.into_iter().collect();
    for step in pointer.split('/').skip(1) {
        found = found
            .into_iter()
            .flat_map(|value| match (step, value) {
                ("*", Value::Array(items)) => items.iter().collect(),
                _ => value.pointer(&format!("/{step}")).into_iter().collect::<Vec<_>>(),
            })
            .collect();
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::alerting::Kind;
    use crate::alerting::row::Shape;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() }
    }

    fn error(answer: &Answer, rules: &AnswerRules<'_>) -> String {
        match judge(answer, rules) {
            Attempt::ChannelFailed { error, .. } | Attempt::MessageRefused { error, .. } => error,
            Attempt::Delivered { .. } => panic!(),
        }
    }

    fn failed(attempt: &Attempt) -> &str {
        match attempt {
            Attempt::Delivered { .. } => "delivered",
            Attempt::ChannelFailed { .. } => "channel",
            Attempt::MessageRefused { .. } => "message",
        }
    }

    #[test]
    fn the_status_says_whose_fault_it_is() {
        let rules = AnswerRules::default();
        for (status, expected) in [
            (200, "delivered"),
            (204, "delivered"),
            (301, "channel"),
            (304, "channel"),
            (400, "message"),
            (401, "channel"),
            (403, "channel"),
            (404, "channel"),
            (405, "channel"),
            (408, "channel"),
            (410, "channel"),
            (413, "message"),
            (422, "message"),
            (425, "channel"),
            (429, "channel"),
            (500, "channel"),
            (503, "channel"),
        ] {
            assert_eq!(failed(&judge(&answer(status, ""), &rules)), expected, "{status}");
        }
        let accepting = AnswerRules { accept: &[200, 409], ..rules };
        for (status, expected) in [(200, "delivered"), (409, "delivered"), (204, "channel")] {
            assert_eq!(failed(&judge(&answer(status, ""), &accepting)), expected, "{status}");
        }
        let gone = AnswerRules { gone_is_success: true, ..rules };
        for (status, expected) in [(404, "delivered"), (410, "delivered"), (403, "channel")] {
            assert_eq!(failed(&judge(&answer(status, ""), &gone)), expected, "{status}");
        }
    }

    #[test]
    fn a_row_may_look_into_the_answer() {
        let success = |value| serde_json::from_value::<Success>(value).unwrap();
        let ok = success(json!({"pointer": "/ok", "is": true}));
        let each = success(json!({"pointer": "/messages/*/status", "is": "0", "busy": ["1"]}));
        for (success, body, expected) in [
            (&ok, "{\"ok\": true}", "delivered"),
            (&ok, "{\"ok\": false}", "message"),
            (&ok, "{}", "message"),
            (&ok, "<html>", "message"),
            (&each, "{\"messages\": [{\"status\": \"0\"}, {\"status\": \"0\"}]}", "delivered"),
            (&each, "{\"messages\": [{\"status\": \"0\"}, {\"status\": \"6\"}]}", "message"),
            (&each, "{\"messages\": [{\"status\": \"1\"}]}", "channel"),
            (&each, "{\"messages\": []}", "message"),
        ] {
            let rules = AnswerRules { success: Some(success), ..AnswerRules::default() };
            assert_eq!(failed(&judge(&answer(200, body), &rules)), expected, "{body}");
        }
    }

    #[test]
    fn a_cut_answer_is_no_refusal() {
        let ok = Success { pointer: "/ok".to_owned(), is: true.into(), busy: Vec::new() };
        let rules = AnswerRules { success: Some(&ok), ..AnswerRules::default() };
        let cut = Answer { is_cut: true, ..answer(200, "{\"ok\": tr") };
        assert_eq!(failed(&judge(&cut, &rules)), "channel");
        assert_eq!(failed(&judge(&cut, &AnswerRules::default())), "delivered");
    }

    #[test]
    fn the_reference_is_a_text_or_a_number() {
        let rules = AnswerRules { remember: Some("/number"), ..AnswerRules::default() };
        for (body, expected) in [
            ("{\"number\": 42}", Some("42")),
            ("{\"number\": \"a-1\"}", Some("a-1")),
            ("{\"number\": [1]}", None),
            ("no JSON", None),
        ] {
            let reference = expected.map(str::to_owned);
            let delivered = Attempt::Delivered { http_status: Some(201), reference };
            assert_eq!(judge(&answer(201, body), &rules), delivered);
        }
    }

    #[test]
    fn the_answer_to_a_comment_is_no_reference() {
        let row = &Kind::find("clickup").unwrap().row.shape;
        let Shape::Requests(requests) = row else { panic!() };
        let remembered = |has_reference| {
            let rules = AnswerRules::of(requests, false, has_reference, false);
            match judge(&answer(200, "{\"id\": 5}"), &rules) {
                Attempt::Delivered { reference, .. } => reference,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(remembered(false), Some("5".to_owned()));
        assert_eq!(remembered(true), None);
    }

    #[test]
    fn a_row_says_which_statuses_mean_success() {
        for (kind, status, expected) in [
            ("line", 409, "delivered"),
            ("apprise", 204, "channel"),
            ("apprise", 424, "channel"),
            ("apprise", 200, "delivered"),
            ("slack", 204, "delivered"),
        ] {
            let Shape::Requests(requests) = &Kind::find(kind).unwrap().row.shape else { panic!() };
            let rules = AnswerRules::of(requests, false, false, false);
            assert_eq!(failed(&judge(&answer(status, ""), &rules)), expected, "{kind} {status}");
        }
    }

    #[test]
    fn the_longer_demand_counts_up_to_an_hour() {
        let seconds = RetryPointer::Seconds("/parameters/retry_after".to_owned());
        let milliseconds = RetryPointer::In { pointer: "/ms".to_owned(), unit: Unit::Ms };
        for (pointer, header, body, expected_ms) in [
            (None, Some(5), "", Some(5_000)),
            (None, Some(86_400), "", Some(3_600_000)),
            (None, None, "{\"parameters\": {\"retry_after\": 7}}", None),
            (Some(&seconds), None, "{\"parameters\": {\"retry_after\": 7}}", Some(7_000)),
            (Some(&seconds), Some(9), "{\"parameters\": {\"retry_after\": 7}}", Some(9_000)),
            (Some(&seconds), None, "{\"parameters\": {\"retry_after\": 1e300}}", Some(3_600_000)),
            (Some(&seconds), None, "{\"parameters\": {\"retry_after\": -1}}", None),
            (Some(&milliseconds), None, "{\"ms\": 1500}", Some(1_500)),
        ] {
            let header = header.map(Duration::from_secs);
            let answer = Answer { retry_after: header, ..answer(429, body) };
            let rules = AnswerRules { retry_after: pointer, ..AnswerRules::default() };
            let Attempt::ChannelFailed { retry_after, .. } = judge(&answer, &rules) else {
                panic!()
            };
            assert_eq!(retry_after, expected_ms.map(Duration::from_millis), "{body}");
        }
    }

    #[test]
    fn an_error_quotes_the_answer_only_where_it_may_and_shows_no_secret() {
        let quoting = AnswerRules { quotes: true, ..AnswerRules::default() };
        let refused = answer(400, " bad token\n abc/123\u{1b} ");
        let quoted = error(&refused, &quoting);
        assert_eq!(quoted, "HTTP 400 Bad Request: bad token  abc/123");
        assert_eq!(error(&refused, &AnswerRules::default()), "HTTP 400 Bad Request");
        let secrets = ["abc/123".to_owned(), "x".to_owned()];
        let safe = safe_error(&format!("{quoted} abc%2F123"), &secrets);
        assert_eq!(safe, "HTTP 400 Bad Request: bad token  *** ***");
        let location = Some("https://u:p@h/x?token=t".to_owned());
        let redirect = Answer { location, ..answer(302, "body") };
        assert_eq!(
            error(&redirect, &quoting),
            "HTTP 302 Found to https://u:***@h/x?***, which is not followed"
        );
        assert!(safe_error(&"ü".repeat(300), &[]).len() <= ERROR_LIMIT);
    }

    proptest! {
        #[test]
        fn any_answer_is_judged_with_a_short_error(
            status in 100_u16..1000,
            body in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            let answer = Answer { status, body, ..Answer::default() };
            let rules = AnswerRules { quotes: true, ..AnswerRules::default() };
            match judge(&answer, &rules) {
                Attempt::Delivered { .. } => prop_assert!((200..300).contains(&status)),
                Attempt::ChannelFailed { error, .. } | Attempt::MessageRefused { error, .. } => {
                    let error = safe_error(&error, &[]);
                    prop_assert!(error.len() <= ERROR_LIMIT && !error.contains(char::is_control));
                }
            }
        }
    }
}
