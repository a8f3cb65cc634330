//! What an instance does of the work of all.

/// The part of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Probes services and serves everything.
    #[default]
    All,
    /// Probes services, and serves metrics and its health only.
    Runner,
    /// Serves everything, and probes on demand only.
    Api,
}

impl Role {
    const WORDS: [(Self, &'static str); 3] =
        [(Self::All, "all"), (Self::Runner, "runner"), (Self::Api, "api")];

    pub fn as_str(self) -> &'static str {
        Self::WORDS[self as usize].1
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(_, known)| *known == word).map(|(role, _)| role)
    }

    /// Whether it owns shards and duties.
    pub fn owns(self) -> bool {
        self != Self::Api
    }

    /// Whether it serves pages and the whole API.
    pub fn serves(self) -> bool {
        self != Self::Runner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_a_word() {
        for role in [Role::All, Role::Runner, Role::Api] {
            assert_eq!(Role::from_word(role.as_str()), Some(role));
        }
        assert_eq!(Role::from_word("both"), None);
    }
}
