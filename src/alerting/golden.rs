//! The requests of every kind, compared with `tests/golden/`: `UPDATE_GOLDEN=1` rewrites them.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use serde_json::{Map, Value};

use crate::alerting::Kind;
use crate::alerting::golden_messages::{channel, messages};
use crate::alerting::parts::Request;
use crate::alerting::request::{Form, Job, Renderer};
use crate::domain::Variables;
use crate::domain::alert::{Channel, Message};
use crate::domain::maintenance::zone::Zone;

/// Compares `text` with the file, whose path is relative to the root of the repository.
pub(super) fn compare(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, text).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    if text != expected {
        let differs = text.lines().zip(expected.lines()).position(|(new, old)| new != old);
        let line = differs.unwrap_or_else(|| text.lines().count().min(expected.lines().count()));
        let (new, old) = (text.lines().nth(line), expected.lines().nth(line));
        panic!("{path}:{}: expected {old:?}, found {new:?}; see UPDATE_GOLDEN=1", line + 1);
    }
}

/// The request for one message; `None` when nothing is sent.
pub(super) fn request(
    kind: Kind,
    channel: &Channel,
    message: &Message,
    form: Form,
) -> Option<Request> {
    let zone = Zone::parse("Europe/Berlin").unwrap();
    let renderer = Renderer::new(zone, Variables::default());
    let overrides = Map::new();
    renderer.render(&Job { kind, channel, overrides: &overrides, message }, form).unwrap()
}

/// The request as text: JSON in lines, and each field of a form in a line.
fn text(request: &Request) -> String {
    let mut text = format!("{} {}\n", request.method, request.url);
    let mut headers: Vec<String> = request
        .headers
        .iter()
        .map(|(name, value)| format!("{}: {value}\n", name.to_ascii_lowercase()))
        .collect();
    headers.sort();
    text.extend(headers);
    let Some(body) = request.body.as_deref() else { return text };
    text.push('\n');
    match serde_json::from_str::<Value>(body) {
        Ok(value) => {
            assert_eq!(value.to_string(), body, "the body has another notation");
            text.push_str(&format!("{value:#}"));
        }
        Err(_) => text.push_str(&body.replace('&', "\n&")),
    }
    text.trim_end().to_owned() + "\n"
}

#[test]
fn the_requests_of_every_kind_are_those_of_the_golden_files() {
    for kind in Kind::all() {
        let Some(channel) = channel(kind.name) else { continue };
        let mut golden = String::new();
        for (name, message) in messages() {
            let request = request(kind, &channel, &message, Form::Full);
            let text = request.map_or_else(|| "nothing is sent\n".to_owned(), |it| text(&it));
            writeln!(golden, "--- {name}\n{text}").unwrap();
        }
        compare(&format!("tests/golden/{}.txt", kind.name), golden.trim_start());
    }
}

