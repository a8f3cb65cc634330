//! Notifications: what one channel knows of an alert, and the attempts to deliver it.

use std::time::Duration;

use crate::domain::alert::alert_record::Alert;
use crate::domain::audit::AuditEntry;

/// What one channel knows of one alert, or of a group of alerts. The outbox is the notifications
/// with `delivered < revision`.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    pub id: i64,
    pub channel_id: i64,
    /// One of the channel's recipients, for a kind with one request a recipient.
    pub recipient: Option<String>,
    /// The policy that it follows; `None` for an entry of the service's own `alerts`.
    pub policy_id: Option<i64>,
    /// Of the alert: position of the entry in the service's `alerts`. Of a group: its values.
    pub scope: String,
    /// Step of the policy's escalation, from 0.
    pub step: u16,
    /// Number of changes that the channel should know.
    pub revision: u32,
    /// The newest revision that the channel knows.
    pub delivered: u32,
    /// What the channel should know.
    pub state: NotificationState,
    /// Unix milliseconds of the next attempt; `None` when nothing is due.
    pub due_ms: Option<i64>,
    /// Failed attempts of this revision.
    pub attempts: u32,
    /// Unix milliseconds of the current revision.
    pub revised_ms: i64,
    /// What the receiver answered to the begin, such as the number of an issue.
    pub reference: Option<String>,
    /// Unix milliseconds of the next reminder.
    pub reminder_due_ms: Option<i64>,
    /// Unix milliseconds.
    pub opened_ms: i64,
    /// Unix milliseconds; `None` while it may change.
    pub closed_ms: Option<i64>,
    /// Whether the newest failed attempt was the last one.
    pub is_dead: bool,
    /// The rule or policy as it was when the notification was opened.
    pub terms: NotificationTerms,
}

/// What a rule or a policy says about a notification, stored with it as JSON.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct NotificationTerms {
    /// Results in a row that begin the alert.
    pub failure_threshold: u32,
    /// Results in a row that end it.
    pub success_threshold: u32,
    pub send_on_resolved: bool,
    /// Milliseconds between reminders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reminder_ms: Option<i64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Position of the rule in the service's `alerts`, for its overrides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<u16>,
}

impl Default for NotificationTerms {
    fn default() -> Self {
        Self {
            failure_threshold: 1,
            success_threshold: 1,
            send_on_resolved: true,
            reminder_ms: None,
            description: String::new(),
            rule: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotificationState {
    Firing,
    /// A reminder: still firing.
    Still,
    Resolved,
    /// Began and ended before it was delivered.
    Missed,
    /// Several alerts in one message; some still fire.
    Digest,
    /// Several alerts in one message; all have ended.
    DigestResolved,
}

impl NotificationState {
    pub const ALL: [Self; 6] = [
        Self::Firing,
        Self::Still,
        Self::Resolved,
        Self::Missed,
        Self::Digest,
        Self::DigestResolved,
    ];

    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Still => "still",
            Self::Resolved => "resolved",
            Self::Missed => "missed",
            Self::Digest => "digest",
            Self::DigestResolved => "digest-resolved",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// One attempt to deliver a revision of a notification.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Assigned by the store.
    pub id: i64,
    pub notification_id: i64,
    pub revision: u32,
    /// Unix milliseconds.
    pub at_ms: i64,
    pub took_ms: u32,
    pub outcome: DeliveryOutcome,
    pub http_status: Option<u16>,
    /// At most 256 bytes.
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryOutcome {
    Delivered,
    /// The channel failed: tried again later, and everything of the channel waits.
    ChannelFailed,
    /// The receiver refused this message: tried once more in plain form, then dead.
    MessageRefused,
    /// A failure after which this revision is not tried any more.
    Dead,
}

impl DeliveryOutcome {
    pub const ALL: [Self; 4] =
        [Self::Delivered, Self::ChannelFailed, Self::MessageRefused, Self::Dead];

    /// The word in the API, metrics and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::ChannelFailed => "channel-failed",
            Self::MessageRefused => "message-refused",
            Self::Dead => "dead",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// The result of one request to a channel.
#[derive(Debug, Clone, PartialEq)]
pub enum Attempt {
    Delivered {
        http_status: Option<u16>,
        /// What the row's `remember` points to.
        reference: Option<String>,
    },
    /// No connection, timeout, TLS, 5xx, 401, 403, 404, 408, 425, 429.
    ChannelFailed {
        http_status: Option<u16>,
        /// One line, at most 256 bytes, without secrets.
        error: String,
        /// What the receiver demands, at most 1 hour.
        retry_after: Option<Duration>,
    },
    /// 400, 413, 422, also in the row's plain form.
    MessageRefused { http_status: Option<u16>, error: String },
}

/// What one turn of the dispatcher writes: all of it, or nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settlement {
    /// These signals are deleted. Not all up to one: several instances write signals, and a smaller
    /// id may be committed later.
    pub signals: Vec<i64>,
    /// Inserted, or replaced by id; one with empty facts keeps those that are stored.
    pub alerts: Vec<Alert>,
    /// Inserted, or replaced by id.
    pub notifications: Vec<Notification>,
    /// Alert and notification; pairs that exist are left.
    pub members: Vec<(i64, i64)>,
    /// Inserted; their ids are assigned.
    pub deliveries: Vec<Delivery>,
    /// Channels, and since when they fail, in unix milliseconds.
    pub failing: Vec<(i64, Option<i64>)>,
    /// Changes by people; those that exist are left.
    pub audit: Vec<AuditEntry>,
}

impl Settlement {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
