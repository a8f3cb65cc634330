//! Events: periods in which the state of a service did not change.

use crate::domain::outcome::{Failure, Reason};
use crate::domain::rollup::state::State;
use crate::domain::rollup::tally::LatestEvent;
use crate::domain::service::service_id::ServiceId;

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: i64,
    pub state: State,
    /// The failure of the probe that decided the event, for a downtime or an unknown period.
    pub failure: Option<EventFailure>,
    /// Unix milliseconds.
    pub started_ms: i64,
    /// Unix milliseconds; `None` while the event is open.
    pub ended_ms: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

impl Event {
    /// The part of the event that the roll-up needs.
    pub fn latest(&self) -> LatestEvent {
        LatestEvent {
            state: self.state,
            started_at_ms: self.started_ms,
            open: self.ended_ms.is_none(),
        }
    }
}

/// A failure as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFailure {
    pub reason: StoredReason,
    pub detail: String,
}

impl From<&Failure> for EventFailure {
    fn from(failure: &Failure) -> Self {
        Self { reason: StoredReason::Known(failure.reason), detail: failure.detail.clone() }
    }
}

/// The reason of a stored failure. A database that another version has written may hold other
/// words than [`Reason`] knows; they are shown as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredReason {
    Known(Reason),
    Other(String),
}

impl StoredReason {
    pub fn from_word(word: String) -> Self {
        Reason::from_word(&word).map_or(Self::Other(word), Self::Known)
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(reason) => reason.as_str(),
            Self::Other(word) => word,
        }
    }
}

/// An event with the service that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEvent {
    pub service_id: ServiceId,
    pub service_name: String,
    pub event: Event,
}

/// An event that began with a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBegan {
    pub service_id: ServiceId,
    pub state: State,
    /// State of the previous event; `None` for the first event of the service.
    pub before: Option<State>,
    /// State of the newest event before this one that was up or down.
    pub known_before: Option<State>,
    /// The failure that decided a downtime, or why nothing is known.
    pub failure: Option<Failure>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_reason_keeps_its_word() {
        let known = StoredReason::from_word("timeout".to_owned());
        assert_eq!((known.as_str(), &known), ("timeout", &StoredReason::Known(Reason::Timeout)));
        let other = StoredReason::from_word("of_a_later_version".to_owned());
        assert_eq!(other.as_str(), "of_a_later_version");
    }
}