/// Limits of the receivers, by their documentation: a field of the body (a JSON pointer, or the
/// name of a field of a form; empty: all of it) and the greatest number.
const LIMITS: &[(&str, &str, usize, Unit)] = &[
    ("datadog", "/text", 4_000, Unit::Characters),
    ("datadog", "/aggregation_key", 100, Unit::Characters),
    ("discord", "/content", 2_000, Unit::Characters),
    ("discord", "/embeds/0/title", 256, Unit::Characters),
    ("discord", "/embeds/0/description", 4_096, Unit::Characters),
    ("gitea", "/title", 255, Unit::Characters),
    ("github", "/title", 256, Unit::Characters),
    ("github", "/body", 65_536, Unit::Characters),
    ("gitlab", "/title", 200, Unit::Characters),
    ("gitlab", "/description", 1_000, Unit::Characters),
    ("gitlab", "/service", 100, Unit::Characters),
    ("gitlab", "/monitoring_tool", 100, Unit::Characters),
    ("gitlab", "/hosts", 255, Unit::Characters),
    ("googlechat", "", 32_000, Unit::Bytes),
    ("incident-io", "", 512 * 1024, Unit::Bytes),
    ("line", "/messages/0/text", 5_000, Unit::Utf16),
    ("matrix", "", 65_536, Unit::Bytes),
    ("mattermost", "/attachments/0/text", 16_383, Unit::Characters),
    ("messagebird", "/body", 1_377, Unit::Characters),
    ("newrelic", "/0/description", 4_096, Unit::Characters),
    ("ntfy", "/message", 4_096, Unit::Bytes),
    ("opsgenie", "/message", 130, Unit::Characters),
    ("opsgenie", "/alias", 512, Unit::Characters),
    ("opsgenie", "/description", 15_000, Unit::Characters),
    ("pagerduty", "/payload/summary", 1_024, Unit::Characters),
    ("pagerduty", "", 512_000, Unit::Bytes),
    ("plivo", "/text", 737, Unit::Characters),
    ("pushover", "/title", 250, Unit::Characters),
    ("pushover", "/message", 1_024, Unit::Characters),
    ("pushover", "/url", 512, Unit::Characters),
    ("rocketchat", "/attachments/0/text", 5_000, Unit::Characters),
    ("slack", "/attachments/0/text", 8_000, Unit::Characters),
    ("squadcast", "", 30_000, Unit::Bytes),
    ("teams", "", 28 * 1024, Unit::Bytes),
    ("teams-workflows", "", 28 * 1024, Unit::Bytes),
    ("telegram", "/text", 4_096, Unit::Utf16),
    ("twilio", "Body", 1_600, Unit::Utf16),
    ("vonage", "text", 1_000, Unit::Utf16),
    ("webex", "/markdown", 7_439, Unit::Bytes),
    ("zulip", "content", 10_000, Unit::Characters),
    ("zulip", "topic", 60, Unit::Characters),
];

#[derive(Debug, Clone, Copy)]
enum Unit {
    Bytes,
    Characters,
    /// Units of UTF-16.
    Utf16,
}

impl Unit {
    fn count(self, text: &str) -> usize {
        match self {
            Self::Bytes => text.len(),
            Self::Characters => text.chars().count(),
            Self::Utf16 => text.encode_utf16().count(),
        }
    }
}

/// The text of a field, if the body has it.
fn field(body: &str, name: &str) -> Option<String> {
    if name.is_empty() {
        return Some(body.to_owned());
    }
    match serde_json::from_str::<Value>(body) {
        Ok(value) => value.pointer(name)?.as_str().map(str::to_owned),
        Err(_) => url::form_urlencoded::parse(body.as_bytes())
            .find(|(of, _)| of == name)
            .map(|(_, value)| value.into_owned()),
    }
}

pub(super) fn assert_within_limits(kind: &str, body: &str) {
    for (_, name, limit, unit) in LIMITS.iter().filter(|(of, ..)| *of == kind) {
        let Some(text) = field(body, name) else { continue };
        let count = unit.count(&text);
        assert!(count <= *limit, "{kind} {name}: {count} {unit:?}, limit {limit}: {text}");
    }
}

#[test]
fn the_longest_texts_are_within_the_limits_of_the_receivers() {
    let wide = "😀<&_*\"".repeat(2_000);
    for (kind, name, ..) in LIMITS {
        let (kind, channel) = (Kind::find(kind).unwrap(), channel(kind).unwrap());
        let mut found = false;
        for (_, mut message) in messages() {
            message.description.clone_from(&wide);
            for text in [&mut message.facts.name, &mut message.facts.detail] {
                text.clone_from(&wide);
            }
            for form in [Form::Full, Form::Plain] {
                let Some(request) = request(kind, &channel, &message, form) else { continue };
                let body = request.body.unwrap();
                found |= field(&body, name).is_some();
                assert_within_limits(kind.name, &body);
            }
        }
        assert!(found, "{} has no field {name}", kind.name);
    }
}
