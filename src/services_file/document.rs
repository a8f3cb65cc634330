//! One file as a tree of nodes.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use saphyr::{MarkedYaml, YamlData};

use crate::services_file::findings::Findings;
use crate::services_file::merge_keys;
use crate::services_file::yaml;

/// A file whose text was loaded.
pub struct Document<'t> {
    pub file: Arc<Path>,
    pub root: MarkedYaml<'t>,
    /// Keys of the root whose value is an anchor or contains one.
    pub anchored: HashSet<String>,
    /// The whole text is in braces.
    pub is_json: bool,
    text: &'t str,
    /// Of the documents of the text, from 0.
    number: usize,
    /// The lists of services in `root` are empty: their items are read from the text.
    is_split: bool,
}

impl<'t> Document<'t> {
    /// Reads the items of a list of services one after the other. The memory of each is free for
    /// others once it is read.
    pub fn each_item(&mut self, key: &str, read: &mut dyn FnMut(&MarkedYaml<'t>)) {
        let YamlData::Mapping(mapping) = &mut self.root.data else { return };
        let value = mapping.iter_mut().find(|(name, _)| yaml::text(name) == Some(key));
        let Some(YamlData::Sequence(items)) = value.map(|(_, value)| &mut value.data) else {
            return;
        };
        for item in std::mem::take(items) {
            read(&item);
        }
        if self.is_split {
            // Without an error, since `load` has read the same items.
            let _ = yaml::each_item(self.text, self.number, key, read);
        }
    }
}

const SECOND: &str = "not used, as in Gatus: the first document of a file is read";

/// Loads the text of `file`. `None` for a text without content, and after a problem.
pub fn load<'t>(file: &Arc<Path>, text: &'t str, findings: &mut Findings) -> Option<Document<'t>> {
    let loaded = match yaml::load(text) {
        Ok(loaded) => loaded,
        Err(error) => {
            findings.problems.add(file, error.line, format!("invalid YAML: {}", error.problem));
            return None;
        }
    };
    let documents = loaded.documents.into_iter().enumerate();
    let mut documents = documents.filter(|(_, document)| !is_empty(document));
    let (number, mut root) = documents.next()?;
    if let Some((_, second)) = documents.next() {
        findings.notices.add(file, yaml::line(&second), "a second YAML document", SECOND);
    }
    if let Err(error) = merge_keys::resolve(&mut root) {
        findings.problems.add(file, error.line, error.problem);
        return None;
    }
    let is_json = text.trim_start().starts_with('{');
    Some(Document {
        file: Arc::clone(file),
        root,
        anchored: loaded.anchored,
        is_json,
        text,
        number,
        is_split: loaded.is_split,
    })
}

/// Behind a last `---` is a document without content.
fn is_empty(document: &MarkedYaml) -> bool {
    matches!(document.data, YamlData::BadValue) || yaml::is_null(document)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TEXT: &str = "\
# A comment
alerting: {slack: {}}
endpoints:
  - name: a
    url: http://a/
    client: {timeout: 5s}
  - {name: b, conditions: ['[STATUS] == 200', \"[BODY] == x\"]}
  - text
  -
external-endpoints: [{name: c}]
";

    /// Whether the items are read from the text, and each item with its line.
    fn items(text: &str) -> (bool, Vec<(Value, usize)>) {
        let (file, mut findings) = (Path::new("a.yaml").into(), Findings::default());
        let mut document = load(&file, text, &mut findings).unwrap();
        let mut items = Vec::new();
        for key in ["endpoints", "external-endpoints", "alerting", "none"] {
            document.each_item(key, &mut |node| {
                items.push((yaml::value_of(node, &mut Vec::new()), yaml::line(node)));
            });
        }
        (document.is_split, items)
    }

    #[test]
    fn items_that_are_read_from_the_text_are_those_of_the_tree() {
        let (is_split, items) = items(TEXT);
        let lines: Vec<usize> = items.iter().map(|(_, line)| *line).collect();
        assert_eq!((is_split, lines), (true, vec![4, 7, 8, 9, 10]));
        assert_eq!(
            items[0].0,
            json!({"name": "a", "url": "http://a/", "client": {"timeout": "5s"}})
        );
        let with_alias = format!("{TEXT}x-own: [&a b, *a]\n");
        assert_eq!(self::items(&with_alias), (false, items.clone()));
        let second = format!("---\n# nothing\n---\n{}---\nendpoints: [z]\n", TEXT);
        let values = |items: Vec<(Value, usize)>| -> Vec<Value> {
            items.into_iter().map(|(value, _)| value).collect()
        };
        assert_eq!(values(self::items(&second).1), values(items));
    }

    #[test]
    fn items_that_depend_on_other_nodes_are_read_from_the_tree() {
        let merged = items("endpoints: [{<<: {a: b}, c: d}]");
        assert_eq!(merged, (false, vec![(json!({"a": "b", "c": "d"}), 1)]));
        let own = "x: &x {a: b}\nendpoints: [*x]";
        assert_eq!(items(own), (false, vec![(json!({"a": "b"}), 2)]));
        let json = "{\"endpoints\": [{\"name\": \"a\"}]}";
        assert_eq!(items(json), (true, vec![(json!({"name": "a"}), 1)]));
    }
}
