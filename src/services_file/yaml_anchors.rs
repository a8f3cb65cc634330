//! Which keys of the root hold an anchor.

use std::collections::HashSet;

use saphyr_parser::Event;

use crate::services_file::yaml_place::Place;

/// Bound: one name for each key of the root.
#[derive(Debug, Default)]
pub struct RootAnchors(HashSet<String>);

impl RootAnchors {
    /// Notes the anchor of `event`, which is the next one at `place`.
    pub fn note(&mut self, place: &Place, event: &Event) {
        let (Event::MappingStart(anchor, _)
        | Event::SequenceStart(anchor, _)
        | Event::Scalar(_, _, anchor, _)) = event
        else {
            return;
        };
        if *anchor > 0 && place.is_in_value() {
            self.0.extend(place.key().map(str::to_owned));
        }
    }

    /// The keys of the root whose value is an anchor or contains one.
    pub fn into_keys(self) -> HashSet<String> {
        self.0
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
        let (mut place, mut anchors) = (Place::default(), RootAnchors::default());
        for event in Parser::new_from_str(text) {
            let event = event.unwrap().0;
            anchors.note(&place, &event);
            place.follow(&event);
        }
        let mut keys: Vec<String> = anchors.into_keys().into_iter().collect();
        keys.sort();
        assert_eq!(keys, ["block", "inner", "text"]);
    }
}
