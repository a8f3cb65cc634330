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
}

/// Loads the text of `file`. `None` for a text without content, and after a problem.
pub fn load<'t>(file: &Arc<Path>, text: &'t str, findings: &mut Findings) -> Option<Document<'t>> {
    let problems = &mut findings.problems;
    let loaded = match yaml::load(text) {
        Ok(loaded) => loaded,
        Err(error) => {
            problems.add(file, error.line, format!("invalid YAML: {}", error.problem));
            return None;
        }
    };
    let mut documents = loaded.documents;
    documents.retain(|document| !is_empty(document));
    if let Some(second) = documents.get(1) {
        let problem = "a second YAML document, expected one".to_owned();
        problems.add(file, yaml::line(second), problem);
        return None;
    }
    let mut root = documents.pop()?;
    if let Err(error) = merge_keys::resolve(&mut root) {
        problems.add(file, error.line, error.problem);
        return None;
    }
    Some(Document { file: Arc::clone(file), root, anchored: loaded.anchored })
}

/// Behind a last `---` is a document without content.
fn is_empty(document: &MarkedYaml) -> bool {
    matches!(document.data, YamlData::BadValue) || yaml::is_null(document)
}
