//! Name and group of a service.

use std::fmt;
use std::sync::Arc;

use crate::domain::invalid::Invalid;

/// Longest name, in characters (contract, "Service").
pub const NAME_MAX_CHARS: usize = 255;

/// 1 to 255 characters without control characters, without space at either end. Clones share the
/// text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(Arc<str>);

impl Name {
    const EXPECTED: &'static str =
        "1 to 255 characters without control characters and without space at the ends";

    pub fn parse(text: &str) -> Result<Self, Invalid> {
        label(text, Self::EXPECTED).map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The characters of a [`Name`]. Clones share the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group(Arc<str>);

impl Group {
    const EXPECTED: &'static str = "null or up to 255 characters without control characters";

    /// `None` for an empty text: the service has no group, as in Gatus.
    pub fn parse(text: &str) -> Result<Option<Self>, Invalid> {
        if text.is_empty() {
            return Ok(None);
        }
        label(text, Self::EXPECTED).map(|text| Some(Self(text)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Name and group of a service, which identify it among those that are not deleted. Displayed as
/// `core/api`, or as the name alone without a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FullName {
    pub group: Option<Group>,
    pub name: Name,
}

impl FullName {
    /// The key of the service in the API of Gatus: `core_pay-api` for `Pay API` in the group
    /// `core`. Different names may have the same key.
    ///
    /// Source: `config/key/key.go` of Gatus.
    pub fn key(&self) -> String {
        let part =
            |text: &str| lower_case(text).replace([' ', '/', '_', ',', '.', '#', '+', '&'], "-");
        let group = self.group.as_ref().map_or("", Group::as_str);
        format!("{}_{}", part(group), part(self.name.as_str()))
    }
}

/// The text in lower case, as Go has it: each character for itself.
pub fn lower_case(text: &str) -> String {
    text.chars().filter_map(|c| c.to_lowercase().next()).collect()
}

impl fmt::Display for FullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "{}/{}", group.as_str(), self.name.as_str()),
            None => f.write_str(self.name.as_str()),
        }
    }
}

fn label(text: &str, expected: &'static str) -> Result<Arc<str>, Invalid> {
    let length = text.chars().count();
    let is_valid = (1..=NAME_MAX_CHARS).contains(&length)
        && text.trim() == text
        && !text.contains(char::is_control);
    if is_valid { Ok(text.into()) } else { Err(Invalid::quoted(text, expected)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_name_is_counted_in_characters() {
        assert!(Name::parse(&"ü".repeat(255)).is_ok());
        for bad in [String::new(), "x".repeat(256), " a".into(), "a\n".into(), "a\u{0}b".into()] {
            assert!(Name::parse(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_key_is_that_of_gatus() {
        for (group, name, key) in [
            ("core", "Pay API", "core_pay-api"),
            ("", "backup", "_backup"),
            ("A/B_c", "d.e,f#g+h&i", "a-b-c_d-e-f-g-h-i"),
            ("", "ÜBER \u{3a3}\u{130}-x", "_über-\u{3c3}i-x"),
        ] {
            let group = Group::parse(group).unwrap();
            let full_name = FullName { group, name: Name::parse(name).unwrap() };
            assert_eq!(full_name.key(), key);
        }
    }
}
