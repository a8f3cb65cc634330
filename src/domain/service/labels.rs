//! Labels that the owner of a service chooses for its metrics.

use std::sync::Arc;

use crate::domain::invalid::Invalid;

/// Most labels of a service.
pub const LABELS_MAX: usize = 20;

/// Longest name, in characters.
const NAME_MAX_CHARS: usize = 100;

/// Longest value, in characters.
const VALUE_MAX_CHARS: usize = 255;

/// Names that the metrics of a service have themselves, and those with a meaning in OpenMetrics.
pub const RESERVED: [&str; 8] =
    ["service_id", "name", "group", "phase", "label", "unit", "le", "quantile"];

/// Before the name of a label that is reserved, as Prometheus does with labels of a target.
const PREFIX: &str = "exported_";

/// Names and values, by name. Clones share the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Option<Arc<[Label]>>);

/// A valid name and a valid value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    name: Box<str>,
    value: Box<str>,
    is_reserved: bool,
}

impl Label {
    const NAME: &'static str = "a name of at most 100 letters, digits and _, that begins with \
         neither a digit nor __, and is not exported_ with a name that the metrics use themselves";
    const VALUE: &'static str = "a text of at most 255 characters without control characters";

    /// Error for an invalid name.
    ///
    /// Source: <https://prometheus.io/docs/concepts/data_model/>.
    pub fn check_name(name: &str) -> Result<(), Invalid> {
        let fits = (1..=NAME_MAX_CHARS).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && !name.starts_with("__");
        let shown_as_other = name.strip_prefix(PREFIX).is_some_and(|rest| RESERVED.contains(&rest));
        if fits && !shown_as_other { Ok(()) } else { Err(Invalid::quoted(name, Self::NAME)) }
    }

    /// Error for an invalid name or value.
    pub fn new(name: &str, value: &str) -> Result<Self, Invalid> {
        Self::check_name(name)?;
        if value.chars().count() > VALUE_MAX_CHARS || value.contains(char::is_control) {
            return Err(Invalid::quoted(value, Self::VALUE));
        }
        let is_reserved = RESERVED.contains(&name);
        let written = if is_reserved { format!("{PREFIX}{name}") } else { name.to_owned() };
        Ok(Self { name: written.into(), value: value.into(), is_reserved })
    }

    /// The name as it was given.
    pub fn name(&self) -> &str {
        if self.is_reserved { &self.name[PREFIX.len()..] } else { &self.name }
    }

    /// The name on `/metrics`: a reserved one has a prefix there.
    pub fn exposed_name(&self) -> &str {
        &self.name
    }

    pub fn value(&self) -> &str {
        &self.value
    }
}

impl Labels {
    /// `labels` have different names.
    pub fn new(mut labels: Vec<Label>) -> Self {
        labels.sort_unstable();
        Self((!labels.is_empty()).then(|| labels.into()))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Label> {
        self.0.iter().flat_map(|labels| labels.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_prometheus() {
        for good in ["team", "_a", "Team_2", "job", "exported_team", "version"] {
            assert!(Label::new(good, "x").is_ok(), "{good}");
        }
        let long = "a".repeat(101);
        for bad in
            ["", "1a", "a-b", "a.b", "a b", "ä", "__name__", "__a", "a\n", "exported_name", &long]
        {
            assert!(Label::new(bad, "x").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_value_is_a_bounded_line() {
        for good in ["", "a \"b\" \\", &"ü".repeat(255)] {
            assert!(Label::new("a", good).is_ok(), "{good}");
        }
        for bad in ["a\nb", "\u{0}", &"ü".repeat(256)] {
            assert!(Label::new("a", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reserved_name_is_exposed_with_a_prefix() {
        for name in RESERVED {
            let label = Label::new(name, "x").unwrap();
            assert_eq!(label.name(), name);
            assert_eq!(label.exposed_name(), format!("exported_{name}"));
        }
    }
}
