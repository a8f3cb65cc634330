//! From YAML to entries, with the line of everything that is wrong.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use saphyr::{MarkedYaml, ScanError, YamlData, YamlLoader};
use saphyr_parser::{Parser, ScalarStyle};
use serde_json::Value;

use super::Problems;
use crate::domain::{Definition, Invalid, Template, Variables};
use crate::spec;
use crate::spec::Dialect;

/// One service of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where it stands.
    pub file: Arc<Path>,
    /// Where it begins, from 1.
    pub line: usize,
    /// What it says.
    pub definition: Definition,
}

/// A file under reading.
pub struct File {
    /// Where it is.
    pub path: Arc<Path>,
    /// What its variables may name.
    pub variables: Variables,
}

/// Nodes that aliases may unfold to: enough for every entry of the largest file to repeat a block, and far from a bomb.
const ALIAS_LIMIT: usize = 2_000_000;

/// Reads the whole text of `file`. Every problem is found, not only the first.
pub fn parse(file: &File, text: &str, problems: &mut Problems) -> Vec<Entry> {
    let text = join_surrogates(text);
    let documents = match load(&text) {
        Ok(documents) => documents,
        Err(error) => {
            problems.add(file, error.marker().line(), format!("invalid YAML: {}", error.info()));
            return Vec::new();
        }
    };
    match documents.as_slice() {
        [document] => root(document, file, problems),
        [] => {
            problems.add(file, 1, "endpoints: required".to_owned());
            Vec::new()
        }
        [_, second, ..] => {
            problems.add(file, line(second), "a second YAML document, expected one".to_owned());
            Vec::new()
        }
    }
}

/// Scalars stay as they are written, so that a service may be called 007.
fn load(text: &str) -> Result<Vec<MarkedYaml<'_>>, ScanError> {
    let mut loader = YamlLoader::default();
    loader.early_parse(false);
    loader.alias_limit(ALIAS_LIMIT);
    Parser::new_from_str(text).load(&mut loader, true)?;
    match loader.error() {
        Some(error) => Err(error.clone()),
        None => Ok(loader.into_documents()),
    }
}

/// JSON writes a character beyond the first plane as two escapes (RFC 8259, section 7), which YAML does not know; both know
/// the same character as one. Only a text that is JSON is touched.
fn join_surrogates(text: &str) -> Cow<'_, str> {
    if !text.trim_start().starts_with('{') || !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
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
    Cow::Owned(joined)
}

/// The one character that two units of UTF-16 make, if they make one.
fn character(high: u16, low: u16) -> Option<char> {
    let mut decoded = char::decode_utf16([high, low]);
    match (decoded.next(), decoded.next()) {
        (Some(Ok(character)), None) => Some(character),
        _ => None,
    }
}

fn root(document: &MarkedYaml, file: &File, problems: &mut Problems) -> Vec<Entry> {
    let map = match Mapping::of(document) {
        Ok(map) => map,
        Err(invalid) => {
            problems.add(file, line(document), invalid.of("the file"));
            return Vec::new();
        }
    };
    for (key, problem) in map.wrong_keys(&["endpoints"]) {
        problems.add(file, line(key), format!("the file: {}: {problem}", shown(key)));
    }
    let (line, problem) = match map.get("endpoints") {
        None => (line(document), "required".to_owned()),
        Some(endpoints) => match &endpoints.data {
            YamlData::Sequence(items) => {
                let numbered = items.iter().enumerate();
                return numbered
                    .filter_map(|(nth, item)| entry(item, nth + 1, file, problems))
                    .collect();
            }
            _ => (line(endpoints), Invalid::new(shown(endpoints), "a list").to_string()),
        },
    };
    problems.add(file, line, format!("the file: endpoints: {problem}"));
    Vec::new()
}

