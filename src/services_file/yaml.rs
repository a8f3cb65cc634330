//! YAML nodes with their lines.

use std::collections::HashSet;

use saphyr::{MarkedYaml, ScanError, YamlData, YamlLoader};
use saphyr_parser::{Event, Parser, ScalarStyle, Span, SpannedEventReceiver};
use serde_json::Value;

use crate::domain::invalid::Invalid;
use crate::domain::service::template::Template;
use crate::services_file::yaml_anchors::RootAnchors;
use crate::services_file::yaml_limits::Limits;
use crate::services_file::yaml_place::{Part, Place};

/// A node with its line.
pub type Node<'y> = MarkedYaml<'y>;

/// A text that was loaded.
pub struct Loaded<'t> {
    pub documents: Vec<MarkedYaml<'t>>,
    /// Keys of the root whose value is an anchor or contains one.
    pub anchored: HashSet<String>,
    /// The items of the lists of services are left out of the documents: [`each_item`] reads them.
    pub is_split: bool,
}

/// Why a text is not loaded.
#[derive(Debug)]
pub struct LoadError {
    pub line: usize,
    pub problem: String,
}

impl From<&ScanError> for LoadError {
    fn from(error: &ScanError) -> Self {
        Self { line: error.marker().line(), problem: error.info().to_owned() }
    }
}

/// Loads all documents within [`Limits`]. Scalars remain texts, so that a service may have the name
/// 007.
///
/// The nodes of an entry take ten times as much memory as the service, so the items of the lists of
/// services are read one by one later, unless they depend on other nodes.
pub fn load(text: &str) -> Result<Loaded<'_>, LoadError> {
    let split = load_parts(text, true)?;
    let loaded = split.map_or_else(|| load_parts(text, false), |loaded| Ok(Some(loaded)))?;
    // Only a split text may be given up.
    Ok(loaded.unwrap_or(Loaded { documents: vec![], anchored: HashSet::new(), is_split: false }))
}

/// With `splits`, items are checked and dropped; `None` when the text has an alias, or an item a
/// merge key.
fn load_parts(text: &str, splits: bool) -> Result<Option<Loaded<'_>>, LoadError> {
    let (mut rest, mut item) = (new_loader(), ItemLoader::default());
    let (mut limits, mut anchors) = (Limits::default(), RootAnchors::default());
    let mut place = Place::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| LoadError::from(&error))?;
        let line = span.start.line();
        limits.count(&event).map_err(|problem| LoadError { line, problem })?;
        anchors.note(&place, &event);
        match place.follow(&event) {
            _ if splits && matches!(event, Event::Alias(_)) => return Ok(None),
            Part::Item { .. } if splits && is_merge_key(&event) => return Ok(None),
            Part::Item { ends } if splits => drop(item.add(event, span, ends)?),
            _ => {
                rest.on_event(event, span);
                if let Some(error) = rest.error() {
                    return Err(error.into());
                }
            }
        }
    }
    let (documents, anchored) = (rest.into_documents(), anchors.into_keys());
    Ok(Some(Loaded { documents, anchored, is_split: splits }))
}

fn is_merge_key(event: &Event) -> bool {
    matches!(event, Event::Scalar(text, ..) if text == "<<")
}

/// Reads the items of a list of services of a document, counted from 0, one after the other.
pub fn each_item<'t>(
    text: &'t str,
    document: usize,
    key: &str,
    read: &mut dyn FnMut(&MarkedYaml<'t>),
) -> Result<(), LoadError> {
    let (mut place, mut item) = (Place::default(), ItemLoader::default());
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| LoadError::from(&error))?;
        let Part::Item { ends } = place.follow(&event) else { continue };
        if place.document() == document
            && place.key() == Some(key)
            && let Some(node) = item.add(event, span, ends)?
        {
            read(&node);
        }
    }
    Ok(())
}

fn new_loader<'t>() -> YamlLoader<'t, MarkedYaml<'t>> {
    let mut loader = YamlLoader::default();
    loader.early_parse(false);
    loader.alias_limit(usize::MAX);
    loader
}

/// Loads one node after the other.
#[derive(Default)]
struct ItemLoader<'t>(Option<YamlLoader<'t, MarkedYaml<'t>>>);

impl<'t> ItemLoader<'t> {
    /// Adds an event of a node; returns the node if it `ends` with the event.
    fn add(
        &mut self,
        event: Event<'t>,
        span: Span,
        ends: bool,
    ) -> Result<Option<MarkedYaml<'t>>, LoadError> {
        let loader = self.0.get_or_insert_with(new_loader);
        loader.on_event(event, span);
        if let Some(error) = loader.error() {
            return Err(error.into());
        }
        let Some(mut loader) = self.0.take_if(|_| ends) else { return Ok(None) };
        loader.on_event(Event::DocumentEnd, span);
        Ok(loader.into_documents().pop())
    }
}

/// Replaces surrogate pairs by their character. JSON escapes a character beyond the first plane as
/// two units (RFC 8259, section 7), which YAML does not support. Other texts than JSON are not
/// changed.
pub fn join_surrogates(text: &mut String) {
    if !text.trim_start().starts_with('{') || !text.contains("\\u") {
        return;
    }
    let mut joined = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("\\u") {
        let unit = |from: usize| {
            let escape = rest.get(from..from + 6)?.strip_prefix("\\u")?;
            u16::from_str_radix(escape, 16).ok()
        };
        match unit(at).zip(unit(at + 6)).and_then(|(high, low)| character(high, low)) {
            Some(character) => {
                joined.push_str(&rest[..at]);
                joined.push(character);
                rest = &rest[at + 12..];
            }
            None => {
                joined.push_str(&rest[..at + 2]);
                rest = &rest[at + 2..];
            }
        }
    }
    joined.push_str(rest);
    *text = joined;
}

