//! Alerting, maintenance, access and the audit in a copy of the store.

use diesel::prelude::*;

use super::cold::access::rows;
use super::cold::alerting::alert_rows::{AlertRow, SignalRow};
use super::cold::alerting::definitions;
use super::cold::alerting::notification_rows::{DeliveryRow, NotificationRow};
use super::cold::audit::AuditRow;
use super::connection::StoreConnection;
use super::schema::{
    alert_signals, alerting, alerts, audit, deliveries, maintenance_spans, maintenances,
    notification_alerts, notifications,
};
use crate::storage::port::Result;
use crate::storage::transfer::{
    AlertingCopy, AlertingRow, EachAlertingRow, MaintenanceCopy, SpanCopy,
};

/// Rows that are in memory at once.
const PORTION: i64 = 1_000;

/// Passes every row, and then the counters.
pub fn read(connection: &mut StoreConnection, each: &mut EachAlertingRow<'_>) -> Result<()> {
    for channel in definitions::channels(connection)? {
        each(AlertingRow::Channel(channel))?;
    }
    for policy in definitions::policies(connection)? {
        each(AlertingRow::Policy(policy))?;
    }
    for silence in definitions::silences(connection)? {
        each(AlertingRow::Silence(silence))?;
    }
    by_id(|after| {
        let rows: Vec<SignalRow> = alert_signals::table
            .filter(alert_signals::id.gt(after))
            .order(alert_signals::id)
            .limit(PORTION)
            .select(SignalRow::as_select())
            .load(connection)?;
        pass(rows, |row| row.id, |row| each(AlertingRow::Signal(row.signal()?)))
    })?;
    by_id(|after| {
        let rows: Vec<AlertRow> = alerts::table
            .filter(alerts::id.gt(after))
            .order(alerts::id)
            .limit(PORTION)
            .select(AlertRow::as_select())
            .load(connection)?;
        pass(rows, |row| row.id, |row| each(AlertingRow::Alert(row.alert()?)))
    })?;
    by_id(|after| {
        let rows: Vec<NotificationRow> = notifications::table
            .filter(notifications::id.gt(after))
            .order(notifications::id)
            .limit(PORTION)
            .select(NotificationRow::as_select())
            .load(connection)?;
        for row in &rows {
            let members: Vec<i64> = notification_alerts::table
                .filter(notification_alerts::notification_id.eq(row.id))
                .order(notification_alerts::alert_id)
                .select(notification_alerts::alert_id)
                .load(connection)?;
            for alert_id in members {
                each(AlertingRow::Member { alert_id, notification_id: row.id })?;
            }
        }
        pass(rows, |row| row.id, |row| each(AlertingRow::Notification(row.notification()?)))
    })?;
    by_id(|after| {
        let rows: Vec<DeliveryRow> = deliveries::table
            .filter(deliveries::id.gt(after))
            .order(deliveries::id)
            .limit(PORTION)
            .select(DeliveryRow::as_select())
            .load(connection)?;
        pass(rows, |row| row.id, |row| each(AlertingRow::Delivery(row.record()?)))
    })?;
    read_maintenance(connection, each)?;
    for token in rows::tokens(connection)? {
        each(AlertingRow::Token(token))?;
    }
    for session in rows::sessions(connection)? {
        each(AlertingRow::Session(session))?;
    }
    by_id(|after| {
        let rows: Vec<AuditRow> = audit::table
            .filter(audit::id.gt(after))
            .order(audit::id)
            .limit(PORTION)
            .select(AuditRow::as_select())
            .load(connection)?;
        pass(rows, |row| row.id, |row| each(AlertingRow::Audit(row.record()?)))
    })?;
    let (instance_key, next_alert_id, next_notification_id) = alerting::table
        .select((alerting::instance_key, alerting::next_alert_id, alerting::next_notification_id))
        .first(connection)?;
    each(AlertingRow::Counters(AlertingCopy { instance_key, next_alert_id, next_notification_id }))
}

/// Calls `portion` with the last id of the one before, until it returns `None`.
fn by_id(mut portion: impl FnMut(i64) -> Result<Option<i64>>) -> Result<()> {
    let mut after = i64::MIN;
    while let Some(last) = portion(after)? {
        after = last;
    }
    Ok(())
}

/// Passes the rows; returns the id of the last one.
fn pass<R>(
    rows: Vec<R>,
    id: impl Fn(&R) -> i64,
    mut each: impl FnMut(R) -> Result<()>,
) -> Result<Option<i64>> {
    let last = rows.last().map(id);
    rows.into_iter().try_for_each(&mut each)?;
    Ok(last)
}

fn read_maintenance(
    connection: &mut StoreConnection,
    each: &mut EachAlertingRow<'_>,
) -> Result<()> {
    type Maintenance = (i64, String, String, i64, i64, i64, i64);
    let all: Vec<Maintenance> = maintenances::table
        .order(maintenances::id)
        .select((
            maintenances::id,
            maintenances::origin,
            maintenances::definition,
            maintenances::effective_ms,
            maintenances::mark_ms,
            maintenances::created_at,
            maintenances::updated_at,
        ))
        .load(connection)?;
    for (id, origin, definition, effective_ms, mark_ms, created_at, updated_at) in all {
        each(AlertingRow::Maintenance(MaintenanceCopy {
            id,
            origin,
            definition,
            effective_ms,
            mark_ms,
            created_at,
            updated_at,
        }))?;
    }
    type Span = (i64, i64, i64, i64);
    let columns = (
        maintenance_spans::service_id,
        maintenance_spans::from_ms,
        maintenance_spans::to_ms,
        maintenance_spans::maintenance_id,
    );
    let mut spans = maintenance_spans::table
        .order((maintenance_spans::service_id, maintenance_spans::from_ms))
        .select(columns)
        .load_iter::<Span, diesel::connection::DefaultLoadingMode>(connection)?;
    spans.try_for_each(|span| {
        let (service_id, from_ms, to_ms, maintenance_id) = span?;
        each(AlertingRow::Span(SpanCopy { service_id, from_ms, to_ms, maintenance_id }))
    })
}