fn entry(item: &MarkedYaml, nth: usize, file: &File, problems: &mut Problems) -> Option<Entry> {
    let known_before = problems.len();
    let map = match Mapping::of(item) {
        Ok(map) => map,
        Err(invalid) => {
            problems.add(file, line(item), invalid.of(format_args!("endpoint {nth}")));
            return None;
        }
    };
    let name = map.get("name").and_then(text);
    let called = name.map_or(format!("endpoint {nth}"), |name| format!("endpoint {nth} ({name})"));
    let mut tell = |line: usize, path: &str, told: &str| {
        problems.add(file, line, format!("{called}: {}: {told}", path.replace('.', ": ")));
    };
    let mut repeated = Vec::new();
    let value = value_of(item, &mut repeated);
    for key in repeated {
        tell(line(key), &shown(key), "duplicate key");
    }
    let Value::Object(object) = value else { return None };
    match spec::read(&object, Dialect::File) {
        Ok(definition) => {
            let set = |name: &&str| file.variables.get(name).is_none();
            let of_target = definition.target.variables();
            let of_options = definition.options.templates().flat_map(Template::variables);
            for name in of_target.iter().map(String::as_str).chain(of_options).filter(set) {
                tell(line_naming(item, name), name, "environment variable not set");
            }
            (problems.len() == known_before).then(|| Entry {
                file: Arc::clone(&file.path),
                line: line(item),
                definition,
            })
        }
        Err(refused) => {
            for problem in refused {
                tell(line_of(item, &problem.path), &problem.path, &problem.rejection.to_string());
            }
            None
        }
    }
}

/// The line where the variable `name` is named first.
fn line_naming(item: &MarkedYaml, name: &str) -> usize {
    let named =
        |node: &MarkedYaml| text(node).is_some_and(|it| it.contains(&format!("${{{name}}}")));
    let inner = |node: &MarkedYaml| named(node).then(|| line(node));
    fn first(node: &MarkedYaml, found: &dyn Fn(&MarkedYaml) -> Option<usize>) -> Option<usize> {
        found(node).or_else(|| match &node.data {
            YamlData::Mapping(mapping) => mapping.values().find_map(|value| first(value, found)),
            YamlData::Sequence(items) => items.iter().find_map(|item| first(item, found)),
            _ => None,
        })
    }
    first(item, &inner).unwrap_or_else(|| line(item))
}

/// The line of what a dotted path leads to, or of as much of it as is there.
fn line_of(item: &MarkedYaml, path: &str) -> usize {
    let mut found = item;
    let mut at = line(item);
    for step in path.split('.') {
        let Some((key, value)) = Mapping::of(found).ok().and_then(|map| map.pair(step)) else {
            break;
        };
        // A mapping begins with its first key, which may be far from its own.
        at = if Mapping::of(value).is_ok() { line(key) } else { line(value) };
        found = value;
    }
    at
}

/// The node as the reader of fields takes it: every scalar is the text as it is written. Keys that are given more than once go to
/// `repeated`.
fn value_of<'a, 'y>(node: &'a MarkedYaml<'y>, repeated: &mut Vec<&'a MarkedYaml<'y>>) -> Value {
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

/// A mapping under reading.
struct Mapping<'a, 'y>(&'a MarkedYaml<'y>);

impl<'a, 'y> Mapping<'a, 'y> {
    fn of(node: &'a MarkedYaml<'y>) -> Result<Self, Invalid> {
        match node.data {
            YamlData::Mapping(_) => Ok(Self(node)),
            _ => Err(Invalid::new(shown(node), "a mapping of keys to values")),
        }
    }

    fn pairs(
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

    /// The value of `key`; none at all counts as not given.
    fn get(&self, key: &str) -> Option<&'a MarkedYaml<'y>> {
        self.pair(key).map(|(_, value)| value).filter(|value| !is_null(value))
    }

    /// The keys that are not among `known`, or there twice, and what is wrong with each.
    fn wrong_keys(&self, known: &[&str]) -> Vec<(&'a MarkedYaml<'y>, String)> {
        let mut wrong = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for (key, _) in self.pairs() {
            match text(key) {
                Some(name) if seen.contains(&name) => {
                    wrong.push((key, "duplicate key".to_owned()));
                }
                Some(name) if known.contains(&name) => seen.push(name),
                _ => {
                    wrong.push((key, format!("unknown key, expected one of {}", known.join(", "))))
                }
            }
        }
        wrong
    }
}

fn line(node: &MarkedYaml) -> usize {
    node.span.start.line()
}

/// A scalar as it is written.
fn text<'a>(node: &'a MarkedYaml) -> Option<&'a str> {
    match &node.data {
        YamlData::Representation(text, _, _) => Some(text),
        _ => None,
    }
}

fn is_null(node: &MarkedYaml) -> bool {
    match &node.data {
        YamlData::Representation(text, ScalarStyle::Plain, _) => {
            matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL")
        }
        _ => false,
    }
}

