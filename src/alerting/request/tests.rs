//! Requests of the rows, of `webhook` and of `custom`.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::alerting::kind::Kind;
use crate::alerting::sample::{self, channel, message};
use crate::domain::alert::message::Digest;

fn renderer() -> Renderer {
    let variables = [
        ("SLACK_URL", "https://hooks.slack.example/services/T0/s3cret"),
        ("TOKEN", "t0ken-s3cret"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Renderer::new(Zone::utc(), Variables::new(HashMap::from(variables)))
}

/// Keys with which each kind can be rendered, from its own table.
fn keys_of(kind: &Kind) -> Value {
    use crate::alerting::key::ValueType;
    let keys = kind.row.keys.iter().filter(|(_, key)| key.required).map(|(name, key)| {
        let text = |length: usize| Value::from("k".repeat(length));
        let value = match key.value_type {
            ValueType::Url => match (&key.begins, key.segments) {
                (Some(begin), _) => json!(format!("{begin}x")),
                (None, segments) => {
                    json!(format!("http://127.0.0.1:9{}", "/o".repeat(segments.unwrap_or(1))))
                }
            },
            ValueType::Integers => json!([1]),
            ValueType::Integer => json!(key.range.map_or(1, |(least, _)| least)),
            ValueType::Boolean => json!(true),
            ValueType::List => json!(["a", "b"]),
            ValueType::Map => json!({}),
            ValueType::Text => match (key.length, &key.begins, key.one_of.first()) {
                (Some(length), _, _) => text(length),
                (None, Some(begin), _) => json!(format!("{begin}x")),
                (None, None, Some(first)) => json!(first),
                (None, None, None) if name.contains("url") => json!("http://127.0.0.1:9/o"),
                (None, None, None) => text(3),
            },
        };
        (name.clone(), value)
    });
    Value::Object(keys.collect())
}

fn render(kind: &str, keys: &Value, message: &Message, form: Form) -> Option<Request> {
    let channel = channel(kind, keys);
    let (kind, overrides) = (Kind::find(kind).unwrap(), Map::new());
    let job = Job { kind, channel: &channel, overrides: &overrides, message };
    renderer().render(&job, form).unwrap()
}

fn body(request: &Request) -> Value {
    serde_json::from_str(request.body.as_deref().unwrap()).unwrap()
}

fn http_kinds() -> impl Iterator<Item = Kind> {
    Kind::all()
        .filter(|kind| !matches!(kind.row.shape, Shape::Code(Code::Email | Code::Alertmanager)))
}

#[test]
fn a_row_is_rendered_with_its_secrets() {
    let keys = json!({"webhook-url": "${SLACK_URL}"});
    let request = render("slack", &keys, &message(MessageState::Firing), Form::Full).unwrap();
    assert_eq!(request.url.as_str(), "https://hooks.slack.example/services/T0/s3cret");
    assert_eq!(
        request.headers,
        [
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("Idempotency-Key".to_owned(), "shc-abcdefgh-12-3".to_owned()),
        ]
    );
    let body = body(&request);
    assert_eq!(body["text"], "core/api is down");
    assert_eq!(body["attachments"][0]["color"], "#DD0000");
    assert_eq!(body["attachments"][0]["title_link"], "https://mon.example/services/7");
}

#[test]
fn the_end_may_have_a_request_of_its_own() {
    let keys = json!({"api-key": "k", "alias-prefix": "a/", "tags": "x,y"});
    let begin = render("opsgenie", &keys, &message(MessageState::Firing), Form::Full).unwrap();
    assert_eq!(begin.url.as_str(), "https://api.opsgenie.com/v2/alerts");
    assert_eq!(begin.headers[0], ("Authorization".to_owned(), "GenieKey k".to_owned()));
    let body = body(&begin);
    assert_eq!((&body["alias"], &body["tags"]), (&json!("a/shc-abcdefgh-12"), &json!(["x", "y"])));
    let end = render("opsgenie", &keys, &message(MessageState::Resolved), Form::Full).unwrap();
    let expected =
        "https://api.opsgenie.com/v2/alerts/a%2Fshc-abcdefgh-12/close?identifierType=alias";
    assert_eq!(end.url.as_str(), expected);
    assert_eq!(
        self::body(&end),
        json!({"source": "service-healthcheck", "note": "core/api is up again"})
    );
}

#[test]
fn the_plain_form_has_no_markup_and_no_template() {
    let mut message = message(MessageState::Firing);
    message.facts.name = "a_b<".to_owned();
    let keys = json!({"token": "1:abc", "id": "-100", "title": "*{{ service.name }}* {{ 1 / 0 }}"});
    let full = render("telegram", &keys, &message, Form::Full).unwrap();
    assert_eq!(full.url.as_str(), "https://api.telegram.org/bot1:abc/sendMessage");
    let text = body(&full)["text"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with("<b>core/a_b&lt; is down</b>\nThe template `title` of this"),
        "{text}"
    );
    let plain = render("telegram", &keys, &message, Form::Plain).unwrap();
    let body = body(&plain);
    assert!(body["text"].as_str().unwrap().starts_with("core/a_b< is down\ncall Ann\n"));
    assert_eq!(body.get("parse_mode"), None);
}

#[test]
fn templates_of_the_user_see_facts_and_no_keys() {
    let keys = json!({
        "webhook-url": "https://h/s3cret",
        "title": "*{{ service.name }}* {{ key }}{{ key['webhook-url'] }}",
        "message": "{{ title }}: {{ result.reason }} {{ alert.duration }}",
    });
    let mut message = message(MessageState::Firing);
    message.facts.name = "a<b{{ 7 * 7 }}".to_owned();
    let request = render("slack", &keys, &message, Form::Full).unwrap();
    let body = body(&request);
    assert_eq!(body["text"], "*a&lt;b{{ 7 * 7 }}* ");
    assert_eq!(body["attachments"][0]["text"], "core/a&lt;b{{ 7 * 7 }} is down: timeout 37 min");
}

#[test]
fn a_template_that_runs_for_long_costs_no_alert() {
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
    let keys = json!({"webhook-url": "https://h/x", "message": endless});
    let request = render("slack", &keys, &message(MessageState::Firing), Form::Full).unwrap();
    let body = body(&request);
    let text = body["attachments"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("The template `message` of this channel failed: "), "{text}");
    assert!(text.contains("\ncall Ann\n"), "{text}");
}

#[test]
fn what_is_shown_has_no_secret() {
    let overrides = Map::new();
    let message = message(MessageState::Firing);
    let shown = |kind: &str, keys: &Value| {
        let channel = channel(kind, keys);
        let kind = Kind::find(kind).unwrap();
        let job = Job { kind, channel: &channel, overrides: &overrides, message: &message };
        renderer().show(&job).unwrap().unwrap()
    };
    let slack = shown("slack", &json!({"webhook-url": "${SLACK_URL}"}));
    assert_eq!(slack.url, "https://hooks.slack.example/***");
    let telegram = shown("telegram", &json!({"token": "${TOKEN}", "id": "1"}));
    assert_eq!(telegram.url, "https://api.telegram.org/***");
    let gotify = shown("gotify", &json!({"server-url": "https://g/", "token": "t0ken-s3cret"}));
    assert_eq!(gotify.url, "https://g/message");
    assert_eq!(gotify.headers[0], ("X-Gotify-Key".to_owned(), "***".to_owned()));
    let unset = shown("gotify", &json!({"server-url": "https://${UNSET}/", "token": "${UNSET}"}));
    assert_eq!(unset.url, "https://${UNSET}/message");
    let custom = shown(
        "custom",
        &json!({
            "url": "https://h/${TOKEN}", "headers": {"X-A": "t0ken-s3cret"}, "body": "${TOKEN}",
        }),
    );
    assert_eq!((custom.url.as_str(), custom.body.as_deref()), ("https://h/***", Some("***")));
    for shown in [slack, telegram, gotify, custom] {
        let text = format!("{shown:?}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn a_tracker_is_told_once_and_closed_by_its_reference() {
    // A row with `remember` of the tests: the table has its own.
    let requests = |state, reference: Option<&str>| {
        let message = Message { reference: reference.map(str::to_owned), ..message(state) };
        let mut row = Kind::find("gotify").unwrap().row.clone();
        if let Shape::Requests(requests) = &mut row.shape {
            requests.remember = Some("/id".to_owned());
            let mut close = requests.begin.clone();
            close.path = "/message/{{ reference }}".to_owned();
            requests.resolve = Some(close);
        }
        let kind = Kind { name: "gotify", row: Box::leak(Box::new(row)) };
        let channel = channel("gotify", &json!({"server-url": "https://g", "token": "t"}));
        let overrides = Map::new();
        let job = Job { kind, channel: &channel, overrides: &overrides, message: &message };
        let rendered = renderer().render(&job, Form::Full);
        rendered.map(|request| request.map(|request| request.url.path().to_owned()))
    };
    let path = |path: &str| Ok(Some(path.to_owned()));
    assert_eq!(requests(MessageState::Firing, None), path("/message"));
    assert_eq!(requests(MessageState::Still, Some("7")), Ok(None));
    assert_eq!(requests(MessageState::Resolved, Some("7/8")), path("/message/7%2F8"));
    assert_eq!(requests(MessageState::Missed, None), Ok(None));
    assert!(matches!(requests(MessageState::Resolved, None), Err(RenderError::Message(_))));
}

#[test]
fn a_body_is_shortened_until_the_receiver_takes_it() {
    let mut message = message(MessageState::Firing);
    message.description = "\"\\".repeat(2_000);
    let keys = json!({"topic": "t"});
    let request = render("ntfy", &keys, &message, Form::Full).unwrap();
    assert!(request.body.as_ref().unwrap().len() <= 4_096, "{:?}", request.body.unwrap().len());
    assert!(body(&request)["message"].as_str().unwrap().starts_with("\"\\\"\\"));
}

/// Whatever a target, a definition and a digest contain: each kind has a valid body within its
/// limits, and nothing that was filled in is a template or leaves its place.
#[test]
fn hostile_texts_stay_texts_in_every_kind() {
    let states = [MessageState::Firing, MessageState::Resolved, MessageState::Missed];
    for kind in http_kinds() {
        let keys = keys_of(&kind);
        for state in states {
            for name in ["a_b*<&\"\u{202e}", "{{ key }}{% raw %}", "\"}],\\\n\r\0", "../../x?y#z"] {
                let mut message = message(state);
                message.reference = state.as_str().starts_with("res").then(|| "7".to_owned());
                message.facts.name = name.to_owned();
                message.facts.group = Some(name.to_owned());
                message.facts.detail = name.repeat(8 * 1024 / name.len());
                message.facts.conditions = vec![(name.to_owned(), false); 50];
                message.description = name.to_owned();
                message.digest = Some(Digest {
                    total: 50,
                    firing: 50,
                    reasons: vec![(name.to_owned(), 50)],
                    names: vec![name.to_owned(); 30],
                });
                for form in [Form::Full, Form::Plain] {
                    check(&kind, &keys, &message, form);
                }
            }
        }
    }
}

fn check(kind: &Kind, keys: &Value, message: &Message, form: Form) {
    let Some(request) = render(kind.name, keys, message, form) else { return };
    let name = kind.name;
    assert!(request.url.as_str().len() < 2_048, "{name}: {}", request.url);
    let harmless = render(name, keys, &sample::message(MessageState::Firing), form).unwrap();
    assert_eq!(request.url.origin(), harmless.url.origin(), "{name}");
    let depth = |request: &Request| request.url.path().split('/').count();
    let is_begin = !text::is_resolved(message.state);
    assert!(!is_begin || depth(&request) == depth(&harmless), "{name}: {}", request.url);
    for (header, value) in &request.headers {
        assert!(!value.contains(char::is_control), "{name}: {header}");
    }
    let Some(body) = &request.body else { return };
    assert!(body.len() <= kind.row.limits.body.unwrap_or(BODY_LIMIT), "{name}: {}", body.len());
    let is_json = request.headers.iter().any(|(_, value)| value == "application/json");
    if is_json {
        assert!(serde_json::from_str::<Value>(body).is_ok(), "{name}: {body}");
    }
    assert!(!body.contains('\u{202e}'), "{name}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_name_and_sentence_give_valid_json(name in ".{0,40}", detail in ".{0,200}") {
        for kind in ["slack", "discord", "telegram", "teams-workflows", "pagerduty", "webhook"] {
            let kind = Kind::find(kind).unwrap();
            let mut message = message(MessageState::Firing);
            message.facts.name = name.clone();
            message.facts.detail = detail.clone();
            let request = render(kind.name, &keys_of(&kind), &message, Form::Full).unwrap();
            prop_assert!(serde_json::from_str::<Value>(&request.body.unwrap()).is_ok());
        }
    }
}
