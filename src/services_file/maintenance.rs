//! `maintenance` of a file and `maintenance-windows` of an endpoint, as in Gatus.

use saphyr::YamlData;
use serde_json::{Map, Value};

use crate::domain::invalid::Invalid;
use crate::domain::maintenance::{KeyProblem, MaintenanceDefinition};
use crate::domain::service::template::Variables;
use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::services_file::similar::{WINDOWS, unknown_key};
use crate::services_file::variables;
use crate::services_file::yaml;
use crate::services_file::yaml::Mapping;
use crate::spec;

/// Keys of a window. Gatus has the first five.
const KEYS: [&str; 10] =
    ["enabled", "start", "duration", "timezone", "every", "cron", "from", "to", "note", "uptime"];

/// The window of the block `item`; `None` when it is disabled or has a problem.
pub fn window(
    item: &Item,
    variables: &Variables,
    findings: &mut Findings,
) -> Option<MaintenanceDefinition> {
    let object = item.object(findings)?;
    read(item, item, "", object, variables, findings)
}

/// Takes the windows out of an endpoint.
pub fn take_windows(
    item: &Item,
    object: &mut Map<String, Value>,
    variables: &Variables,
    findings: &mut Findings,
) -> Vec<MaintenanceDefinition> {
    if object.remove(WINDOWS).is_none_or(|value| value.is_null()) {
        return Vec::new();
    }
    let map = Mapping::of(item.node).ok();
    let node = map.and_then(|map| map.get(WINDOWS));
    let Some(YamlData::Sequence(nodes)) = node.map(|node| &node.data) else {
        let problem = Invalid::hidden("a list").to_string();
        item.reject(item.line_of(WINDOWS), WINDOWS, &problem, findings);
        return Vec::new();
    };
    let mut windows = Vec::new();
    for node in nodes {
        if Mapping::of(node).is_err() {
            let problem = Invalid::hidden("a list of mappings of keys to values").to_string();
            item.reject(yaml::line(node), WINDOWS, &problem, findings);
            continue;
        }
        let block = Item { node, key: WINDOWS, number: None, renamed: &[], ..*item };
        let Some(object) = block.object(findings) else { continue };
        let prefix = format!("{WINDOWS}.");
        windows.extend(read(item, &block, &prefix, object, variables, findings));
    }
    windows
}

/// Reads the window in `block`; problems are those of `item`, with `prefix` before their keys.
fn read(
    item: &Item,
    block: &Item,
    prefix: &str,
    mut object: Map<String, Value>,
    variables: &Variables,
    findings: &mut Findings,
) -> Option<MaintenanceDefinition> {
    let known_before = findings.problems.len();
    variables::fill(block, &mut object, variables, findings);
    let reject = |key: &str, problem: &str, findings: &mut Findings| {
        item.reject(block.line_of(key), &format!("{prefix}{key}"), problem, findings);
    };
    // Every value of a file is a text, and an empty one is as absent, as in Gatus.
    object.retain(|_, value| value.as_str() != Some(""));
    for key in object.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        reject(key, &unknown_key(key, KEYS.into_iter()), findings);
    }
    if let Some(enabled) = object.get_mut("enabled")
        && let Some(truth) = enabled.as_str().and_then(spec::truth)
    {
        *enabled = Value::Bool(truth);
    }
    if findings.problems.len() > known_before {
        return None;
    }
    // As in Gatus, a disabled window is not validated.
    if object.get("enabled") == Some(&Value::Bool(false)) {
        return None;
    }
    match MaintenanceDefinition::read(&object) {
        Ok(definition) => Some(definition),
        Err(problems) => {
            for KeyProblem { key, problem } in problems {
                reject(&key, &problem, findings);
            }
            None
        }
    }
}
