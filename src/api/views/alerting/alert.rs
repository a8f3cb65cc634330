//! An alert, and its notifications.

use std::cmp::Reverse;

use serde::Serialize;
use utoipa::ToSchema;

use super::delivery::Delivery;
use super::seconds;
use crate::api::views::envelope::{List, One};
use crate::domain::ServiceId;
use crate::domain::alert;
use crate::domain::alert::{EndCause, Facts, Suppression};
use crate::storage::alerting::{AlertHistory, NotificationRecord};

/// `data` of a response with one alert.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertData {
    pub alert: One<AlertDetails>,
}

/// `data` of a response with a changed alert.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedAlertData {
    pub alert: One<Alert>,
}

/// `data` of a response with a list of alerts.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertsData {
    /// The alerts, newest first.
    pub alerts: List<Alert>,
}

/// One problem of one service, or of the monitor itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alert {
    /// Id of the alert.
    id: i64,
    /// Id of the service; null for an alert of the monitor itself.
    #[schema(required = true)]
    service_id: Option<i64>,
    /// Name of the service when the alert was written; empty for one of the monitor itself.
    service_name: String,
    /// Group of the service then.
    #[schema(required = true)]
    group: Option<String>,
    /// What it is about.
    #[schema(example = "down")]
    kind: &'static str,
    #[schema(pattern = "^(info|warning|critical)$", example = "critical")]
    severity: &'static str,
    /// `pending` until it is decided which channels are notified, `firing`, `acknowledged`, or
    /// `resolved`.
    #[schema(pattern = "^(pending|firing|acknowledged|resolved)$", example = "firing")]
    state: &'static str,
    /// Why its begin is not delivered; null when it is.
    #[schema(required = true, example = "silence")]
    suppressed_by: Option<&'static str>,
    /// Begin of the problem, in unix seconds.
    since: i64,
    /// When it began to fire, in unix seconds; null while it is pending.
    #[schema(required = true)]
    fired_at: Option<i64>,
    /// Null while nobody has acknowledged it.
    #[schema(required = true)]
    acknowledged: Option<Acknowledgement>,
    /// When it ended, in unix seconds; null while it is open.
    #[schema(required = true)]
    resolved_at: Option<i64>,
    /// Why it ended: `recovered`, `paused` or `removed`; null while it is open.
    #[schema(required = true, example = "recovered")]
    cause: Option<&'static str>,
    /// Results in a row, or days until the expiry of a certificate.
    #[schema(format = Int64)]
    count: u32,
    /// URL of the service with masked secrets; empty for one of the monitor itself.
    url: String,
    /// Reason of the failure.
    #[schema(example = "timeout")]
    reason: String,
    /// Sentence about the failure.
    detail: String,
    /// Conditions and whether they were fulfilled, as far as they are known.
    conditions: Vec<Verdict>,
    /// HTTP status of the response; null without one.
    #[schema(required = true)]
    http_status: Option<u16>,
    /// Null when it is not known.
    #[schema(required = true)]
    response_time_ms: Option<u64>,
}

/// The open alert of a service.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenAlert {
    /// Id of the alert.
    id: i64,
    /// What it is about.
    #[schema(example = "down")]
    kind: &'static str,
    #[schema(pattern = "^(info|warning|critical)$", example = "critical")]
    severity: &'static str,
    #[schema(pattern = "^(pending|firing|acknowledged)$", example = "firing")]
    state: &'static str,
    /// Why its begin is not delivered; null when it is.
    #[schema(required = true)]
    suppressed_by: Option<&'static str>,
    /// Begin of the problem, in unix seconds.
    since: i64,
}

/// A condition and its result.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verdict {
    condition: String,
    success: bool,
}

/// An acknowledgement: no reminder and no escalation until it ends.
#[derive(Debug, Serialize, ToSchema)]
pub struct Acknowledgement {
    /// Unix seconds.
    at: i64,
    /// Who acknowledged it.
    #[schema(required = true)]
    by: Option<String>,
    #[schema(required = true)]
    note: Option<String>,
    /// Unix seconds; null until the end of the alert.
    #[schema(required = true)]
    until: Option<i64>,
}

/// An alert with its notifications and their newest deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertDetails {
    #[serde(flatten)]
    alert: Alert,
    /// By id.
    notifications: Vec<Notification>,
    /// The newest 100, newest first.
    deliveries: Vec<Delivery>,
}

