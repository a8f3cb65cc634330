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
    let mut documents = loaded.documents;
    documents.retain(|document| !is_empty(document));
    if let Some(second) = documents.get(1) {
        findings.notices.add(file, yaml::line(second), "a second YAML document", SECOND);
    }
    let mut root = documents.into_iter().next()?;
    if let Err(error) = merge_keys::resolve(&mut root) {
        findings.problems.add(file, error.line, error.problem);
        return None;
    }
    let is_json = text.trim_start().starts_with('{');
    Some(Document { file: Arc::clone(file), root, anchored: loaded.anchored, is_json })
}

/// Behind a last `---` is a document without content.
fn is_empty(document: &MarkedYaml) -> bool {
    matches!(document.data, YamlData::BadValue) || yaml::is_null(document)
}
