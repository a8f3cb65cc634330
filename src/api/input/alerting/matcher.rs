//! `match` of policies and silences.

use crate::api::input::fields::Fields;
use crate::api::input::params::one_of;
use crate::domain::Invalid;
use crate::domain::alert::{AlertKind, Matcher, Severity};

const FIELDS: [&str; 4] = ["group", "name", "kind", "severity"];

/// Reads the field `match`. A pattern of kinds or severities that selects none is a problem.
pub fn matcher(fields: &mut Fields<'_>) -> Matcher {
    fields.object("match", &FIELDS, |fields| {
        let kinds = AlertKind::ALL.map(AlertKind::as_str);
        let severities = Severity::ALL.map(Severity::as_str);
        Matcher {
            group: fields.texts("group"),
            name: fields.texts("name"),
            kind: patterns(fields, "kind", &kinds),
            severity: patterns(fields, "severity", &severities),
        }
    })
}

fn patterns(fields: &mut Fields<'_>, name: &str, words: &[&str]) -> Vec<String> {
    let patterns = fields.texts(name);
    for pattern in &patterns {
        let one = Matcher { name: vec![pattern.clone()], ..Matcher::default() };
        if !words.iter().any(|word| one.may_match(word, None)) {
            let expected = format!("{}, or a pattern with *", one_of(words.iter().copied()));
            fields.reject(name, &Invalid::quoted(pattern, expected));
        }
    }
    patterns
}
