//! Values of alerting that cross the storage port: channels, policies and silences with their
//! changes, and the filters of the lists.

pub mod burn_rates;
pub mod policy_json;
pub mod port;
pub mod query;

use std::collections::HashMap;

use crate::domain::access::GroupLimit;
use crate::domain::alert::{
    Alert, AlertKind, AlertState, Channel, ChannelId, ChannelOptions, Delivery, DeliveryOutcome,
    Matcher, Notification, Policy, PolicyOptions, Signal, Silence, Suppression,
};
use crate::domain::{Definition, FullName, PageRequest, ServiceId};

/// What the dispatcher reads at the start.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertingState {
    /// 8 random letters, made with the database; part of the keys that receivers get.
    pub instance_key: String,
    /// Greater than the id of every alert so far, deleted ones included.
    pub next_alert_id: i64,
    /// Greater than the id of every notification so far, deleted ones included.
    pub next_notification_id: i64,
    /// The open ones, by id.
    pub alerts: Vec<Alert>,
    /// Those that are not closed, by id.
    pub notifications: Vec<NotificationRecord>,
    pub channels: Vec<Channel>,
    /// In their order.
    pub policies: Vec<Policy>,
    pub silences: Vec<Silence>,
}

/// A notification with its alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct NotificationRecord {
    pub notification: Notification,
    /// Ids of its alerts, ascending.
    pub members: Vec<i64>,
}

/// An alert with its notifications and their newest deliveries.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertDetails {
    pub alert: Alert,
    /// By id.
    pub notifications: Vec<Notification>,
    /// Newest first, at most [`DELIVERIES`](Self::DELIVERIES).
    pub deliveries: Vec<Delivery>,
}

impl AlertDetails {
    pub const DELIVERIES: u32 = 100;
}

/// A delivery with the channel of its notification.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRecord {
    pub delivery: Delivery,
    pub channel_id: ChannelId,
}

/// A channel without its id.
#[derive(Debug, Clone, PartialEq)]
pub struct NewChannel {
    pub name: String,
    pub kind: String,
    pub enabled: bool,
    pub options: ChannelOptions,
}

/// A policy without its id.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPolicy {
    pub name: String,
    /// Policies are tried in this order, and then in the order of their ids.
    pub position: u32,
    pub matcher: Matcher,
    pub options: PolicyOptions,
}

/// A silence without its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSilence {
    pub matcher: Matcher,
    /// Unix milliseconds.
    pub from_ms: i64,
    /// Unix milliseconds.
    pub to_ms: i64,
    pub by: Option<String>,
    pub note: Option<String>,
}

/// A change of channels, policies or silences, requested through the API. What the services file
/// defines is read-only.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertingChange {
    CreateChannel(NewChannel),
    /// The whole channel is replaced; it keeps `failing_since_ms`.
    UpdateChannel(ChannelId, NewChannel),
    /// Its deliveries stay.
    DeleteChannel(ChannelId),
    CreatePolicy(NewPolicy),
    UpdatePolicy(i64, NewPolicy),
    DeletePolicy(i64),
    CreateSilence(NewSilence),
    UpdateSilence(i64, NewSilence),
    DeleteSilence(i64),
}

/// Result of an [`AlertingChange`].
#[derive(Debug, Clone, PartialEq)]
pub enum AlertingApplied {
    Channel(Channel),
    Policy(Policy),
    Silence(Silence),
    /// The id of what was deleted.
    Deleted(i64),
}

/// Moments before which retention deletes, in unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertingCutoffs {
    /// Closed alerts by their end, with silences by theirs.
    pub alerts_ms: i64,
    /// Closed notifications by their end, and signals that were never settled.
    pub notifications_ms: i64,
    pub deliveries_ms: i64,
}

/// Query: the oldest signals, in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListSignals {
    pub limit: u32,
}

/// Query: the oldest signals, with the definitions of their services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadSignals {
    pub limit: u32,
}

/// Signals, with the definitions of those of their services that live.
#[derive(Debug, Clone, Default)]
pub struct SignalBatch {
    /// In the order of their ids.
    pub signals: Vec<Signal>,
    pub definitions: HashMap<ServiceId, Definition>,
}

/// Query: the definitions of those of these services that live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetDefinitions(pub Vec<ServiceId>);

/// Query: the living services with these names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindServices(pub Vec<FullName>);

/// Query: those of these services that live and are down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindDown(pub Vec<ServiceId>);

/// Query: what a message is made of: these alerts, and the definition of one service if it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetMessageParts {
    pub alert_ids: Vec<i64>,
    pub service_id: Option<ServiceId>,
}

/// Query: what the dispatcher reads at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetAlertingState;

/// Query: all channels, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListChannels;

/// Query: one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetChannel(pub ChannelId);

/// Query: all policies, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPolicies;

/// Query: one policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetPolicy(pub i64);

/// Query: all silences, by id; past ones until retention deletes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListSilences;

/// Query: one silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSilence(pub i64);

/// Query: the alerts that match every filter, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListAlerts {
    /// `None` for every state.
    pub state: Option<AlertState>,
    pub kind: Option<AlertKind>,
    /// Also of a service that was deleted.
    pub service_id: Option<ServiceId>,
    /// Group of the service when the alert was written; the empty text matches alerts without a
    /// group.
    pub group: Option<String>,
    pub suppressed_by: Option<Suppression>,
    /// The groups that the caller sees, as [`group`](Self::group). A limit leaves the alerts of the
    /// monitor's own out.
    pub groups: GroupLimit,
    pub page: PageRequest,
}

/// Query: one alert with its notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetAlert(pub i64);

/// Query: one alert with everything about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetAlertHistory(pub i64);

/// An alert with its notifications, their alerts and their newest deliveries.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertHistory {
    pub alert: Alert,
    /// By id.
    pub notifications: Vec<NotificationRecord>,
    /// As in [`AlertDetails`].
    pub deliveries: Vec<Delivery>,
}

/// Query: the alerts with these ids, by id; ids without an alert are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetAlerts(pub Vec<i64>);

/// Query: the open alerts of these services, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOpenAlerts(pub Vec<ServiceId>);

/// Query: one notification with its alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetNotification(pub i64);

/// Query: one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetDelivery(pub i64);

/// Query: the deliveries that match every filter, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListDeliveries {
    pub channel_id: Option<ChannelId>,
    pub alert_id: Option<i64>,
    pub outcome: Option<DeliveryOutcome>,
    pub page: PageRequest,
}
