//! Takes the keys out of an endpoint that load and are not used, with a notice for each.

use serde_json::{Map, Value};

use crate::domain::service::template::{Template, Variables};
use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::services_file::paths::take;
use crate::services_file::places;
use crate::services_file::places::DEFINING;
use crate::services_file::unused_keys::{HIDING, HIDING_ADVICE, OF_ENDPOINTS};
use crate::spec;
use crate::spec::{Dialect, FIELDS};

/// Keys of Gatus that do nothing here, and keys at a level where Gatus ignores them.
pub fn remove_unused(
    item: &Item,
    object: &mut Map<String, Value>,
    variables: &Variables,
    findings: &mut Findings,
) {
    remove_keys_of_gatus(item, object, variables, findings);
    remove_misplaced(item, object, findings);
}

fn remove_keys_of_gatus(
    item: &Item,
    object: &mut Map<String, Value>,
    variables: &Variables,
    findings: &mut Findings,
) {
    for (path, advice) in OF_ENDPOINTS {
        let Some(value) = take(object, path).filter(|value| !value.is_null()) else { continue };
        let hides = |key: &&&str| value.get(**key).is_some_and(|value| is_true(value, variables));
        let hidden: Vec<&&str> = HIDING.iter().filter(hides).collect();
        for key in &hidden {
            item.notice(&format!("{path}.{key}"), HIDING_ADVICE, findings);
        }
        if hidden.is_empty() {
            item.notice(path, advice, findings);
        }
    }
}

/// Whether the value is a truth of YAML. As in Gatus, a variable that is not set is none.
fn is_true(value: &Value, variables: &Variables) -> bool {
    let template = value.as_str().map(Template::with_braces);
    let template = template.and_then(|text| Template::parse(&text).ok());
    let filled = template.and_then(|template| template.fill(variables).ok());
    filled.is_some_and(|text| spec::truth(&text) == Some(true))
}

fn remove_misplaced(item: &Item, object: &mut Map<String, Value>, findings: &mut Findings) {
    let mut unknown = Vec::new();
    unknown_paths(object, "", &mut unknown);
    for path in unknown {
        if let Some(right) = places::in_endpoint(&path) {
            take(object, &path);
            let advice = format!("not used, as in Gatus: expected {right}");
            item.notice(&path, &advice, findings);
        }
    }
}

/// Options that the kind of the target does not use, such as those of shared blocks. Options that
/// define or judge a probe stay, and are refused.
pub fn remove_unsupported(item: &Item, object: &mut Map<String, Value>, findings: &mut Findings) {
    let Some(kind) = spec::kind(object, Dialect::File) else { return };
    for field in FIELDS.iter().filter(|field| !field.kinds.is_empty()) {
        if field.kinds.contains(&kind) || DEFINING.contains(field) {
            continue;
        }
        if take(object, field.file).is_some_and(|value| !value.is_null()) {
            let kinds: Vec<String> = field.kinds.iter().map(ToString::to_string).collect();
            let advice = format!("only used by {} targets", kinds.join(", "));
            item.notice(field.file, &advice, findings);
        }
    }
}

/// Paths of keys that no field has at this level.
fn unknown_paths(map: &Map<String, Value>, prefix: &str, unknown: &mut Vec<String>) {
    for (key, value) in map {
        let path = format!("{prefix}{key}");
        let inner = format!("{path}.");
        let is_field = FIELDS.iter().any(|field| field.file == path);
        let is_group = FIELDS.iter().any(|field| field.file.starts_with(&inner));
        match value {
            _ if is_field => {}
            Value::Object(nested) if is_group => unknown_paths(nested, &inner, unknown),
            _ if is_group => {}
            _ => unknown.push(path),
        }
    }
}
