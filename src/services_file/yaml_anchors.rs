//! Which keys of the root hold an anchor.

use std::collections::HashSet;

use saphyr_parser::Event;

/// Follows the events of a text. Bound: one name for each key of the root.
#[derive(Debug, Default)]
pub struct RootAnchors {
    depth: usize,
    /// The next node of the root mapping is a value.
    is_value: bool,
    key: Option<String>,
    anchored: HashSet<String>,
}

impl RootAnchors {
    pub fn follow(&mut self, event: &Event) {
        match event {
            Event::MappingStart(anchor, _) | Event::SequenceStart(anchor, _) => {
                self.node(*anchor);
                self.depth += 1;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.depth = self.depth.saturating_sub(1);
                self.end_of_node();
            }
            Event::Scalar(text, _, anchor, _) => {
                if self.depth == 1 && !self.is_value {
                    self.key = Some(text.to_string());
                }
                self.node(*anchor);
                self.end_of_node();
            }
            Event::Alias(_) => self.end_of_node(),
            _ => {}
        }
    }

    /// The keys of the root whose value is an anchor or contains one.
    pub fn into_keys(self) -> HashSet<String> {
        self.anchored
    }

    fn node(&mut self, anchor: usize) {
        let is_in_value = self.depth > 1 || (self.depth == 1 && self.is_value);
        if anchor > 0 && is_in_value {
            self.anchored.extend(self.key.clone());
        }
    }

    fn end_of_node(&mut self) {
        if self.depth == 1 {
            self.is_value = !self.is_value;
            if !self.is_value {
                self.key = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use saphyr_parser::Parser;

    use super::*;

    #[test]
    fn an_anchor_belongs_to_the_key_of_the_root_around_it() {
        let text = "plain: {a: [b]}\nblock: &b\n  x: 1\ntext: &t y\nalias: *b\n? [k]\n: &c {}\n\
                    inner:\n  - deep: {er: &d z}\nlast: *t\n";
        let mut anchors = RootAnchors::default();
        for event in Parser::new_from_str(text) {
            anchors.follow(&event.unwrap().0);
        }
        let mut keys: Vec<String> = anchors.into_keys().into_iter().collect();
        keys.sort();
        assert_eq!(keys, ["block", "inner", "text"]);
    }
}
