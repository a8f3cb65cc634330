//! Random facts and random templates of users, for every kind.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use crate::alerting::Kind;
use crate::alerting::golden::{assert_within_limits, request};
use crate::alerting::golden_messages::{channel, messages};
use crate::alerting::request::Form;

/// Pieces of templates: valid, unfinished, without end, and with what has a meaning in a markup.
const PIECES: [&str; 16] = [
    "{{ service.name }}",
    "{{ result.detail|upper }}",
    "{% for c in result.conditions %}{{ c.condition }}",
    "{% endfor %}",
    "{{ key.token }}",
    "{{ title|safe }}",
    "{{ no.such.value }}",
    "{{ 'x' * 99999 }}",
    "{% for a in range(9999) %}{% for b in range(9999) %}",
    "{{",
    "%}",
    "{# a comment",
    "<b>*_`[x](y)",
    "\u{202e}\r\n\\",
    "😀",
    " ",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_rendered_is_valid_and_within_the_limits(
        kind in select(Kind::all().collect::<Vec<_>>()),
        of_message in select(messages()),
        name in "\\PC{0,40}",
        detail in prop_oneof![any::<String>(), "[<>&\"'\\\\*_`~|#@{}%😀\r\n\u{0}]{0,3000}"],
        title in proptest::collection::vec(select(PIECES.to_vec()), 0..4),
        template in proptest::collection::vec(select(PIECES.to_vec()), 0..6),
        is_plain in any::<bool>(),
    ) {
        let Some(mut channel) = channel(kind.name) else { return Ok(()) };
        let (_, mut message) = of_message;
        message.description.clone_from(&detail);
        message.facts.conditions = vec![(detail.clone(), false)];
        message.facts.name = name;
        message.facts.detail = detail;
        channel.options.title = Some(title.concat()).filter(|title| !title.is_empty());
        channel.options.message = Some(template.concat()).filter(|text| !text.is_empty());
        let form = if is_plain { Form::Plain } else { Form::Full };
        let Some(request) = request(kind, &channel, &message, form) else { return Ok(()) };
        let is_json = |(name, value): &(String, String)| {
            name.eq_ignore_ascii_case("content-type") && value == "application/json"
        };
        let body = request.body.unwrap_or_default();
        if request.headers.iter().any(is_json) {
            prop_assert!(serde_json::from_str::<Value>(&body).is_ok(), "{}", body);
        }
        for (name, value) in &request.headers {
            prop_assert!(!value.contains(char::is_control), "{name}: {value:?}");
        }
        assert_within_limits(kind.name, &body);
    }
}
