//! Takes the keys out of an endpoint that load and are not used, with a notice for each.

use serde_json::{Map, Value};

use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::services_file::unused_keys::{HIDING, HIDING_ADVICE, OF_ENDPOINTS};
use crate::spec;
use crate::spec::field::{
    ARGS, CONDITIONS, EXPECT, EXPECTED, GRACE, GRPC_SERVICE, NAME, QUERY_NAME, QUERY_TYPE, TOKEN,
    URL,
};
use crate::spec::{Dialect, FIELDS, Field};

/// Options that define a probe or judge it: they are refused at a wrong place, and on a kind that
/// does not use them.
const DEFINING: [Field; 11] = [
    ARGS,
    CONDITIONS,
    EXPECT,
    EXPECTED,
    GRACE,
    GRPC_SERVICE,
    NAME,
    QUERY_NAME,
    QUERY_TYPE,
    TOKEN,
    URL,
];

/// Keys of Gatus that do nothing here, and keys at a level where Gatus ignores them.
pub fn remove_unused(item: &Item, object: &mut Map<String, Value>, findings: &mut Findings) {
    remove_keys_of_gatus(item, object, findings);
    remove_misplaced(item, object, findings);
}

fn remove_keys_of_gatus(item: &Item, object: &mut Map<String, Value>, findings: &mut Findings) {
    for (path, advice) in OF_ENDPOINTS {
        let Some(value) = take(object, path).filter(|value| !value.is_null()) else { continue };
        let hides = |key: &&&str| value.get(**key).and_then(Value::as_str) == Some("true");
        let hidden: Vec<&&str> = HIDING.iter().filter(hides).collect();
        for key in &hidden {
            item.notice(&format!("{path}.{key}"), HIDING_ADVICE, findings);
        }
        if hidden.is_empty() {
            item.notice(path, advice, findings);
        }
    }
}

fn remove_misplaced(item: &Item, object: &mut Map<String, Value>, findings: &mut Findings) {
    let mut unknown = Vec::new();
    unknown_paths(object, "", &mut unknown);
    for path in unknown {
        if let Some(right) = right_place(&path) {
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

/// Removes the value at a path with dots.
fn take(object: &mut Map<String, Value>, path: &str) -> Option<Value> {
    match path.split_once('.') {
        None => object.remove(path),
        Some((key, rest)) => take(object.get_mut(key)?.as_object_mut()?, rest),
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

/// Where the last key of `path` belongs, if there is such a place.
fn right_place(path: &str) -> Option<String> {
    let key = path.rsplit('.').next()?;
    if path == "alert" {
        return Some("alerts".to_owned());
    }
    if path == "dns.query-port" {
        return Some("the port in url".to_owned());
    }
    let defining = DEFINING.iter().any(|field| field.file.split('.').any(|step| step == key));
    if defining {
        return None;
    }
    let fields = FIELDS.iter().map(|field| field.file);
    let all = fields.chain(OF_ENDPOINTS.iter().map(|(path, _)| *path));
    let places = all.filter_map(|known| up_to(known, key)).filter(|place| *place != path);
    let nearest = places.min_by_key(|place| place.split('.').count());
    nearest.map(|place| place.replace('.', ": "))
}

/// The part of `path` that ends with the key `key`.
fn up_to<'p>(path: &'p str, key: &str) -> Option<&'p str> {
    let mut end = 0;
    for step in path.split('.') {
        end += step.len();
        if step == key {
            return path.get(..end);
        }
        end += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_key_at_another_level_has_a_right_place() {
        for (path, right) in [
            ("timeout", Some("client: timeout")),
            ("insecure", Some("client: insecure")),
            ("ignore-redirect", Some("client: ignore-redirect")),
            ("tls", Some("client: tls")),
            ("ca-file", Some("client: tls: ca-file")),
            ("query-name", None),
            ("client.dns", None),
            ("client.interval", Some("interval")),
            ("client.headers", Some("headers")),
            ("client.alerts", Some("alerts")),
            ("client.ui", Some("ui")),
            ("alert", Some("alerts")),
            ("dns.query-port", Some("the port in url")),
            ("dns.dns-resolver", Some("client: dns-resolver")),
            ("client.conditions", None),
            ("client.url", None),
            ("intreval", None),
            ("client.query-port", None),
            ("colour", None),
        ] {
            assert_eq!(right_place(path).as_deref(), right, "{path}");
        }
    }
}
