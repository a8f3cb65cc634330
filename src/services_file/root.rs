//! The keys of a file beside its endpoints.

use std::path::Path;
use std::sync::Arc;

use saphyr::{MarkedYaml, YamlData};

use crate::domain::invalid::Invalid;
use crate::services_file::content::DefaultsKey;
use crate::services_file::document::Document;
use crate::services_file::findings::Findings;
use crate::services_file::places;
use crate::services_file::similar::{are_similar, unknown_key};
use crate::services_file::unused_keys;
use crate::services_file::yaml;
use crate::services_file::yaml::Mapping;

/// The keys that are used.
const USED: [&str; 6] =
    ["alerting", "connectivity", "defaults", "endpoints", "external-endpoints", "maintenance"];

/// For a block of the user's own with the name of a key that only this program has.
const OWN_DEFAULTS: &str = "holds an anchor, so it is a block for merge keys and aliases as in \
     Gatus, and sets no defaults";

/// The used parts of one file.
pub struct Root<'a, 't> {
    pub document: &'a Document<'t>,
    pub alerting: Option<&'a MarkedYaml<'t>>,
    pub connectivity: Option<&'a MarkedYaml<'t>>,
    pub defaults: Option<&'a MarkedYaml<'t>>,
    pub maintenance: Option<&'a MarkedYaml<'t>>,
    pub defaults_key: DefaultsKey,
    /// Whether the file has a list of endpoints, which may be empty, or `suites`.
    pub has_list: bool,
}

/// The used parts of `document`. Adds a notice for each key that is not used.
pub fn read<'a, 't>(document: &'a Document<'t>, findings: &mut Findings) -> Root<'a, 't> {
    let mut root = Root {
        document,
        alerting: None,
        connectivity: None,
        defaults: None,
        maintenance: None,
        defaults_key: if document.is_json { DefaultsKey::Unusable } else { DefaultsKey::Absent },
        has_list: false,
    };
    let file = &document.file;
    let map = match Mapping::of(&document.root) {
        Ok(map) => map,
        Err(invalid) => {
            let line = yaml::line(&document.root);
            findings.problems.add(file, line, invalid.of("the file"));
            return root;
        }
    };
    let mut known: Vec<&str> = Vec::new();
    for (key, value) in map.pairs() {
        let Some(name) = yaml::text(key) else {
            let problem = format!("the file: {}: {}", yaml::shown(key), Invalid::hidden("a text"));
            findings.problems.add(file, yaml::line(key), problem);
            continue;
        };
        if known.contains(&name) {
            let problem = format!("the file: {name}: duplicate key");
            findings.problems.add(file, yaml::line(key), problem);
            continue;
        }
        let advice = unused_keys::advice(unused_keys::TOP_LEVEL, name);
        if advice.is_some() || USED.contains(&name) {
            known.push(name);
        }
        if name == "defaults" && !document.is_json {
            let is_own = document.anchored.contains(name);
            root.defaults_key = if is_own { DefaultsKey::Unusable } else { DefaultsKey::Present };
        }
        match (name, advice) {
            _ if yaml::is_null(value) => {}
            ("endpoints" | "external-endpoints", _) => {
                // A value that is no list is not missing either.
                root.has_list = true;
                check_list(document, name, value, findings);
            }
            ("alerting", _) => root.alerting = Some(value),
            ("connectivity", _) => root.connectivity = Some(value),
            ("maintenance", _) => root.maintenance = Some(value),
            ("defaults", _) if document.anchored.contains(name) => {
                findings.notices.add(file, yaml::line(key), name, OWN_DEFAULTS);
            }
            ("defaults", _) => root.defaults = Some(value),
            (_, Some(advice)) => {
                root.has_list |= name == "suites";
                findings.notices.add(file, yaml::line(key), name, advice);
            }
            _ if is_own_block(document, name, value) => {}
            _ => misplaced_or_unknown(file, key, name, findings),
        }
    }
    root
}

/// A notice for a key that belongs into a block, and a problem for any other.
fn misplaced_or_unknown(file: &Arc<Path>, key: &MarkedYaml, name: &str, findings: &mut Findings) {
    if let Some(right) = places::in_file(name) {
        let advice = format!("not used, as in Gatus: expected {right}");
        findings.notices.add(file, yaml::line(key), name, &advice);
        return;
    }
    let all = USED.into_iter().chain(unused_keys::TOP_LEVEL.iter().map(|(key, _)| *key));
    let problem = format!("the file: {name}: {}", unknown_key(name, all));
    findings.problems.add(file, yaml::line(key), problem);
}

/// Whether a key that Gatus does not have holds blocks of the user's own: anchors, or a name with
/// the prefix of extensions in Compose files. A list under a name like `endpoint` is a mistake.
fn is_own_block(document: &Document, name: &str, value: &MarkedYaml) -> bool {
    let is_list = matches!(value.data, YamlData::Sequence(_));
    let is_misspelt = is_list && USED.iter().any(|used| are_similar(name, used));
    (document.anchored.contains(name) && !is_misspelt) || name.starts_with("x-")
}

fn check_list(document: &Document, name: &str, value: &MarkedYaml, findings: &mut Findings) {
    if !matches!(value.data, YamlData::Sequence(_)) {
        let problem = format!("the file: {name}: {}", Invalid::hidden("a list"));
        findings.problems.add(&document.file, yaml::line(value), problem);
    }
}
