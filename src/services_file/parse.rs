//! From YAML to entries, with the line of everything that is wrong.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr::{MarkedYaml, ScanError, YamlData, YamlLoader};
use saphyr_parser::{Parser, ScalarStyle};

use super::Problems;
use crate::domain::service::CONDITIONS_MAX;
use crate::domain::{
    Condition, Definition, Group, Interval, Invalid, Name, Target, Timeout, duration,
};

/// One service of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where it begins, from 1.
    pub line: usize,
    /// What it says.
    pub definition: Definition,
}

/// Nodes that aliases may unfold to: enough for every entry of the largest file to repeat a block, and far from a bomb.
const ALIAS_LIMIT: usize = 2_000_000;

/// Reads the whole file. Every problem is found, not only the first.
pub fn parse(text: &str) -> Result<Vec<Entry>, Problems> {
    let mut problems = Problems::default();
    let text = join_surrogates(text);
    let documents = match load(&text) {
        Ok(documents) => documents,
        Err(error) => {
            problems.add(error.marker().line(), format!("not YAML: {}", error.info()));
            return Err(problems);
        }
    };
    let mut entries = Vec::new();
    match documents.as_slice() {
        [document] => root(document, &mut entries, &mut problems),
        [] => problems.add(1, "endpoints: missing".to_owned()),
        [_, second, ..] => problems.add(line(second), "a second YAML document".to_owned()),
    }
    refuse_duplicates(&entries, &mut problems);
    if problems.0.is_empty() { Ok(entries) } else { Err(problems) }
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

fn root(document: &MarkedYaml, entries: &mut Vec<Entry>, problems: &mut Problems) {
    let mut map = Map::new(document, "the file", problems);
    let endpoints = map.take("endpoints");
    map.refuse_others(&["endpoints"]);
    let Some(endpoints) = endpoints else {
        map.problem(line(document), "endpoints", "missing");
        return;
    };
    let YamlData::Sequence(items) = &endpoints.data else {
        map.problem(line(endpoints), "endpoints", "not a list");
        return;
    };
    for (nth, item) in items.iter().enumerate() {
        entries.extend(entry(item, nth + 1, problems));
    }
}

fn entry(item: &MarkedYaml, nth: usize, problems: &mut Problems) -> Option<Entry> {
    let known_before = problems.0.len();
    let mut map = Map::new(item, &format!("endpoint {nth}"), problems);
    if !map.is_mapping() {
        return None;
    }
    if let Some(name) = map.take("name").and_then(text) {
        map.entry = format!("endpoint {nth} ({name})");
    }
    for required in ["name", "url"] {
        if map.take(required).is_none() {
            map.problem(line(item), required, "missing");
        }
    }
    let name = map.read("name", |node| Name::parse(text_of(node)?));
    let target = map.read("url", |node| Target::parse(text_of(node)?));
    let group = map.read("group", |node| Group::parse(text_of(node)?));
    let enabled = map.read("enabled", |node| match text(node) {
        Some("true" | "True" | "TRUE" | "yes" | "on") => Ok(true),
        Some("false" | "False" | "FALSE" | "no" | "off") => Ok(false),
        _ => Err(Invalid::new(shown(node), "true or false")),
    });
    let interval = map.read("interval", |node| Interval::from_seconds(seconds_of(node)?));
    let conditions = map.read("conditions", |node| match &node.data {
        YamlData::Sequence(items) if items.len() <= CONDITIONS_MAX => {
            items.iter().map(|item| Condition::parse(text_of(item)?)).collect()
        }
        _ => Err(Invalid::new(shown(node), "a list of at most 50 conditions")),
    });
    let client = map.take("client");
    map.refuse_others(&["name", "group", "url", "interval", "enabled", "conditions", "client"]);
    let told = map.entry;
    let mut client = client.map(|node| Map::new(node, &format!("{told}: client"), problems));
    let timeout = client.as_mut().and_then(|client| {
        client.refuse_others(&["timeout"]);
        client.read("timeout", |node| Timeout::from_seconds(seconds_of(node)?))
    });
    if problems.0.len() > known_before {
        return None;
    }
    let definition = Definition {
        name: name?,
        target: target?,
        group: group.flatten(),
        enabled: enabled.unwrap_or(true),
        interval,
        timeout,
        conditions: conditions.unwrap_or_default(),
    };
    Some(Entry { line: line(item), definition })
}

fn refuse_duplicates(entries: &[Entry], problems: &mut Problems) {
    let mut lines: HashMap<&str, usize> = HashMap::new();
    for entry in entries {
        let name = entry.definition.name.as_str();
        match lines.get(name) {
            Some(first) => problems.add(
                entry.line,
                format!("endpoint ({name}): name: already used by the entry at line {first}"),
            ),
            None => drop(lines.insert(name, entry.line)),
        }
    }
}

/// A mapping under reading.
struct Map<'a, 'y, 'p> {
    node: &'a MarkedYaml<'y>,
    entry: String,
    problems: &'p mut Problems,
}

