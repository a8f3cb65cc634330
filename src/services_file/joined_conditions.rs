//! Conditions of Gatus that are joined by `&&` or `||`.

use serde_json::{Map, Value};

use crate::domain::condition::joined;
use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::spec::field::CONDITIONS;

/// Replaces joined conditions by the conditions that they mean, with a notice for each. Those that
/// no list of conditions can express stay, and are refused with a hint.
pub fn split(item: &Item, object: &mut Map<String, Value>, findings: &mut Findings) {
    let Some(Value::Array(conditions)) = object.get_mut(CONDITIONS.file) else { return };
    let mut split = Vec::new();
    for condition in conditions.drain(..) {
        let text = condition.as_str().filter(|text| text.contains("&&") || text.contains("||"));
        let Some((text, parts)) = text.and_then(|text| Some((text, joined::split(text)?))) else {
            split.push(condition);
            continue;
        };
        let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
        let advice = format!(
            "{text} always or never holds in Gatus, which has no && and ||; read as {}",
            parts.join(" and ")
        );
        item.notice(CONDITIONS.file, &advice, findings);
        split.extend(parts.into_iter().map(Value::String));
    }
    *conditions = split;
}
