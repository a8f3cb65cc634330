//! Description of one environment variable.

/// One environment variable.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    pub name: &'static str,
    /// Empty for an optional variable.
    pub default: &'static str,
    /// Valid values, as a noun phrase.
    pub expected: &'static str,
    /// Meaning of the value.
    pub about: &'static str,
    /// The value may contain credentials: errors do not show it.
    pub is_secret: bool,
}

impl Variable {
    pub const fn new(
        name: &'static str,
        default: &'static str,
        expected: &'static str,
        about: &'static str,
    ) -> Self {
        Self { name, default, expected, about, is_secret: false }
    }

    pub const fn optional(name: &'static str, expected: &'static str, about: &'static str) -> Self {
        Self::new(name, "", expected, about)
    }

    pub const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }
}

/// Variables of one subject.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    pub title: &'static str,
    pub variables: &'static [Variable],
}
