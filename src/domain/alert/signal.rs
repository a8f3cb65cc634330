//! Signals: what the ledger notes for the dispatcher, in the transaction of the tick.

use crate::domain::alert::kind::AlertKind;
use crate::domain::service::service_id::ServiceId;

/// A change that may begin, change or end an alert. Never changed, deleted once settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Assigned by the store, ascending.
    pub id: i64,
    pub service_id: ServiceId,
    pub kind: AlertKind,
    pub edge: Edge,
    /// Results in a row, or days until the expiry of a certificate.
    pub count: u32,
    /// Unix milliseconds of the result that made the signal.
    pub at_ms: i64,
    /// Unix milliseconds of the begin of the downtime or uptime, or of the state.
    pub since_ms: i64,
    pub facts: Facts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Edge {
    /// A run of bad results reached a mark.
    Begin,
    /// A run of good results reached a mark.
    End,
    /// The service was paused or removed.
    Gone,
}

impl Edge {
    pub const ALL: [Self; 3] = [Self::Begin, Self::End, Self::Gone];

    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::End => "end",
            Self::Gone => "gone",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|edge| edge.as_str() == word)
    }
}

/// What was observed, so that a message says what was, also of a service that is gone. Without
/// secrets. At most 4 KiB as JSON.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Name of the service; empty for an alert of the monitor's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// With secrets masked.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// The reason's word, such as `timeout`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The sentence of the failure.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Conditions and whether they were fulfilled, as far as they are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<(String, bool)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_time_ms: Option<u64>,
}
