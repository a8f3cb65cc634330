//! Copies of alerting and maintenance, from and to a store.

use diesel::prelude::*;

use super::alert_rows::{AlertRow, NewSignalRow, SignalRow};
use super::definition_rows::{NewChannelRow, NewPolicyRow, NewSilenceRow};
use super::notification_rows::{DeliveryRow, MemberRow, NewDeliveryRow, NotificationRow};
use super::schema::{
    alert_signals, alerting, alerts, channels, deliveries, maintenance_spans, maintenances,
    notification_alerts, notifications, policies, silences,
};
use super::{StoreConnection, definitions};
use crate::storage::alerting::{NewChannel, NewPolicy, NewSilence};
use crate::storage::batch::NewSignal;
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
    type Maintenance = (i64, Option<String>, String, i64, String, String);
    let all: Vec<Maintenance> = maintenances::table
        .order(maintenances::id)
        .select((
            maintenances::id,
            maintenances::name,
            maintenances::origin,
            maintenances::position,
            maintenances::matcher,
            maintenances::definition,
        ))
        .load(connection)?;
    for (id, name, origin, position, matcher, definition) in all {
        let copy = MaintenanceCopy { id, name, origin, position, matcher, definition };
        each(AlertingRow::Maintenance(copy))?;
    }
    type Span = (i64, i64, Option<i64>, i64, Option<String>);
    let columns = (
        maintenance_spans::service_id,
        maintenance_spans::from_ms,
        maintenance_spans::to_ms,
        maintenance_spans::maintenance_id,
        maintenance_spans::note,
    );
    let mut spans = maintenance_spans::table
        .order((maintenance_spans::service_id, maintenance_spans::from_ms))
        .select(columns)
        .load_iter::<Span, diesel::connection::DefaultLoadingMode>(connection)?;
    spans.try_for_each(|span| {
        let (service_id, from_ms, to_ms, maintenance_id, note) = span?;
        each(AlertingRow::Span(SpanCopy { service_id, from_ms, to_ms, maintenance_id, note }))
    })
}

/// Adds a row to an empty store.
pub fn add(connection: &mut StoreConnection, row: AlertingRow) -> Result<()> {
    match row {
        AlertingRow::Channel(channel) => {
            let (id, origin, failing) = (channel.id, channel.origin, channel.failing_since_ms);
            let new = NewChannel {
                name: channel.name,
                kind: channel.kind,
                enabled: channel.enabled,
                options: channel.options,
            };
            diesel::insert_into(channels::table)
                .values((
                    channels::id.eq(id),
                    channels::failing_since_ms.eq(failing),
                    NewChannelRow::new(&new, origin),
                ))
                .execute(connection)
        }
        AlertingRow::Policy(policy) => {
            let (id, origin) = (policy.id, policy.origin);
            let new = NewPolicy {
                name: policy.name,
                position: policy.position,
                matcher: policy.matcher,
                options: policy.options,
            };
            diesel::insert_into(policies::table)
                .values((policies::id.eq(id), NewPolicyRow::new(&new, origin)))
                .execute(connection)
        }
        AlertingRow::Silence(silence) => {
            let id = silence.id;
            let new = NewSilence {
                matcher: silence.matcher,
                from_ms: silence.from_ms,
                to_ms: silence.to_ms,
                by: silence.by,
                note: silence.note,
            };
            diesel::insert_into(silences::table)
                .values((silences::id.eq(id), NewSilenceRow::new(&new)))
                .execute(connection)
        }
        AlertingRow::Signal(signal) => {
            let new = NewSignal {
                service_id: signal.service_id,
                kind: signal.kind,
                edge: signal.edge,
                count: signal.count,
                at_ms: signal.at_ms,
                since_ms: signal.since_ms,
                facts: signal.facts,
            };
            diesel::insert_into(alert_signals::table)
                .values((alert_signals::id.eq(signal.id), NewSignalRow::from(&new)))
                .execute(connection)
        }
        AlertingRow::Alert(alert) => {
            diesel::insert_into(alerts::table).values(AlertRow::from(&alert)).execute(connection)
        }
        AlertingRow::Notification(notification) => diesel::insert_into(notifications::table)
            .values(NotificationRow::from(&notification))
            .execute(connection),
        AlertingRow::Member { alert_id, notification_id } => {
            diesel::insert_into(notification_alerts::table)
                .values(MemberRow { notification_id, alert_id })
                .execute(connection)
        }
        AlertingRow::Delivery(record) => diesel::insert_into(deliveries::table)
            .values((
                deliveries::id.eq(record.delivery.id),
                NewDeliveryRow::new(&record.delivery, record.channel_id),
            ))
            .execute(connection),
        AlertingRow::Maintenance(maintenance) => diesel::insert_into(maintenances::table)
            .values((
                maintenances::id.eq(maintenance.id),
                maintenances::name.eq(maintenance.name),
                maintenances::origin.eq(maintenance.origin),
                maintenances::position.eq(maintenance.position),
                maintenances::matcher.eq(maintenance.matcher),
                maintenances::definition.eq(maintenance.definition),
            ))
            .execute(connection),
        AlertingRow::Span(span) => diesel::insert_into(maintenance_spans::table)
            .values((
                maintenance_spans::service_id.eq(span.service_id),
                maintenance_spans::from_ms.eq(span.from_ms),
                maintenance_spans::to_ms.eq(span.to_ms),
                maintenance_spans::maintenance_id.eq(span.maintenance_id),
                maintenance_spans::note.eq(span.note),
            ))
            .execute(connection),
        AlertingRow::Counters(counters) => diesel::update(alerting::table)
            .set((
                alerting::instance_key.eq(counters.instance_key),
                alerting::next_alert_id.eq(counters.next_alert_id),
                alerting::next_notification_id.eq(counters.next_notification_id),
            ))
            .execute(connection),
    }?;
    Ok(())
}
