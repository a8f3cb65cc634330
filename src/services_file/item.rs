//! An item of one of the lists of a services file.

use std::path::Path;
use std::sync::Arc;

use saphyr::MarkedYaml;
use serde_json::{Map, Value};

use crate::domain::service::template::Template;
use crate::services_file::findings::Findings;
use crate::services_file::yaml;
use crate::services_file::yaml::Mapping;

/// An item of one of the lists of a file, or a block of it.
#[derive(Clone, Copy)]
pub struct Item<'a, 't> {
    pub file: &'a Arc<Path>,
    pub node: &'a MarkedYaml<'t>,
    /// The key of the list, or of the block.
    pub key: &'static str,
    /// Position in the list, from 1; `None` for a block.
    pub number: Option<usize>,
    /// Paths as they are read, and as they stand in the file, where these differ.
    pub renamed: &'static [(&'static str, &'static str)],
}

impl Item<'_, '_> {
    /// The item in an error message.
    fn label(&self) -> String {
        let Some(number) = self.number else { return self.key.to_owned() };
        let list = self.key.trim_end_matches('s').replace('-', " ");
        let map = Mapping::of(self.node).ok();
        let with_braces = Template::with_braces;
        let text = |key| {
            let node = map.as_ref().and_then(|map| map.get(key));
            node.filter(|node| !yaml::is_null(node)).and_then(yaml::text).map(str::trim)
        };
        match (text("group").filter(|group| !group.is_empty()), text("name")) {
            (Some(group), Some(name)) => {
                format!("{list} {number} ({}/{})", with_braces(group), with_braces(name))
            }
            (None, Some(name)) => format!("{list} {number} ({})", with_braces(name)),
            (_, None) => format!("{list} {number}"),
        }
    }

    pub fn line_of(&self, path: &str) -> usize {
        yaml::line_of(self.node, self.written(path))
    }

    /// The path as it stands in the file.
    fn written<'p>(&self, path: &'p str) -> &'p str {
        let renamed = self.renamed.iter().find(|(read, _)| *read == path);
        renamed.map_or(path, |(_, written)| *written)
    }

    pub fn reject(&self, line: usize, path: &str, problem: &str, findings: &mut Findings) {
        let problem = format!("{}: {}: {problem}", self.label(), shown(self.written(path)));
        findings.problems.add(self.file, line, problem);
    }

    /// Adds a notice about the key at `path`.
    pub fn notice(&self, path: &str, advice: &str, findings: &mut Findings) {
        let line = yaml::line_of(self.node, path);
        let key = format!("{}: {}", self.key, shown(path));
        findings.notices.add(self.file, line, &key, advice);
    }

    /// The item as JSON; `None` after a problem.
    pub fn object(&self, findings: &mut Findings) -> Option<Map<String, Value>> {
        if let Err(invalid) = Mapping::of(self.node) {
            let problem = invalid.of(self.label());
            findings.problems.add(self.file, yaml::line(self.node), problem);
            return None;
        }
        let mut repeated = Vec::new();
        let value = yaml::value_of(self.node, &mut repeated);
        for key in repeated {
            self.reject(yaml::line(key), &yaml::shown(key), "duplicate key", findings);
        }
        match value {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }
}

/// A path with dots, as error messages show it.
fn shown(path: &str) -> String {
    path.replace('.', ": ")
}
