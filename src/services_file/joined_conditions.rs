//! Conditions of Gatus that are joined by `&&` or `||`.

use serde_json::{Map, Value};

use crate::domain::condition::joined;
use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::spec::field::CONDITIONS;

/// Replaces joined conditions by the conditions that they mean, with a notice for each. One that no
/// list of conditions can express is not used: in Gatus it always or never holds.
pub fn split(item: &Item, object: &mut Map<String, Value>, findings: &mut Findings) {
    let Some(Value::Array(conditions)) = object.get_mut(CONDITIONS.file) else { return };
    let mut split = Vec::new();
    for condition in conditions.drain(..) {
        let Some(text) =
            condition.as_str().map(str::trim).filter(|text| joined::joint(text).is_some())
        else {
            split.push(condition);
            continue;
        };
        let always = format!("{text} always or never holds in Gatus, which has no && and ||");
        let Some(parts) = joined::split(text) else {
            let advice = format!("{always}; not used: write several conditions, or any()");
            item.notice(CONDITIONS.file, &advice, findings);
            continue;
        };
        let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
        let advice = format!("{always}; read as {}", parts.join(" and "));
        item.notice(CONDITIONS.file, &advice, findings);
        split.extend(parts.into_iter().map(Value::String));
    }
    *conditions = split;
}