/// What one channel knows of the alert, or of the group of alerts that it belongs to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Notification {
    /// Id of the notification.
    id: i64,
    /// Id of the channel.
    channel_id: i64,
    /// One of the channel's recipients, where each has its own request.
    #[schema(required = true)]
    recipient: Option<String>,
    /// Id of the policy; null for an entry of the service's own `alerts`.
    #[schema(required = true)]
    policy_id: Option<i64>,
    /// Step of the escalation, from 0.
    #[schema(format = Int64)]
    step: u16,
    /// What the channel should know: `firing`, `still`, `resolved`, `missed` for an alert that
    /// began and ended before it was delivered, `digest` or `digest-resolved` for several alerts.
    #[schema(example = "firing")]
    state: &'static str,
    /// Number of changes that the channel should know.
    #[schema(format = Int64)]
    revision: u32,
    /// The newest revision that the channel knows.
    #[schema(format = Int64)]
    delivered: u32,
    /// Whether it was given up.
    dead: bool,
    /// Failed attempts of this revision.
    #[schema(format = Int64)]
    attempts: u32,
    /// Unix seconds of the next attempt; null when none is due.
    #[schema(required = true)]
    due_at: Option<i64>,
    /// Unix seconds of the next reminder.
    #[schema(required = true)]
    reminder_at: Option<i64>,
    /// What the receiver answered to the begin, such as the number of an issue.
    #[schema(required = true)]
    reference: Option<String>,
    /// Unix seconds.
    opened_at: i64,
    /// Unix seconds; null while it may change.
    #[schema(required = true)]
    closed_at: Option<i64>,
    /// Number of its alerts.
    #[schema(format = Int64)]
    member_count: usize,
    /// Ids of its first 100 alerts.
    members: Vec<i64>,
}

impl Alert {
    pub fn new(alert: &alert::Alert) -> Self {
        let Facts { name, group, url, reason, detail, conditions, http_status, response_time_ms } =
            alert.facts.clone();
        let verdict = |(condition, success)| Verdict { condition, success };
        Self {
            id: alert.id,
            service_id: alert.service_id.map(ServiceId::get),
            service_name: name,
            group,
            kind: alert.kind.as_str(),
            severity: alert.severity.as_str(),
            state: alert.state.as_str(),
            suppressed_by: alert.suppressed_by.map(Suppression::as_str),
            since: seconds(alert.since_ms),
            fired_at: alert.fired_ms.map(seconds),
            acknowledged: alert.acknowledged.as_ref().map(Acknowledgement::new),
            resolved_at: alert.resolved_ms.map(seconds),
            cause: alert.cause.map(EndCause::as_str),
            count: alert.count,
            url,
            reason,
            detail,
            conditions: conditions.into_iter().map(verdict).collect(),
            http_status,
            response_time_ms,
        }
    }
}

impl OpenAlert {
    /// The most severe of `alerts`, by kind where they are equal.
    pub fn of(alerts: &[alert::Alert]) -> Option<Self> {
        let order = |alert: &&alert::Alert| (Reverse(alert.severity), alert.kind);
        let alert = alerts.iter().min_by_key(order)?;
        Some(Self {
            id: alert.id,
            kind: alert.kind.as_str(),
            severity: alert.severity.as_str(),
            state: alert.state.as_str(),
            suppressed_by: alert.suppressed_by.map(Suppression::as_str),
            since: seconds(alert.since_ms),
        })
    }
}

impl Acknowledgement {
    fn new(given: &alert::Acknowledgement) -> Self {
        Self {
            at: seconds(given.at_ms),
            by: given.by.clone(),
            note: given.note.clone(),
            until: given.until_ms.map(seconds),
        }
    }
}

impl AlertDetails {
    pub fn new(history: &AlertHistory) -> Self {
        let channel = |notification_id| {
            let mut of = history.notifications.iter();
            of.find(|it| it.notification.id == notification_id).map(|it| it.notification.channel_id)
        };
        let delivery = |delivery: &alert::Delivery| {
            Delivery::new(delivery, channel(delivery.notification_id).unwrap_or_default())
        };
        Self {
            alert: Alert::new(&history.alert),
            notifications: history.notifications.iter().map(Notification::new).collect(),
            deliveries: history.deliveries.iter().map(delivery).collect(),
        }
    }
}

impl Notification {
    /// Most members that are listed.
    const MEMBERS: usize = 100;

    fn new(record: &NotificationRecord) -> Self {
        let NotificationRecord { notification, members } = record;
        Self {
            id: notification.id,
            channel_id: notification.channel_id,
            recipient: notification.recipient.clone(),
            policy_id: notification.policy_id,
            step: notification.step,
            state: notification.state.as_str(),
            revision: notification.revision,
            delivered: notification.delivered,
            dead: notification.is_dead,
            attempts: notification.attempts,
            due_at: notification.due_ms.map(seconds),
            reminder_at: notification.reminder_due_ms.map(seconds),
            reference: notification.reference.clone(),
            opened_at: seconds(notification.opened_ms),
            closed_at: notification.closed_ms.map(seconds),
            member_count: members.len(),
            members: members.iter().copied().take(Self::MEMBERS).collect(),
        }
    }
}
