//! What one message reports, from which a channel's kind renders its request.

use crate::domain::alert::kind::{AlertKind, Severity};
use crate::domain::alert::notification::NotificationState;
use crate::domain::alert::signal::Facts;

/// The state of a message: that of its notification.
pub type MessageState = NotificationState;

/// Everything that a request to a channel is rendered from. Times are unix milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub state: MessageState,
    pub kind: AlertKind,
    pub severity: Severity,
    /// Stable over restarts and never shared by two alerts: `shc-INSTANCE-ALERT`, of a group
    /// `shc-INSTANCE-nNOTIFICATION`.
    pub key: String,
    /// Of the notification; a repeated attempt has the same.
    pub revision: u32,
    /// `SERVICE_NAME`.
    pub monitor: String,
    /// Of the rule or policy.
    pub description: String,
    pub facts: Facts,
    pub since_ms: i64,
    /// When the alert ended.
    pub ended_ms: Option<i64>,
    /// When the message is rendered.
    pub now_ms: i64,
    /// Why it ended, when the service did not recover: `paused`, `removed`.
    pub end_cause: Option<&'static str>,
    /// Thresholds of the rule or policy.
    pub failure_threshold: u32,
    pub success_threshold: u32,
    /// Number of services that are suppressed because they depend on this one.
    pub dependents: u32,
    /// Link to the service; `None` without `PUBLIC_URL`.
    pub link: Option<String>,
    /// One recipient, for a kind with one request a recipient.
    pub recipient: Option<String>,
    /// What the receiver answered to the begin.
    pub reference: Option<String>,
    /// Of a digest.
    pub digest: Option<Digest>,
}

/// Several alerts in one message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Digest {
    /// Number of alerts.
    pub total: u32,
    /// Number of them that still fire.
    pub firing: u32,
    /// Reasons with the number of alerts, most frequent first.
    pub reasons: Vec<(String, u32)>,
    /// Names of the first [`NAMES_LISTED`](Self::NAMES_LISTED) that fire, or that fired.
    pub names: Vec<String>,
}

impl Digest {
    pub const NAMES_LISTED: usize = 20;
}
