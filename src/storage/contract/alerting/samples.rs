//! Sample values, and steps of the tests.

use std::time::Duration;

use super::super::alert_signals::firing;
use super::super::fixture::Fixture;
use crate::domain::PageRequest;
use crate::domain::access::GroupLimit;
use crate::domain::alert::{
    Alert, AlertKind, AlertState, ChannelOptions, Delivery, DeliveryOutcome, Matcher, Notification,
    NotificationState, NotificationTerms, PolicyOptions, Settlement,
};
use crate::domain::audit::AuditSource;
use crate::storage::alerting::{
    AlertingApplied, AlertingChange, AlertingState, ListAlerts, ListDeliveries, NewChannel,
    NewPolicy, NewSilence,
};

/// A notification that is due, of the channel 1.
pub fn due(id: i64) -> Notification {
    Notification {
        id,
        channel_id: 1,
        recipient: None,
        policy_id: Some(4),
        scope: "core".to_owned(),
        step: 0,
        revision: 1,
        delivered: 0,
        state: NotificationState::Firing,
        due_ms: Some(50),
        attempts: 0,
        revised_ms: 40,
        reference: None,
        reminder_due_ms: None,
        opened_ms: 40,
        closed_ms: None,
        is_dead: false,
        terms: NotificationTerms { description: "d".to_owned(), ..NotificationTerms::default() },
    }
}

pub fn delivery(notification_id: i64, at_ms: i64, outcome: DeliveryOutcome) -> Delivery {
    Delivery {
        id: 0,
        notification_id,
        revision: 1,
        at_ms,
        took_ms: 20,
        outcome,
        http_status: Some(503),
        error: Some("503 Service Unavailable".to_owned()),
    }
}

pub fn channel(name: &str) -> NewChannel {
    let mut options = ChannelOptions { system: true, ..ChannelOptions::default() };
    options.keys.insert("webhook-url".to_owned(), "${HOOK}".into());
    NewChannel { name: name.to_owned(), kind: "slack".to_owned(), enabled: true, options }
}

pub fn policy(name: &str, channels: &[&str]) -> NewPolicy {
    let channels = channels.iter().map(|name| (*name).to_owned()).collect();
    let options =
        PolicyOptions { steps: vec![(Duration::ZERO, channels)], ..PolicyOptions::default() };
    NewPolicy { name: name.to_owned(), position: 1, matcher: Matcher::default(), options }
}

pub fn silence(to_ms: i64) -> NewSilence {
    let matcher = Matcher { name: vec!["web*".to_owned()], ..Matcher::default() };
    NewSilence { matcher, from_ms: 5, to_ms, by: Some("ann".to_owned()), note: None }
}

pub fn state(f: &mut Fixture) -> AlertingState {
    f.reader.alerting_state().unwrap()
}

pub fn settle(f: &mut Fixture, settlement: &Settlement) {
    f.writer.settle_alerts(settlement).unwrap();
}

pub const PAGE: PageRequest = PageRequest { page: 1, limit: 100 };

pub const ALL_ALERTS: ListAlerts = ListAlerts {
    groups: GroupLimit::NONE,
    state: None,
    kind: None,
    service_id: None,
    group: None,
    suppressed_by: None,
    page: PAGE,
};

pub const ALL_DELIVERIES: ListDeliveries =
    ListDeliveries { channel_id: None, alert_id: None, outcome: None, page: PAGE };

pub fn ids(f: &mut Fixture, list: &ListAlerts) -> Vec<i64> {
    let page = f.reader.alerts(list).unwrap();
    assert_eq!(page.total, page.items.len() as u64);
    page.items.iter().map(|alert| alert.id).collect()
}

pub fn resolved(id: i64, at_ms: i64) -> Alert {
    let open = firing(id, None, AlertKind::Late);
    Alert { state: AlertState::Resolved, resolved_ms: Some(at_ms), ..open }
}

pub fn change(f: &mut Fixture, change: AlertingChange) -> AlertingApplied {
    f.writer.change_alerting(change, &AuditSource::COMMAND, 1_000).unwrap()
}

pub fn channel_id(applied: &AlertingApplied) -> i64 {
    let AlertingApplied::Channel(channel) = applied else { panic!("{applied:?}") };
    channel.id
}
