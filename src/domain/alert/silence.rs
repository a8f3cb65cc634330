//! Silences, and the matcher of silences, policies and maintenance.

use crate::domain::alert::kind::{AlertKind, Severity};

/// Selects alerts. Each list matches when it is empty or one of its entries does; in a text, `*`
/// stands for any characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Matcher {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub name: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kind: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub severity: Vec<String>,
}

impl Matcher {
    pub fn matches(
        &self,
        name: &str,
        group: Option<&str>,
        kind: AlertKind,
        severity: Severity,
    ) -> bool {
        fits(&self.name, name)
            && fits(&self.group, group.unwrap_or_default())
            && fits(&self.kind, kind.as_str())
            && fits(&self.severity, severity.as_str())
    }

    /// Whether alerts of this service can match.
    pub fn may_match(&self, name: &str, group: Option<&str>) -> bool {
        fits(&self.name, name) && fits(&self.group, group.unwrap_or_default())
    }

    /// Whether alerts of the monitor itself can match; they have neither a name nor a group.
    pub fn may_match_own(&self) -> bool {
        let is_matched = |kind: AlertKind| {
            Severity::ALL.into_iter().any(|severity| self.matches("", None, kind, severity))
        };
        AlertKind::ALL.into_iter().filter(|kind| kind.is_own()).any(is_matched)
    }
}

fn fits(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, text))
}

/// Whether `text` is `pattern`, in which `*` stands for any characters. Linear in both but for
/// one restart a star.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match text.find(piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

/// Notifications of matching alerts are suppressed for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    pub id: i64,
    pub matcher: Matcher,
    /// Unix milliseconds.
    pub from_ms: i64,
    /// Unix milliseconds; at most a year after `from_ms`.
    pub to_ms: i64,
    pub by: Option<String>,
    pub note: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("web", "web", true),
            ("web", "web1", false),
            ("web*", "web1", true),
            ("*", "", true),
            ("*-db", "eu-db", true),
            ("eu*db*", "eu-1-db-2", true),
            ("a*b", "ab", true),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn every_list_must_match() {
        let matcher = Matcher {
            group: vec!["core".to_owned()],
            kind: vec!["down".to_owned(), "flapping".to_owned()],
            ..Matcher::default()
        };
        let matches = |group, kind: AlertKind| matcher.matches("api", group, kind, kind.severity());
        assert!(matches(Some("core"), AlertKind::Down));
        assert!(!matches(Some("core"), AlertKind::Certificate));
        assert!(!matches(None, AlertKind::Down));
        assert!(Matcher::default().matches("x", None, AlertKind::Store, Severity::Critical));
    }
}
