//! Access to the mappings of the file, with their lines. Problems are collected.

use serde_json::Value;

use crate::domain::Invalid;
use crate::services_file::yaml::{self, Mapping, Node};
use crate::spec;

/// Line and message of each problem.
#[derive(Debug, Default)]
pub struct Problems(pub Vec<(usize, String)>);

impl Problems {
    pub fn add(&mut self, line: usize, message: String) {
        self.0.push((line, message));
    }
}

/// Where a value is: its line and its path in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub path: String,
}

impl Place {
    pub fn reject(&self, invalid: &Invalid, problems: &mut Problems) {
        problems.add(self.line, invalid.of(&self.path));
    }

    /// For a value that is valid in blackbox_exporter, and that probes cannot do.
    pub fn unsupported(&self, problems: &mut Problems) {
        problems.add(self.line, format!("{}: not supported", self.path));
    }
}

/// A mapping; without entries where the file has none.
pub struct Block<'a, 'y> {
    mapping: Option<Mapping<'a, 'y>>,
    place: Place,
}

impl<'a, 'y> Block<'a, 'y> {
    /// `None` for a node that is no mapping.
    pub fn of(node: &'a Node<'y>, place: Place, problems: &mut Problems) -> Option<Self> {
        if yaml::is_null(node) {
            return Some(Self { mapping: None, place });
        }
        match Mapping::of(node) {
            Ok(mapping) => Some(Self { mapping: Some(mapping), place }),
            Err(invalid) => {
                place.reject(&invalid, problems);
                None
            }
        }
    }

    /// Names, their places and values; the YAML loader refuses equal names.
    pub fn entries(&self, problems: &mut Problems) -> Vec<(&'a str, Place, &'a Node<'y>)> {
        let mut entries: Vec<(&str, Place, &Node)> = Vec::new();
        for (key, value) in self.mapping.iter().flat_map(Mapping::pairs) {
            let Some(name) = yaml::text(key) else {
                let invalid = Invalid::new(yaml::shown(key), "a text as key");
                Place { line: yaml::line(key), ..self.place.clone() }.reject(&invalid, problems);
                continue;
            };
            let place = self.at(name, yaml::line(key));
            entries.push((name, place, value));
        }
        entries
    }

    /// Refuses keys that neither are in `known` nor have a default of blackbox_exporter as their
    /// value: those of `unsupported` as such, and others as unknown.
    pub fn check_keys(&self, known: &[&str], unsupported: &[&str], problems: &mut Problems) {
        for (name, place, value) in self.entries(problems) {
            if known.contains(&name) {
                continue;
            }
            if !unsupported.contains(&name) {
                let expected = known.join(", ");
                let message = format!("{}: unknown key, expected one of {expected}", place.path);
                problems.add(place.line, message);
            } else if !is_default(&yaml::value_of(value, &mut Vec::new())) {
                place.unsupported(problems);
            }
        }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    fn at(&self, name: &str, line: usize) -> Place {
        let path = match self.place.path.as_str() {
            "" => name.to_owned(),
            outer => format!("{outer}.{name}"),
        };
        Place { line, path }
    }

    /// The value of `key` with its place; `None` also for null.
    pub fn get(&self, key: &str) -> Option<(Place, &'a Node<'y>)> {
        let mapping = self.mapping.as_ref()?;
        let mut pairs = mapping.pairs();
        let (name, value) = pairs.find(|(name, _)| yaml::text(name) == Some(key))?;
        (!yaml::is_null(value)).then(|| (self.at(key, yaml::line(name)), value))
    }

    pub fn text(&self, key: &str, problems: &mut Problems) -> Option<(Place, &'a str)> {
        let (place, node) = self.get(key)?;
        let text = text_at(&place, node, problems)?;
        Some((place, text))
    }

    pub fn boolean(&self, key: &str, problems: &mut Problems) -> Option<(Place, bool)> {
        let (place, text) = self.text(key, problems)?;
        let value = spec::truth(text);
        if value.is_none() {
            place.reject(&Invalid::new(text, "true or false"), problems);
        }
        value.map(|value| (place, value))
    }

    /// The entries of a list, each with its place.
    pub fn list(&self, key: &str, problems: &mut Problems) -> Vec<(Place, &'a Node<'y>)> {
        let Some((place, node)) = self.get(key) else { return Vec::new() };
        let Some(items) = yaml::items(node) else {
            place.reject(&Invalid::new(yaml::shown(node), "a list"), problems);
            return Vec::new();
        };
        let path = |nth: usize| format!("{}.{}", place.path, nth + 1);
        let items = items.iter().enumerate();
        items.map(|(nth, it)| (Place { line: yaml::line(it), path: path(nth) }, it)).collect()
    }

    /// The texts of a list.
    pub fn texts(&self, key: &str, problems: &mut Problems) -> Vec<&'a str> {
        let items = self.list(key, problems);
        items.iter().filter_map(|(place, item)| text_at(place, item, problems)).collect()
    }

    /// A nested mapping; an empty one where there is none.
    pub fn block(&self, key: &str, problems: &mut Problems) -> Option<Self> {
        match self.get(key) {
            Some((place, node)) => Self::of(node, place, problems),
            None => Some(Self { mapping: None, place: self.at(key, self.place.line) }),
        }
    }
}

fn text_at<'a>(place: &Place, node: &'a Node<'_>, problems: &mut Problems) -> Option<&'a str> {
    let text = yaml::text(node);
    if text.is_none() {
        place.reject(&Invalid::hidden("a text"), problems);
    }
    text
}

/// Whether a value has no effect in blackbox_exporter.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || text == "0" || spec::truth(text) == Some(false),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_default),
        _ => false,
    }
}
