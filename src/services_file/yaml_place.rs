//! Where in a text an event is: the key of the root around it, and the item of a list of the root.

use saphyr_parser::Event;

/// The lists whose items are services.
pub const LISTS: [&str; 2] = ["endpoints", "external-endpoints"];

/// Follows the events of a text.
#[derive(Debug, Default)]
pub struct Place {
    /// Documents that have begun.
    documents: usize,
    /// Open collections.
    depth: usize,
    /// The next node of the root mapping is a value.
    is_value: bool,
    /// The key of the root whose value is open or comes next.
    key: Option<String>,
    /// The open value is a list of services.
    is_list: bool,
}

/// What an event is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// An item of one of the [`LISTS`]; `ends` with the last event of the item.
    Item {
        ends: bool,
    },
    Rest,
}

impl Place {
    pub fn follow(&mut self, event: &Event) -> Part {
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                let part = self.part(false);
                self.is_list |= self.is_in_value()
                    && self.depth == 1
                    && matches!(event, Event::SequenceStart(..))
                    && self.key.as_deref().is_some_and(|key| LISTS.contains(&key));
                self.depth += 1;
                part
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.depth = self.depth.saturating_sub(1);
                let part = if self.depth >= 2 { self.part(self.depth == 2) } else { Part::Rest };
                self.end_of_node();
                part
            }
            Event::Scalar(text, ..) => {
                if self.depth == 1 && !self.is_value {
                    self.key = Some(text.to_string());
                }
                let part = self.part(self.depth == 2);
                self.end_of_node();
                part
            }
            Event::Alias(_) => {
                let part = self.part(self.depth == 2);
                self.end_of_node();
                part
            }
            Event::DocumentStart(_) => {
                *self = Self { documents: self.documents + 1, ..Self::default() };
                Part::Rest
            }
            _ => Part::Rest,
        }
    }

    /// The number of the document, from 0.
    pub fn document(&self) -> usize {
        self.documents.saturating_sub(1)
    }

    /// The key of the root.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Whether the next node, or the open one, belongs to a value of the root.
    pub fn is_in_value(&self) -> bool {
        self.depth > 1 || (self.depth == 1 && self.is_value)
    }

    fn part(&self, ends: bool) -> Part {
        if self.is_list && self.depth >= 2 { Part::Item { ends } } else { Part::Rest }
    }

    fn end_of_node(&mut self) {
        if self.depth == 1 {
            self.is_list = false;
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

    /// The scalars of all items, each with its key, and a bar behind each item.
    fn items(text: &str) -> String {
        let (mut place, mut found) = (Place::default(), String::new());
        for event in Parser::new_from_str(text) {
            let event = event.unwrap().0;
            let Part::Item { ends } = place.follow(&event) else { continue };
            if let Event::Scalar(text, ..) = &event {
                found += &format!("{}:{text} ", place.key().unwrap());
            }
            if ends {
                found += "| ";
            }
        }
        found
    }

    #[test]
    fn items_of_the_lists_of_services_are_told_from_the_rest() {
        let text = "alerting: {slack: [x]}\nendpoints:\n  - {a: [b, {c: d}]}\n  - text\n  - [e]\n\
                    other: [y]\n? [endpoints]\n: [z]\nexternal-endpoints: [{f: g}, *h]\n"
            .replace("*h", "i");
        let expected = "endpoints:a endpoints:b endpoints:c endpoints:d | endpoints:text | \
                        endpoints:e | external-endpoints:f external-endpoints:g | \
                        external-endpoints:i | ";
        assert_eq!(items(&text), expected);
        assert_eq!(items("endpoints: {a: [b]}\nx: {endpoints: [c]}"), "", "no list of the root");
        assert_eq!(items("- endpoints: [a]\n"), "");
        assert_eq!(items("endpoints: []\n---\nendpoints: [a]"), "endpoints:a | ");
    }
}
