//! One alert, from its begin to its end.

use crate::domain::alert::kind::{AlertKind, Severity};
use crate::domain::alert::signal::Facts;
use crate::domain::service::service_id::ServiceId;

/// One problem of one service, or of the monitor itself. At most one of a service and kind is
/// open.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    pub id: i64,
    /// `None` for an alert of the monitor's own.
    pub service_id: Option<ServiceId>,
    pub kind: AlertKind,
    pub severity: Severity,
    pub state: AlertState,
    /// Begin of the downtime, in unix milliseconds.
    pub since_ms: i64,
    /// When the alert began to fire, in unix milliseconds; `None` while it is pending.
    pub fired_ms: Option<i64>,
    pub acknowledged: Option<Acknowledgement>,
    /// Unix milliseconds.
    pub resolved_ms: Option<i64>,
    pub cause: Option<EndCause>,
    /// The greatest count of its signals, which decides the rules that it meets.
    pub count: u32,
    /// Why its begin is not delivered.
    pub suppressed_by: Option<Suppression>,
    pub facts: Facts,
}

impl Alert {
    pub fn is_open(&self) -> bool {
        self.state != AlertState::Resolved
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertState {
    /// A notification is not decided yet: a parent is being probed, a group is gathering, or the
    /// alert is suppressed.
    Pending,
    Firing,
    Acknowledged,
    Resolved,
}

impl AlertState {
    pub const ALL: [Self; 4] = [Self::Pending, Self::Firing, Self::Acknowledged, Self::Resolved];

    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// Somebody takes care: no reminder and no escalation until it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Unix milliseconds.
    pub at_ms: i64,
    pub by: Option<String>,
    pub note: Option<String>,
    /// Unix milliseconds; `None` until the alert ends.
    pub until_ms: Option<i64>,
}

/// Why an alert ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndCause {
    Recovered,
    /// The service was paused.
    Paused,
    /// The service was removed.
    Removed,
}

impl EndCause {
    pub const ALL: [Self; 3] = [Self::Recovered, Self::Paused, Self::Removed];

    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Paused => "paused",
            Self::Removed => "removed",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

/// Why an alert that fires is not delivered, in the order in which the causes are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Suppression {
    Maintenance,
    /// A parent (`depends-on`) is down.
    Dependency,
    Silence,
    Flapping,
    QuietHours,
}

impl Suppression {
    pub const ALL: [Self; 5] =
        [Self::Maintenance, Self::Dependency, Self::Silence, Self::Flapping, Self::QuietHours];

    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Maintenance => "maintenance",
            Self::Dependency => "dependency",
            Self::Silence => "silence",
            Self::Flapping => "flapping",
            Self::QuietHours => "quiet-hours",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}