/// A key as a person would recognise it.
fn shown(node: &MarkedYaml) -> String {
    match &node.data {
        YamlData::Representation(text, _, _) => text.to_string(),
        YamlData::Sequence(_) => "[…]".to_owned(),
        YamlData::Mapping(_) => "{…}".to_owned(),
        _ => "this value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services_file::read_text;

    fn problems(text: &str) -> Vec<String> {
        parse(text).unwrap_err()
    }

    fn parse(text: &str) -> Result<Vec<Entry>, Vec<String>> {
        let variables = [("TOKEN".to_owned(), "s3cret".to_owned())].into();
        read_text(Path::new("s.yaml"), text, &Variables::new(variables))
    }

    #[test]
    fn the_example_of_the_contract_is_read() {
        let entries = parse(
            "endpoints:\n  - name: payment-gateway\n    group: core\n    url: \"https://pay.example.org/health\"\n    \
             interval: 30s\n    enabled: true\n    client:\n      timeout: 10s\n",
        )
        .unwrap();
        let [Entry { line, definition, .. }] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!(*line, 2);
        assert_eq!(definition.name.as_str(), "payment-gateway");
        assert_eq!(definition.group.as_ref().unwrap().as_str(), "core");
        assert_eq!(definition.interval.unwrap().as_seconds(), 30.0);
        assert_eq!(definition.timeout.unwrap().as_seconds(), 10.0);
    }

    #[test]
    fn json_is_yaml_too() {
        let text = r#"{"endpoints": [{"name": "a \ud83d\ude00 \u00e4 \\u", "url": "http://a/", "group": null}]}"#;
        let entries = parse(text).unwrap();
        assert_eq!(entries[0].definition.name.as_str(), "a \u{1f600} ä \\u");
    }

    #[test]
    fn a_name_is_taken_as_it_is_written_and_nothing_counts_as_not_given() {
        let entries = parse(
            "endpoints:\n  - {name: 007, url: http://a/, group: , client: , interval: ~, enabled: no}\n",
        )
        .unwrap();
        let definition = &entries[0].definition;
        assert_eq!(definition.name.as_str(), "007");
        assert_eq!((definition.enabled, definition.interval), (false, None));
    }

    #[test]
    fn a_block_may_be_repeated_by_every_entry() {
        let mut text =
            String::from("endpoints:\n  - {name: a, url: http://a/, client: &c {timeout: 5s}}\n");
        for nth in 0..60_000 {
            text.push_str(&format!("  - {{name: a{nth}, url: http://a/, client: *c}}\n"));
        }
        assert_eq!(parse(&text).unwrap().len(), 60_001);
    }

    #[test]
    fn every_problem_has_line_and_entry() {
        let told = problems(
            "endpoints:\n  - name: a\n    url: ftp://a\n    intreval: 30s\n  - name: b\n    url: http://b/\n    \
             interval: 30\n    client:\n      timeout: never\n      dns: x\n  - url: http://c/\n  - name: d\n    \
             url: http://d/\n  - name: d\n    url: http://e/\nalerting: {}\n",
        );
        for expected in [
            "s.yaml:16: the file: alerting: unknown key",
            "s.yaml:3: endpoint 1 (a): url: invalid value \"ftp://a\", expected",
            "s.yaml:4: endpoint 1 (a): intreval: unknown key",
            "s.yaml:7: endpoint 2 (b): interval: invalid value 30, expected a duration as in Go",
            "s.yaml:9: endpoint 2 (b): client: timeout: invalid value never, expected a duration",
            "s.yaml:10: endpoint 2 (b): client: dns: unknown key",
            "s.yaml:11: endpoint 3: name: required",
            "s.yaml:14: endpoint (d): name: already used by the entry at line 12",
        ] {
            assert!(told.iter().any(|told| told.starts_with(expected)), "{expected}\n{told:#?}");
        }
        assert_eq!(told.len(), 8, "{told:#?}");
    }

    #[test]
    fn what_is_no_list_of_endpoints_is_refused() {
        for bad in [
            "",
            "endpoints: 3",
            "- a",
            "x: [",
            "endpoints:\n  - 3",
            "a: 1\na: 2",
            "endpoints: []\n---\nendpoints: []",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse("endpoints: []").unwrap(), []);
        let twice = problems("endpoints:\n  - {name: a, url: http://a/, \"url\": http://b/}");
        assert_eq!(twice, ["s.yaml:2: endpoint 1 (a): url: duplicate key"]);
    }
}
