//! From an alert and its notification to the message that a channel renders.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::alert::engine::open::OpenNotification;
use crate::domain::alert::message::Digest;
use crate::domain::alert::{
    Alert, AlertKind, EndCause, Facts, Message, MessageState, NotificationState, Severity,
};

/// What every message of this process has in common.
#[derive(Debug, Clone)]
pub struct MessageSource {
    /// `SERVICE_NAME`.
    pub monitor: String,
    /// Of the store; part of the keys of alerts.
    pub instance_key: String,
    /// `PUBLIC_URL`.
    pub public_url: Option<String>,
}

impl MessageSource {
    /// The message of a notification. `alerts` are its first alerts as stored; `counts` are the
    /// reasons of all that fire.
    pub fn message(
        &self,
        open: &OpenNotification,
        alerts: &[Alert],
        reasons: &BTreeMap<String, u32>,
        state: NotificationState,
        now_ms: i64,
    ) -> Option<Message> {
        let row = &open.row;
        let first = alerts.first()?;
        let is_digest = open.is_digest();
        let key = match is_digest {
            true => format!("shc-{}-n{}", self.instance_key, row.id),
            false => format!("shc-{}-{}", self.instance_key, first.id),
        };
        let severity = alerts.iter().map(|alert| alert.severity).max().unwrap_or(first.severity);
        let link = first.service_id.filter(|_| !is_digest);
        let link = link.zip(self.public_url.as_ref());
        Some(Message {
            state,
            kind: first.kind,
            severity: if is_digest { severity } else { first.severity },
            key,
            revision: row.revision,
            monitor: self.monitor.clone(),
            description: row.terms.description.clone(),
            facts: if is_digest { Facts::default() } else { first.facts.clone() },
            since_ms: alerts.iter().map(|alert| alert.since_ms).min().unwrap_or(first.since_ms),
            ended_ms: match is_digest {
                true => alerts.iter().map(|alert| alert.resolved_ms).max().flatten(),
                false => first.resolved_ms,
            },
            now_ms,
            end_cause: match first.cause {
                Some(cause @ (EndCause::Paused | EndCause::Removed)) => Some(cause.as_str()),
                Some(EndCause::Recovered) | None => None,
            },
            failure_threshold: row.terms.failure_threshold,
            success_threshold: row.terms.success_threshold,
            dependents: 0,
            link: link.map(|(id, base)| format!("{base}/v1/services/{id}")),
            recipient: row.recipient.clone(),
            reference: row.reference.clone(),
            digest: is_digest.then(|| digest(open, alerts, reasons)),
        })
    }

    /// The key of an alert that is not stored.
    pub fn own_key(&self, name: &str) -> String {
        format!("shc-{}-{name}", self.instance_key)
    }

    /// The message of one alert for a mirror, which has no notification.
    pub fn of_alert(&self, alert: &Alert, ended_ms: Option<i64>, now_ms: i64) -> Message {
        let link = alert.service_id.zip(self.public_url.as_ref());
        Message {
            state: match ended_ms {
                None => NotificationState::Firing,
                Some(_) => NotificationState::Resolved,
            },
            kind: alert.kind,
            severity: alert.severity,
            key: format!("shc-{}-{}", self.instance_key, alert.id),
            revision: 1,
            monitor: self.monitor.clone(),
            description: String::new(),
            facts: alert.facts.clone(),
            since_ms: alert.since_ms,
            ended_ms,
            now_ms,
            end_cause: match alert.cause {
                Some(cause @ (EndCause::Paused | EndCause::Removed)) => Some(cause.as_str()),
                Some(EndCause::Recovered) | None => None,
            },
            failure_threshold: 0,
            success_threshold: 0,
            dependents: 0,
            link: link.map(|(id, base)| format!("{base}/v1/services/{id}")),
            recipient: None,
            reference: None,
            digest: None,
        }
    }

    /// A message that a person asked for, to see how it looks.
    pub fn test_message(&self, state: MessageState, id: u64, now_ms: i64) -> Message {
        let is_digest =
            matches!(state, NotificationState::Digest | NotificationState::DigestResolved);
        let is_over = matches!(
            state,
            NotificationState::Resolved
                | NotificationState::Missed
                | NotificationState::DigestResolved
        );
        let names = ["example/api", "example/web", "example/db", "example/mail", "example/dns"];
        Message {
            state,
            kind: AlertKind::Down,
            severity: Severity::Critical,
            key: format!("shc-{}-test{id}", self.instance_key),
            revision: 1,
            monitor: self.monitor.clone(),
            description: "This is a test of the channel".to_owned(),
            facts: Facts {
                name: "api".to_owned(),
                group: Some("example".to_owned()),
                url: "https://api.example.org/health".to_owned(),
                reason: "status".to_owned(),
                detail: "status 503".to_owned(),
                conditions: vec![("[STATUS] (503) == 200".to_owned(), false)],
                http_status: Some(503),
                response_time_ms: Some(123),
            },
            since_ms: now_ms - 300_000,
            ended_ms: is_over.then_some(now_ms),
            now_ms,
            end_cause: None,
            failure_threshold: 3,
            success_threshold: 2,
            dependents: 0,
            link: self.public_url.as_ref().map(|base| format!("{base}/v1/services/1")),
            recipient: None,
            reference: None,
            digest: is_digest.then(|| Digest {
                total: 5,
                firing: if is_over { 0 } else { 5 },
                reasons: vec![("timeout".to_owned(), 3), ("status".to_owned(), 2)],
                names: names.map(str::to_owned).to_vec(),
            }),
        }
    }
}

fn digest(open: &OpenNotification, alerts: &[Alert], reasons: &BTreeMap<String, u32>) -> Digest {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut reasons: Vec<(String, u32)> =
        reasons.iter().map(|(reason, number)| (reason.clone(), *number)).collect();
    reasons.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    let has_firing = alerts.iter().any(Alert::is_open);
    let shown = alerts.iter().filter(|alert| alert.is_open() || !has_firing);
    let names: BTreeSet<String> = shown.map(|alert| full_name(&alert.facts)).collect();
    Digest {
        total: count(open.members.len()),
        firing: count(open.firing),
        reasons,
        names: names.into_iter().take(Digest::NAMES_LISTED).collect(),
    }
}

fn full_name(facts: &Facts) -> String {
    match &facts.group {
        Some(group) => format!("{group}/{}", facts.name),
        None => facts.name.clone(),
    }
}
