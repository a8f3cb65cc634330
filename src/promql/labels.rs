//! Label sets of series, and the matchers of selectors.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

/// The label of the metric name.
pub const METRIC_NAME: &str = "__name__";

/// Largest compiled program of a regular expression, in bytes.
pub const MAX_REGEX_SIZE: usize = 1 << 20;

type Label = (Arc<str>, Arc<str>);

/// Labels sorted by name, without empty values. Cloning copies a pointer.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[Label]>);

impl Labels {
    pub fn new<N: Into<Arc<str>>, V: Into<Arc<str>>>(
        labels: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut labels: Vec<Label> =
            labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        labels.retain(|(_, value)| !value.is_empty());
        labels.sort();
        labels.dedup_by(|later, earlier| later.0 == earlier.0);
        Self(labels.into())
    }

    /// The value of `name`; empty when the set has no such label.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|label| &*label.0 == name).map_or("", |label| &*label.1)
    }

    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn without_name(&self) -> Self {
        self.retain(|name| name != METRIC_NAME)
    }

    pub fn without(&self, names: &[String]) -> Self {
        self.retain(|name| !names.iter().any(|other| other == name))
    }

    pub fn only(&self, names: &[String]) -> Self {
        self.retain(|name| names.iter().any(|other| other == name))
    }

    /// The set with `name` set to `value`; an empty value removes the label.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut labels: Vec<Label> =
            self.0.iter().filter(|label| &*label.0 != name).cloned().collect();
        if !value.is_empty() {
            let place = labels.partition_point(|label| &*label.0 < name);
            labels.insert(place, (name.into(), value.into()));
        }
        Self(labels.into())
    }

    fn retain(&self, keep: impl Fn(&str) -> bool) -> Self {
        if self.0.iter().all(|(name, _)| keep(name)) {
            return self.clone();
        }
        Self(self.0.iter().filter(|(name, _)| keep(name)).cloned().collect())
    }
}

impl Display for Labels {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("{")?;
        for (index, (name, value)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            if is_label_name(name) {
                write!(formatter, "{separator}{name}={value:?}")?;
            } else {
                write!(formatter, "{separator}{name:?}={value:?}")?;
            }
        }
        formatter.write_str("}")
    }
}

/// Whether `name` needs no quotes in a query: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_label_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|other| other.is_ascii_alphanumeric() || other == '_')
}

#[derive(Debug, Clone)]
pub enum Comparison {
    Equal,
    NotEqual,
    Matches(Regex),
    MatchesNot(Regex),
}

#[derive(Debug, Clone)]
pub struct Matcher {
    pub name: String,
    pub value: String,
    pub comparison: Comparison,
}

impl Matcher {
    pub fn equal(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.to_owned(), comparison: Comparison::Equal }
    }

    /// `=~`, or `!~`. The error says what is wrong with the pattern.
    pub fn pattern(name: &str, pattern: &str, is_negated: bool) -> Result<Self, String> {
        let regex = anchored(pattern).map_err(|error| {
            let reason = error.to_string();
            let last = reason.lines().last().unwrap_or_default();
            format!("invalid regular expression {pattern:?}: {last}")
        })?;
        let comparison =
            if is_negated { Comparison::MatchesNot(regex) } else { Comparison::Matches(regex) };
        Ok(Self { name: name.to_owned(), value: pattern.to_owned(), comparison })
    }

    pub fn matches(&self, value: &str) -> bool {
        match &self.comparison {
            Comparison::Equal => self.value == value,
            Comparison::NotEqual => self.value != value,
            Comparison::Matches(regex) => regex.is_match(value),
            Comparison::MatchesNot(regex) => !regex.is_match(value),
        }
    }

    /// The operator in a query.
    pub fn operator(&self) -> &'static str {
        match self.comparison {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Matches(_) => "=~",
            Comparison::MatchesNot(_) => "!~",
        }
    }
}

/// A regular expression that matches the whole value; `.` matches a line feed too.
pub fn anchored(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&format!("^(?s:{pattern})$")).size_limit(MAX_REGEX_SIZE).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_empty_values_are_absent() {
        let labels = Labels::new([("job", "api"), ("empty", ""), ("__name__", "up")]);
        assert_eq!(labels.to_string(), r#"{__name__="up", job="api"}"#);
        assert_eq!(
            labels.with("a.b", "\"x\"").to_string(),
            r#"{__name__="up", "a.b"="\"x\"", job="api"}"#
        );
        assert_eq!(labels.with("job", ""), Labels::new([("__name__", "up")]));
        assert_eq!(labels.get("empty"), "");
    }

    #[test]
    fn a_regex_matches_the_whole_value_and_line_feeds() {
        let regex = anchored("a.*|b").unwrap();
        assert!(regex.is_match("a\nz"));
        assert!(!regex.is_match("xb"));
        assert!(anchored(&"(a{1000}){1000}".repeat(9)).is_err(), "a program of more than 1 MiB");
    }
}
