//! Rows of notifications, their members and their deliveries.

use diesel::prelude::*;

use super::Backend;
use super::schema::{deliveries, notification_alerts, notifications};
use super::values::{Source, json, plain, plain_of};
use crate::domain::alert::{Delivery, DeliveryOutcome, Notification, NotificationState};
use crate::storage::alerting::DeliveryRecord;
use crate::storage::port::Result;

/// A row of `notifications`.
#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(
    table_name = notifications, treat_none_as_default_value = false, check_for_backend(Backend)
)]
pub struct NotificationRow {
    pub id: i64,
    pub channel_id: i64,
    pub recipient: Option<String>,
    pub policy_id: Option<i64>,
    pub scope: String,
    pub step: i32,
    pub revision: i64,
    pub delivered: i64,
    pub state: String,
    pub due_ms: Option<i64>,
    pub attempts: i64,
    pub revised_ms: i64,
    pub reference: Option<String>,
    pub reminder_due_ms: Option<i64>,
    pub opened_ms: i64,
    pub closed_ms: Option<i64>,
    pub is_dead: bool,
    pub terms: String,
}

impl From<&Notification> for NotificationRow {
    fn from(notification: &Notification) -> Self {
        Self {
            id: notification.id,
            channel_id: notification.channel_id,
            recipient: plain_of(notification.recipient.as_ref()),
            policy_id: notification.policy_id,
            scope: plain(&notification.scope),
            step: notification.step.into(),
            revision: notification.revision.into(),
            delivered: notification.delivered.into(),
            state: notification.state.as_str().to_owned(),
            due_ms: notification.due_ms,
            attempts: notification.attempts.into(),
            revised_ms: notification.revised_ms,
            reference: plain_of(notification.reference.as_ref()),
            reminder_due_ms: notification.reminder_due_ms,
            opened_ms: notification.opened_ms,
            closed_ms: notification.closed_ms,
            is_dead: notification.is_dead,
            terms: json(&notification.terms),
        }
    }
}

impl NotificationRow {
    pub fn notification(self) -> Result<Notification> {
        let source = Source("notifications", self.id);
        Ok(Notification {
            id: self.id,
            channel_id: self.channel_id,
            recipient: self.recipient,
            policy_id: self.policy_id,
            scope: self.scope,
            step: source.number("step", self.step.into())?,
            revision: source.number("revision", self.revision)?,
            delivered: source.number("delivered", self.delivered)?,
            state: source.word("state", &self.state, NotificationState::from_word)?,
            due_ms: self.due_ms,
            attempts: source.number("attempts", self.attempts)?,
            revised_ms: self.revised_ms,
            reference: self.reference,
            reminder_due_ms: self.reminder_due_ms,
            opened_ms: self.opened_ms,
            closed_ms: self.closed_ms,
            is_dead: self.is_dead,
            terms: source.json("terms", &self.terms)?,
        })
    }
}

/// A row of `notification_alerts`.
#[derive(Debug, Clone, Copy, Queryable, Selectable, Insertable)]
#[diesel(
    table_name = notification_alerts,
    treat_none_as_default_value = false,
    check_for_backend(Backend)
)]
pub struct MemberRow {
    pub notification_id: i64,
    pub alert_id: i64,
}

/// The columns of `deliveries` but for the id.
#[derive(Debug, Insertable)]
#[diesel(table_name = deliveries, treat_none_as_default_value = false)]
pub struct NewDeliveryRow {
    pub notification_id: i64,
    pub channel_id: i64,
    pub revision: i64,
    pub at_ms: i64,
    pub took_ms: i64,
    pub outcome: &'static str,
    pub http_status: Option<i32>,
    pub error: Option<String>,
}

impl NewDeliveryRow {
    pub fn new(delivery: &Delivery, channel_id: i64) -> Self {
        Self {
            notification_id: delivery.notification_id,
            channel_id,
            revision: delivery.revision.into(),
            at_ms: delivery.at_ms,
            took_ms: delivery.took_ms.into(),
            outcome: delivery.outcome.as_str(),
            http_status: delivery.http_status.map(i32::from),
            error: plain_of(delivery.error.as_ref()),
        }
    }
}

/// A row of `deliveries`.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = deliveries, check_for_backend(Backend))]
pub struct DeliveryRow {
    pub id: i64,
    pub notification_id: i64,
    pub channel_id: i64,
    pub revision: i64,
    pub at_ms: i64,
    pub took_ms: i64,
    pub outcome: String,
    pub http_status: Option<i32>,
    pub error: Option<String>,
}

impl DeliveryRow {
    pub fn record(self) -> Result<DeliveryRecord> {
        let source = Source("deliveries", self.id);
        let http_status =
            self.http_status.map(|status| source.number("http_status", status.into()));
        let delivery = Delivery {
            id: self.id,
            notification_id: self.notification_id,
            revision: source.number("revision", self.revision)?,
            at_ms: self.at_ms,
            took_ms: source.number("took_ms", self.took_ms)?,
            outcome: source.word("outcome", &self.outcome, DeliveryOutcome::from_word)?,
            http_status: http_status.transpose()?,
            error: self.error,
        };
        Ok(DeliveryRecord { delivery, channel_id: self.channel_id })
    }
}
