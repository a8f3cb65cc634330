//! Open alerts and notifications in memory.

use std::rc::Rc;

use crate::domain::alert::alert_record::{
    Acknowledgement, Alert, AlertState, EndCause, Suppression,
};
use crate::domain::alert::kind::{AlertKind, Severity};
use crate::domain::alert::notification::{Notification, NotificationState};
use crate::domain::alert::signal::Facts;
use crate::domain::service::service_id::ServiceId;

/// Name and group of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Subject {
    pub name: Box<str>,
    pub group: Option<Box<str>>,
}

/// An open alert without its facts, which are in the store.
#[derive(Debug, Clone)]
pub struct OpenAlert {
    pub id: i64,
    pub service_id: Option<ServiceId>,
    pub kind: AlertKind,
    pub severity: Severity,
    pub state: AlertState,
    pub since_ms: i64,
    pub fired_ms: Option<i64>,
    pub acknowledged: Option<Box<Acknowledgement>>,
    pub resolved_ms: Option<i64>,
    pub cause: Option<EndCause>,
    /// The greatest count of its signals.
    pub count: u32,
    /// Good results in a row after which it ends: the longest that a route demands.
    pub ends_at: u32,
    pub suppressed_by: Option<Suppression>,
    pub subject: Rc<Subject>,
    pub notifications: Vec<i64>,
    /// Groups in which it waits; pending until it waits in none.
    pub gathering: u32,
}

impl OpenAlert {
    pub fn of(alert: &Alert) -> Self {
        Self {
            id: alert.id,
            service_id: alert.service_id,
            kind: alert.kind,
            severity: alert.severity,
            state: alert.state,
            since_ms: alert.since_ms,
            fired_ms: alert.fired_ms,
            acknowledged: alert.acknowledged.clone().map(Box::new),
            resolved_ms: alert.resolved_ms,
            cause: alert.cause,
            count: alert.count,
            ends_at: 0,
            suppressed_by: alert.suppressed_by,
            subject: Rc::new(Subject {
                name: alert.facts.name.as_str().into(),
                group: alert.facts.group.as_deref().map(Into::into),
            }),
            notifications: Vec::new(),
            gathering: 0,
        }
    }

    /// As stored; empty facts leave those that are stored.
    pub fn row(&self, facts: Facts) -> Alert {
        Alert {
            id: self.id,
            service_id: self.service_id,
            kind: self.kind,
            severity: self.severity,
            state: self.state,
            since_ms: self.since_ms,
            fired_ms: self.fired_ms,
            acknowledged: self.acknowledged.as_deref().cloned(),
            resolved_ms: self.resolved_ms,
            cause: self.cause,
            count: self.count,
            suppressed_by: self.suppressed_by,
            facts,
        }
    }

    pub fn is_pending(&self) -> bool {
        self.state == AlertState::Pending
    }
}

/// A notification that may change, with its alerts.
#[derive(Debug, Clone)]
pub struct OpenNotification {
    pub row: Notification,
    /// One alert, or those of a digest.
    pub members: Vec<i64>,
    /// Members that fire.
    pub firing: usize,
    /// Unix milliseconds of the newest attempt; at first, of the newest revision.
    pub attempted_ms: i64,
    /// The newest revision that is stored.
    pub settled: u32,
}

impl OpenNotification {
    pub fn new(row: Notification, members: Vec<i64>, firing: usize) -> Self {
        let attempted_ms = row.revised_ms;
        Self { row, members, firing, attempted_ms, settled: 0 }
    }

    pub fn is_digest(&self) -> bool {
        matches!(self.row.state, NotificationState::Digest | NotificationState::DigestResolved)
    }

    /// Whether the channel knows of the begin.
    pub fn is_delivered(&self) -> bool {
        self.row.delivered > 0
    }
}
