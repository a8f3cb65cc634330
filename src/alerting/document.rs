//! The text of docs/alerting-providers.md.

use serde_json::Value;

use crate::alerting::{Class, Key, Kind, Row};

const HEAD: &str = "\
# Kinds of channels

Generated from `src/alerting/providers.yaml`; `UPDATE_GOLDEN=1 cargo test --lib alerting` rewrites
this page. How channels are set up and tested: [alerting.md](alerting.md).

The 41 types of Gatus are kinds here, with the same keys; `webhook`, `alertmanager` and `apprise`
are additional. Differences from Gatus:

- `aws-ses` needs keys: the role of the machine is not used.
- `github`, `gitea` and `clickup` close the issue that they opened, not those with the same title.
  A reminder is a comment.
- `opsgenie` has no prefixes by default, and `source` and GitLab's `monitoring-tool` are
  `service-healthcheck`. What queries and automations select by keeps the name of Gatus: the event
  `gatus_alert` of Home Assistant, `GatusAlert` of New Relic, `gatus:alert` of Splunk.

Every kind also takes `title` and `message` (templates of the texts) and `client` (`timeout`,
`insecure`, `tls.ca-file`, `proxy-url`). Every kind with a fixed address takes `base-url`, the begin
of the URL in its place. A secret is masked wherever it is shown.
";

const WIDTH: usize = 100;

fn document() -> String {
    Kind::all().fold(HEAD.to_owned(), |text, kind| text + &section(kind))
}

fn section(kind: Kind) -> String {
    let row = kind.row;
    let mut text = format!("\n## {}\n\n{}", kind.name, wrapped("", &about(row)));
    let keys = row.keys.iter().filter(|(name, _)| *name != "base-url" || row.keys[*name].required);
    let lines: String =
        keys.map(|(name, key)| wrapped("- ", &format!("`{name}`: {}", valid(key)))).collect();
    text.push('\n');
    text + &lines
}

fn about(row: &Row) -> String {
    let class = match row.class {
        Class::Chat => "Messages to people.",
        Class::Sms => "Short messages to telephones.",
        Class::Mail => "Mail.",
        Class::Incident => "An alert opens an incident, and its end closes it.",
        Class::Tracker => "An alert opens an issue, and its end closes it.",
        Class::Stream => "Each change is delivered as data.",
    };
    let each = row.each.as_ref().map(|key| format!(" One request for each item of `{key}`."));
    let limits = match (row.limits.title, row.limits.message) {
        (Some(title), Some(message)) => {
            format!(" Longest title: {title} characters; longest message: {message}.")
        }
        _ => String::new(),
    };
    format!("{class}{}{limits}", each.unwrap_or_default())
}

fn valid(key: &Key) -> String {
    let mut text = key.expected();
    if key.required {
        text.push_str("; required");
    }
    if key.secret {
        text.push_str("; secret");
    }
    match &key.default {
        None => {}
        Some(Value::String(default)) if default.is_empty() => {}
        Some(Value::String(default)) => text.push_str(&format!("; default `{default}`")),
        Some(default) => text.push_str(&format!("; default `{default}`")),
    }
    text
}

/// `text` in lines of at most [`WIDTH`] characters, the first after `mark`, the others indented.
fn wrapped(mark: &str, text: &str) -> String {
    let (mut lines, mut line) = (String::new(), mark.to_owned());
    for word in text.split(' ') {
        let is_first = line.trim_end().len() <= mark.trim_end().len();
        if !is_first && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = " ".repeat(mark.len());
        } else if !is_first {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines + &line + "\n"
}

#[test]
fn the_document_of_the_kinds_agrees_with_the_table() {
    super::golden::compare("docs/alerting-providers.md", &document());
}
