//! Hints for unknown keys.

use strsim::damerau_levenshtein;

use crate::services_file::unused_keys;
use crate::spec::alert_rules;
use crate::spec::field::ALERTS;
use crate::spec::{Dialect, FIELDS};

/// The problem of an unknown key, with the most similar one of `known` if there is one.
pub fn unknown_key<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.collect();
    let nearest = did_you_mean(key, known.iter().copied());
    let hint = nearest.map(|nearest| format!(" did you mean {nearest}?")).unwrap_or_default();
    format!("unknown key,{hint} expected one of {}", known.join(", "))
}

/// The most similar one of `known`, if a typing error may have made `word` of it.
pub fn did_you_mean<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let similar = known.filter(|known| are_similar(word, known));
    similar.min_by_key(|known| damerau_levenshtein(word, known))
}

/// Whether at most a third of the letters differ, as in a typing error.
pub fn are_similar(key: &str, known: &str) -> bool {
    key.len() <= 2 * known.len() && damerau_levenshtein(key, known) * 3 <= known.chars().count()
}

/// The key of the maintenance of an endpoint, which is no field of a service.
pub const WINDOWS: &str = "maintenance-windows";

/// The problem of an unknown key of an endpoint, at a path with dots.
pub fn unknown_key_at(path: &str) -> String {
    let (prefix, key) = match path.rfind('.') {
        Some(dot) => path.split_at(dot + 1),
        None => ("", path),
    };
    let of_alerts = prefix.strip_prefix(ALERTS.file);
    if of_alerts.is_some_and(|rest| rest.starts_with('.')) {
        return unknown_key(key, alert_rules::keys(Dialect::File));
    }
    let fields = FIELDS.iter().map(|field| field.file);
    let unused = unused_keys::OF_ENDPOINTS.iter().map(|(path, _)| *path);
    let inner = |path: &'static str| path.strip_prefix(prefix)?.split('.').next();
    let mut known: Vec<&str> = fields.chain(unused).chain([WINDOWS]).filter_map(inner).collect();
    known.sort_unstable();
    known.dedup();
    unknown_key(key, known.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_has_a_hint() {
        let known = ["name", "interval", "client", "conditions"];
        let hint = |key| unknown_key(key, known.into_iter());
        let expected = "expected one of name, interval, client, conditions";
        assert_eq!(hint("intreval"), format!("unknown key, did you mean interval? {expected}"));
        assert_eq!(hint("condition"), format!("unknown key, did you mean conditions? {expected}"));
        assert_eq!(hint("colour"), format!("unknown key, {expected}"));
        assert_eq!(hint(&"x".repeat(100_000)), format!("unknown key, {expected}"));
    }
}
