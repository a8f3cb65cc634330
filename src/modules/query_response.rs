//! The dialogue of the probers `tcp` and `websocket`: at most one expectation.

use serde_json::json;

use crate::domain::service::bytes_regex::BytesRegex;
use crate::modules::block::{Block, Place, Problems};
use crate::modules::draft::{Draft, literal};
use crate::spec::field::{SENT, STARTTLS_PROTOCOL};

/// One thing that is done, in its order.
#[derive(Debug, PartialEq)]
enum Step<'a> {
    Send(&'a str),
    Expect(Place, &'a str),
    StartTls,
}

/// Reads `query_response`. What is sent before the expectation is sent together; what is sent after
/// it decides nothing, and is left out. `line_end` is what the exporter adds to a text.
pub fn read(block: &Block, line_end: &str, draft: &mut Draft, problems: &mut Problems) {
    let key = "query_response";
    let mut steps = Vec::new();
    for (place, node) in block.list(key, problems) {
        let Some(entry) = Block::of(node, place, problems) else { return };
        let unsupported = ["labels", "expect_bytes"];
        entry.check_keys(&["expect", "send", "starttls"], &unsupported, problems);
        if let Some((place, expect)) = entry.text("expect", problems).filter(|it| !it.1.is_empty())
        {
            steps.push(Step::Expect(place, expect));
        }
        if let Some((_, text)) = entry.text("send", problems).filter(|it| !it.1.is_empty()) {
            steps.push(Step::Send(text));
        }
        if let Some((_, true)) = entry.boolean("starttls", problems) {
            steps.push(Step::StartTls);
        }
    }
    let Some((place, _)) = block.get(key).filter(|_| !steps.is_empty()) else { return };
    if is_starttls_of_smtp(&steps) {
        draft.upgrades = true;
        draft.put(STARTTLS_PROTOCOL, json!("smtp"), place);
        return;
    }
    let expects = steps.iter().filter(|step| matches!(step, Step::Expect(..))).count();
    if expects > 1 || steps.contains(&Step::StartTls) {
        let expected = "texts to send and at most one expect, or the dialogue of SMTP up to \
                        starttls";
        problems.add(place.line, format!("{}: not supported, expected {expected}", place.path));
        return;
    }
    let mut sent = String::new();
    for step in &steps {
        match step {
            Step::Send(text) => sent.push_str(&format!("{text}{line_end}")),
            Step::Expect(place, text) => {
                match BytesRegex::parse(text) {
                    Ok(regex) => draft.expect_line = Some(regex),
                    Err(invalid) => place.reject(&invalid, problems),
                }
                break;
            }
            Step::StartTls => {}
        }
    }
    if !sent.is_empty() {
        draft.put(SENT, literal(&sent), place);
    }
}

/// `EHLO`, then `STARTTLS`, then TLS; the greeting has the code 220.
fn is_starttls_of_smtp(steps: &[Step<'_>]) -> bool {
    let Some(upgrade) = steps.iter().position(|step| *step == Step::StartTls) else { return false };
    let sent = |text: &str| {
        steps[..upgrade].iter().position(|step| match step {
            Step::Send(sent) => sent.trim().to_ascii_uppercase().starts_with(text),
            _ => false,
        })
    };
    let greets = matches!(steps.first(), Some(Step::Expect(_, expect)) if expect.contains("220"));
    let says_hello = sent("EHLO").or_else(|| sent("HELO"));
    greets && says_hello.zip(sent("STARTTLS")).is_some_and(|(hello, upgrade)| hello < upgrade)
}
