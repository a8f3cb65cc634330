//! Kinds of alerts and their severities.

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AlertKind {
    /// A downtime lasts, and enough results in a row failed.
    Down,
    /// A certificate expires soon.
    Certificate,
    /// Enough results in a row were slower than the service's limit.
    Degraded,
    /// The state changes too often.
    Flapping,
    /// The error budget burns 14.4 times too fast, over 1 hour and 5 minutes.
    SloFast,
    /// 6 times, over 6 hours and 30 minutes.
    SloSlow,
    /// At its limit, over 3 days and 6 hours.
    SloTicket,
    /// The monitor itself has no connectivity.
    Connectivity,
    /// The store takes no writes.
    Store,
    /// The scheduler is late, or the process stalled.
    Late,
    /// A channel fails.
    Channel,
    /// A changed services file was refused.
    File,
}

impl AlertKind {
    pub const ALL: [Self; 12] = [
        Self::Down,
        Self::Certificate,
        Self::Degraded,
        Self::Flapping,
        Self::SloFast,
        Self::SloSlow,
        Self::SloTicket,
        Self::Connectivity,
        Self::Store,
        Self::Late,
        Self::Channel,
        Self::File,
    ];

    /// The word in files, the API and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Certificate => "certificate",
            Self::Degraded => "degraded",
            Self::Flapping => "flapping",
            Self::SloFast => "slo-fast",
            Self::SloSlow => "slo-slow",
            Self::SloTicket => "slo-ticket",
            Self::Connectivity => "connectivity",
            Self::Store => "store",
            Self::Late => "late",
            Self::Channel => "channel",
            Self::File => "file",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether the alert is about the monitor, and not about a service.
    pub fn is_own(self) -> bool {
        self >= Self::Connectivity
    }

    /// The severity unless a rule or a policy sets one.
    pub fn severity(self) -> Severity {
        match self {
            Self::Down | Self::SloFast | Self::SloSlow | Self::Connectivity | Self::Store => {
                Severity::Critical
            }
            Self::Certificate
            | Self::Degraded
            | Self::Flapping
            | Self::SloTicket
            | Self::Late
            | Self::Channel
            | Self::File => Severity::Warning,
        }
    }
}

/// How urgent an alert is; ordered from the least urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The word in files, the API and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_reads_back() {
        for kind in AlertKind::ALL {
            assert_eq!(AlertKind::from_word(kind.as_str()), Some(kind));
        }
        for severity in Severity::ALL {
            assert_eq!(Severity::from_word(severity.as_str()), Some(severity));
        }
        assert!(AlertKind::Connectivity.is_own() && !AlertKind::SloTicket.is_own());
    }
}