impl<'a, 'y, 'p> Map<'a, 'y, 'p> {
    fn new(node: &'a MarkedYaml<'y>, entry: &str, problems: &'p mut Problems) -> Self {
        let map = Self { node, entry: entry.to_owned(), problems };
        if !map.is_mapping() {
            map.problems.add(line(node), format!("{entry}: not a mapping of keys to values"));
        }
        map
    }

    fn is_mapping(&self) -> bool {
        matches!(self.node.data, YamlData::Mapping(_))
    }

    /// What it maps; nothing when it is no mapping.
    fn pairs(
        &self,
    ) -> impl Iterator<Item = (&'a MarkedYaml<'y>, &'a MarkedYaml<'y>)> + use<'a, 'y> {
        let mapping = match &self.node.data {
            YamlData::Mapping(mapping) => Some(mapping),
            _ => None,
        };
        mapping.into_iter().flatten()
    }

    /// The value of `key`; none at all counts as not given.
    fn take(&self, key: &str) -> Option<&'a MarkedYaml<'y>> {
        let (_, value) = self.pairs().find(|(name, _)| text(name) == Some(key))?;
        (!is_null(value)).then_some(value)
    }

    fn problem(&mut self, line: usize, key: &str, what: &str) {
        self.problems.add(line, format!("{}: {key}: {what}", self.entry));
    }

    fn read<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&MarkedYaml) -> Result<T, Invalid>,
    ) -> Option<T> {
        let node = self.take(key)?;
        match parse(node) {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.problem(line(node), key, &invalid.to_string());
                None
            }
        }
    }

    fn refuse_others(&mut self, known: &[&str]) {
        let mut seen: Vec<&str> = Vec::new();
        for (key, _) in self.pairs() {
            if let Some(name) = text(key) {
                if seen.contains(&name) {
                    self.problem(line(key), name, "given more than once");
                }
                seen.push(name);
            }
            if !text(key).is_some_and(|key| known.contains(&key)) {
                let accepted = known.join(", ");
                self.problem(
                    line(key),
                    &shown(key),
                    &format!("unknown key; accepted are {accepted}"),
                );
            }
        }
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

fn text_of<'a>(node: &'a MarkedYaml) -> Result<&'a str, Invalid> {
    text(node).ok_or_else(|| Invalid::new(shown(node), "a text"))
}

fn seconds_of(node: &MarkedYaml) -> Result<f64, Invalid> {
    text(node).and_then(duration::seconds).ok_or_else(|| {
        Invalid::new(shown(node), "a duration as in Go, such as 300ms, 30s or 1m30s")
    })
}

/// A node as a person would recognise it.
fn shown(node: &MarkedYaml) -> String {
    match &node.data {
        YamlData::Representation(text, _, _) => text.to_string(),
        YamlData::Sequence(_) => "a list".to_owned(),
        YamlData::Mapping(_) => "a mapping".to_owned(),
        _ => "this value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn problems(text: &str) -> Vec<String> {
        parse(text).unwrap_err().located(Path::new("s.yaml"))
    }

    #[test]
    fn the_example_of_the_contract_is_read() {
        let entries = parse(
            "endpoints:\n  - name: payment-gateway\n    group: core\n    url: \"https://pay.example.org/health\"\n    \
             interval: 30s\n    enabled: true\n    client:\n      timeout: 10s\n",
        )
        .unwrap();
        let [Entry { line, definition }] = entries.as_slice() else { panic!("{entries:?}") };
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
            "s.yaml:3: endpoint 1 (a): url: \"ftp://a\" is not accepted",
            "s.yaml:4: endpoint 1 (a): intreval: unknown key",
            "s.yaml:7: endpoint 2 (b): interval: 30 is not accepted; accepted is a duration as in Go",
            "s.yaml:9: endpoint 2 (b): client: timeout: never is not accepted",
            "s.yaml:10: endpoint 2 (b): client: dns: unknown key",
            "s.yaml:11: endpoint 3: name: missing",
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
        assert_eq!(twice, ["s.yaml:2: endpoint 1 (a): url: given more than once"]);
    }
}