/// The character of two UTF-16 units, if they are a surrogate pair.
fn character(high: u16, low: u16) -> Option<char> {
    let mut decoded = char::decode_utf16([high, low]);
    match (decoded.next(), decoded.next()) {
        (Some(Ok(character)), None) => Some(character),
        _ => None,
    }
}

/// The first line with the variable `name`.
pub fn line_of_variable(item: &MarkedYaml, name: &str) -> usize {
    fn first(node: &MarkedYaml, name: &str) -> Option<usize> {
        match &node.data {
            YamlData::Mapping(mapping) => mapping
                .iter()
                .find_map(|(key, value)| first(key, name).or_else(|| first(value, name))),
            YamlData::Sequence(items) => items.iter().find_map(|item| first(item, name)),
            _ => text(node).filter(|text| has_variable(text, name)).map(|_| line(node)),
        }
    }
    first(item, name).unwrap_or_else(|| line(item))
}

fn has_variable(text: &str, name: &str) -> bool {
    let template = Template::parse(&Template::with_braces(text)).ok();
    template.is_some_and(|template| template.variables().any(|variable| variable == name))
}

/// The line of the value at a dotted path, or of the longest part of the path that exists. Entries
/// of lists are counted from 1.
pub fn line_of(item: &MarkedYaml, path: &str) -> usize {
    let mut found = item;
    let mut at = line(item);
    for step in path.split('.') {
        if let YamlData::Sequence(items) = &found.data {
            let number = step.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let Some(entry) = number.and_then(|nth| items.get(nth)) else { break };
            (found, at) = (entry, line(entry));
            continue;
        }
        let Some((key, value)) = Mapping::of(found).ok().and_then(|map| map.pair(step)) else {
            break;
        };
        // The span of a mapping begins at its first key, which may be lines below its own key.
        at = if Mapping::of(value).is_ok() { line(key) } else { line(value) };
        found = value;
    }
    at
}

/// The node as JSON, with every scalar as a text. Duplicate keys are added to `repeated`.
pub fn value_of<'a, 'y>(node: &'a MarkedYaml<'y>, repeated: &mut Vec<&'a MarkedYaml<'y>>) -> Value {
    match &node.data {
        _ if is_null(node) => Value::Null,
        YamlData::Representation(text, _, _) => Value::String(text.to_string()),
        YamlData::Sequence(items) => items.iter().map(|item| value_of(item, repeated)).collect(),
        YamlData::Mapping(mapping) => {
            let mut object = serde_json::Map::new();
            for (key, value) in mapping {
                if object.insert(shown(key), value_of(value, repeated)).is_some() {
                    repeated.push(key);
                }
            }
            Value::Object(object)
        }
        _ => Value::Null,
    }
}

/// A node that is a mapping.
pub struct Mapping<'a, 'y>(&'a MarkedYaml<'y>);

impl<'a, 'y> Mapping<'a, 'y> {
    pub fn of(node: &'a MarkedYaml<'y>) -> Result<Self, Invalid> {
        match node.data {
            YamlData::Mapping(_) => Ok(Self(node)),
            // A text may be a URL with a password, or a whole file with a token.
            _ => Err(Invalid::hidden("a mapping of keys to values")),
        }
    }

    pub fn pairs(
        &self,
    ) -> impl Iterator<Item = (&'a MarkedYaml<'y>, &'a MarkedYaml<'y>)> + use<'a, 'y> {
        let mapping = match &self.0.data {
            YamlData::Mapping(mapping) => Some(mapping),
            _ => None,
        };
        mapping.into_iter().flatten()
    }

    fn pair(&self, key: &str) -> Option<(&'a MarkedYaml<'y>, &'a MarkedYaml<'y>)> {
        self.pairs().find(|(name, _)| text(name) == Some(key))
    }

    /// `None` also for null.
    pub fn get(&self, key: &str) -> Option<&'a MarkedYaml<'y>> {
        self.pair(key).map(|(_, value)| value).filter(|value| !is_null(value))
    }
}

pub fn line(node: &MarkedYaml) -> usize {
    node.span.start.line()
}

/// The entries of a list; `None` for another node.
pub fn items<'a, 'y>(node: &'a MarkedYaml<'y>) -> Option<&'a [MarkedYaml<'y>]> {
    match &node.data {
        YamlData::Sequence(items) => Some(items),
        _ => None,
    }
}

/// A scalar as written.
pub fn text<'a>(node: &'a MarkedYaml) -> Option<&'a str> {
    match &node.data {
        YamlData::Representation(text, _, _) => Some(text),
        _ => None,
    }
}

pub fn is_null(node: &MarkedYaml) -> bool {
    match &node.data {
        YamlData::Representation(text, ScalarStyle::Plain, _) => {
            matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL")
        }
        _ => false,
    }
}

/// A node in an error message.
pub fn shown(node: &MarkedYaml) -> String {
    match &node.data {
        YamlData::Representation(text, _, _) => text.to_string(),
        YamlData::Sequence(_) => "[…]".to_owned(),
        YamlData::Mapping(_) => "{…}".to_owned(),
        _ => "…".to_owned(),
    }
}
