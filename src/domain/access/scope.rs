//! What a token permits.

use crate::domain::invalid::Invalid;

/// One permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// `GET /metrics`.
    Metrics,
    /// Every read, and the dashboard. Includes [`Metrics`](Self::Metrics).
    Read,
    /// Changes of services, maintenance and alerting. Includes [`Read`](Self::Read).
    Write,
    /// Probes on demand.
    Probe,
    /// Heartbeats of every push service, without the token of the service.
    Heartbeat,
    /// Tokens, the audit log, and every other scope.
    Admin,
}

impl Scope {
    pub const ALL: [Self; 6] =
        [Self::Metrics, Self::Read, Self::Write, Self::Probe, Self::Heartbeat, Self::Admin];

    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Read => "read",
            Self::Write => "write",
            Self::Probe => "probe",
            Self::Heartbeat => "heartbeat",
            Self::Admin => "admin",
        }
    }

    pub fn parse(word: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == word);
        found
            .ok_or_else(|| Invalid::quoted(word, "metrics, read, write, probe, heartbeat or admin"))
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Itself, and what it includes.
    const fn bits(self) -> u8 {
        match self {
            Self::Metrics | Self::Probe | Self::Heartbeat => self.bit(),
            Self::Read => self.bit() | Self::Metrics.bits(),
            Self::Write => self.bit() | Self::Read.bits(),
            Self::Admin => {
                self.bit() | Self::Write.bits() | Self::Probe.bits() | Self::Heartbeat.bits()
            }
        }
    }
}

/// A set of scopes as they were given; [`contains`](Self::contains) adds what they include.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Scopes {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(Scope::Admin.bit());

    /// Whether one of the scopes is `scope` or includes it.
    pub fn contains(self, scope: Scope) -> bool {
        self.given().any(|given| given.bits() & scope.bit() != 0)
    }

    /// The scopes as they were given, without those that they include.
    pub fn given(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the scopes permit reads and nothing else.
    pub fn is_read_only(self) -> bool {
        let closure = self.given().fold(0, |bits, scope| bits | scope.bits());
        closure == Scope::Read.bits()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::Scope::{Admin, Heartbeat, Metrics, Probe, Read, Write};
    use super::*;

    #[test]
    fn a_scope_includes_those_of_the_table() {
        let table: [(Scope, &[Scope]); 6] = [
            (Metrics, &[Metrics]),
            (Read, &[Metrics, Read]),
            (Write, &[Metrics, Read, Write]),
            (Probe, &[Probe]),
            (Heartbeat, &[Heartbeat]),
            (Admin, &Scope::ALL),
        ];
        for (given, included) in table {
            let scopes = Scopes::from_iter([given]);
            for scope in Scope::ALL {
                assert_eq!(
                    scopes.contains(scope),
                    included.contains(&scope),
                    "{given:?} {scope:?}"
                );
            }
            assert_eq!(scopes.given().collect::<Vec<_>>(), [given], "not what it includes");
            assert_eq!(scopes.is_read_only(), given == Read);
            assert_eq!(Scope::parse(given.as_str()), Ok(given));
        }
        let several = Scopes::from_iter([Probe, Metrics]);
        assert!(several.contains(Probe) && several.contains(Metrics) && !several.contains(Read));
        assert!(!Scopes::NONE.contains(Metrics) && Scopes::NONE.is_empty());
        assert!(Scopes::from_iter([Read, Metrics]).is_read_only());
        assert!(!Scopes::from_iter([Read, Probe]).is_read_only());
    }

    #[test]
    fn another_word_is_no_scope() {
        let error = Scope::parse("Read").unwrap_err().of("scopes");
        assert_eq!(
            error,
            "scopes: invalid value \"Read\", expected metrics, read, write, probe, heartbeat or \
             admin"
        );
    }
}
