//! Rows of signals and alerts.

use diesel::prelude::*;

use super::Backend;
use super::schema::{alert_signals, alerts};
use super::values::{Source, json, plain_of, unreadable};
use crate::domain::ServiceId;
use crate::domain::alert::{
    Acknowledgement, Alert, AlertKind, AlertState, Edge, EndCause, Facts, Severity, Signal,
    Suppression,
};
use crate::storage::batch::NewSignal;
use crate::storage::port::Result;

// Whether an alert with this state is open. The word is part of the text, as in the index of the
// open alerts: were it a parameter, SQLite would plan the statement anew for each execution, to see
// whether the index can be used.
diesel::postfix_operator!(IsOpen, " <> 'resolved'");

/// The columns of `alert_signals` but for the id.
#[derive(Debug, Insertable)]
#[diesel(table_name = alert_signals, treat_none_as_default_value = false)]
pub struct NewSignalRow {
    pub service_id: i64,
    pub kind: &'static str,
    pub edge: &'static str,
    pub amount: i64,
    pub at_ms: i64,
    pub since_ms: i64,
    pub facts: String,
}

impl From<&NewSignal> for NewSignalRow {
    fn from(signal: &NewSignal) -> Self {
        Self {
            service_id: signal.service_id.get(),
            kind: signal.kind.as_str(),
            edge: signal.edge.as_str(),
            amount: signal.count.into(),
            at_ms: signal.at_ms,
            since_ms: signal.since_ms,
            facts: json(&signal.facts),
        }
    }
}

/// A row of `alert_signals`.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = alert_signals, check_for_backend(Backend))]
pub struct SignalRow {
    pub id: i64,
    pub service_id: i64,
    pub kind: String,
    pub edge: String,
    pub amount: i64,
    pub at_ms: i64,
    pub since_ms: i64,
    pub facts: String,
}

impl SignalRow {
    pub fn signal(self) -> Result<Signal> {
        let source = Source("alert_signals", self.id);
        Ok(Signal {
            id: self.id,
            service_id: ServiceId::new(self.service_id)
                .ok_or_else(|| unreadable(source.0, self.id, "service_id", self.service_id))?,
            kind: source.word("kind", &self.kind, AlertKind::from_word)?,
            edge: source.word("edge", &self.edge, Edge::from_word)?,
            count: source.number("amount", self.amount)?,
            at_ms: self.at_ms,
            since_ms: self.since_ms,
            facts: source.json("facts", &self.facts)?,
        })
    }
}

/// A row of `alerts`.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = alerts, treat_none_as_default_value = false, check_for_backend(Backend))]
pub struct AlertRow {
    pub id: i64,
    pub service_id: Option<i64>,
    pub kind: String,
    pub severity: String,
    pub state: String,
    pub since_ms: i64,
    pub fired_ms: Option<i64>,
    pub acknowledged_ms: Option<i64>,
    pub acknowledged_by: Option<String>,
    pub acknowledged_note: Option<String>,
    pub acknowledged_until_ms: Option<i64>,
    pub resolved_ms: Option<i64>,
    pub cause: Option<String>,
    pub amount: i64,
    pub suppressed_by: Option<String>,
    pub group_name: Option<String>,
    pub facts: String,
}

impl From<&Alert> for AlertRow {
    fn from(alert: &Alert) -> Self {
        let acknowledged = alert.acknowledged.as_ref();
        Self {
            id: alert.id,
            service_id: alert.service_id.map(ServiceId::get),
            kind: alert.kind.as_str().to_owned(),
            severity: alert.severity.as_str().to_owned(),
            state: alert.state.as_str().to_owned(),
            since_ms: alert.since_ms,
            fired_ms: alert.fired_ms,
            acknowledged_ms: acknowledged.map(|by| by.at_ms),
            acknowledged_by: acknowledged.and_then(|by| plain_of(by.by.as_ref())),
            acknowledged_note: acknowledged.and_then(|by| plain_of(by.note.as_ref())),
            acknowledged_until_ms: acknowledged.and_then(|by| by.until_ms),
            resolved_ms: alert.resolved_ms,
            cause: alert.cause.map(|cause| cause.as_str().to_owned()),
            amount: alert.count.into(),
            suppressed_by: alert.suppressed_by.map(|cause| cause.as_str().to_owned()),
            group_name: plain_of(alert.facts.group.as_ref()),
            facts: json(&alert.facts),
        }
    }
}

impl AlertRow {
    pub fn alert(self) -> Result<Alert> {
        let source = Source("alerts", self.id);
        let service_id = self.service_id.map(|id| {
            ServiceId::new(id).ok_or_else(|| unreadable("alerts", self.id, "service_id", id))
        });
        let cause = self.cause.as_deref();
        let suppressed_by = self.suppressed_by.as_deref();
        let facts: Facts = source.json("facts", &self.facts)?;
        Ok(Alert {
            id: self.id,
            service_id: service_id.transpose()?,
            kind: source.word("kind", &self.kind, AlertKind::from_word)?,
            severity: source.word("severity", &self.severity, Severity::from_word)?,
            state: source.word("state", &self.state, AlertState::from_word)?,
            since_ms: self.since_ms,
            fired_ms: self.fired_ms,
            acknowledged: self.acknowledged_ms.map(|at_ms| Acknowledgement {
                at_ms,
                by: self.acknowledged_by,
                note: self.acknowledged_note,
                until_ms: self.acknowledged_until_ms,
            }),
            resolved_ms: self.resolved_ms,
            cause: cause.map(|word| source.word("cause", word, EndCause::from_word)).transpose()?,
            count: source.number("amount", self.amount)?,
            suppressed_by: suppressed_by
                .map(|word| source.word("suppressed_by", word, Suppression::from_word))
                .transpose()?,
            facts,
        })
    }
}
