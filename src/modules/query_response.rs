//! The dialogue of the probers `tcp` and `websocket`.

use crate::domain::service::bytes_regex::BytesRegex;
use crate::domain::service::options::DialogueStep;
use crate::modules::block::{Block, Problems};
use crate::modules::draft::Draft;

/// Reads `query_response`. Where `upgrades`, one step may begin TLS.
pub fn read(block: &Block, upgrades: bool, draft: &mut Draft, problems: &mut Problems) {
    let known = if upgrades { &["expect", "send", "starttls"][..] } else { &["expect", "send"] };
    for (place, node) in block.list("query_response", problems) {
        let Some(entry) = Block::of(node, place, problems) else { return };
        entry.check_keys(known, &["labels", "expect_bytes", "starttls"], problems);
        let mut step = DialogueStep::default();
        if let Some((place, text)) = entry.text("expect", problems).filter(|it| !it.1.is_empty()) {
            match BytesRegex::parse(text) {
                Ok(regex) => step.expect = Some(regex),
                Err(invalid) => place.reject(&invalid, problems),
            }
        }
        let send = entry.text("send", problems).filter(|(_, text)| !text.is_empty());
        step.send = send.map(|(_, text)| text.to_owned());
        if let Some((place, true)) = entry.boolean("starttls", problems).filter(|_| upgrades) {
            step.upgrades = true;
            if draft.upgrades {
                problems.add(place.line, format!("{}: not supported twice", place.path));
            }
            draft.upgrades = true;
        }
        draft.of_module.dialogue.push(step);
    }
}
