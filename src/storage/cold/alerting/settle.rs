//! What one turn of the dispatcher writes.

use std::collections::HashMap;

use diesel::prelude::*;

use super::alert_rows::AlertRow;
use super::notification_rows::{MemberRow, NewDeliveryRow, NotificationRow};
use super::schema::{
    alert_signals, alerting, alerts, channels, deliveries, notification_alerts, notifications,
};
use super::{StoreConnection, audit};
use crate::domain::alert::{Alert, Delivery, Facts, Notification, Settlement};
use crate::storage::error::StorageError;
use crate::storage::port::Result;

/// Rows of one statement. PostgreSQL takes 65,535 parameters, SQLite 32,766, and a row has at most
/// 18.
pub const ROWS: usize = 1_000;

/// Part of the caller's transaction. The same settlement again changes nothing.
pub fn settle(connection: &mut StoreConnection, settlement: &Settlement) -> Result<()> {
    let Settlement { signals, alerts, notifications, members, deliveries, failing, audit } =
        settlement;
    for part in signals.chunks(ROWS) {
        diesel::delete(alert_signals::table.filter(alert_signals::id.eq_any(part)))
            .execute(connection)?;
    }
    replace_alerts(connection, alerts)?;
    replace_notifications(connection, notifications)?;
    let rows: Vec<MemberRow> = members
        .iter()
        .map(|(alert_id, notification_id)| MemberRow {
            notification_id: *notification_id,
            alert_id: *alert_id,
        })
        .collect();
    for part in rows.chunks(ROWS) {
        diesel::insert_into(notification_alerts::table)
            .values(part)
            .on_conflict_do_nothing()
            .execute(connection)?;
    }
    insert_deliveries(connection, deliveries)?;
    for (channel_id, since_ms) in failing {
        diesel::update(channels::table.find(channel_id))
            .set(channels::failing_since_ms.eq(since_ms))
            .execute(connection)?;
    }
    reserve_ids(connection, alerts, notifications)?;
    audit::write_once(connection, audit)
}

/// No later alert or notification gets the id of one of these.
fn reserve_ids(
    connection: &mut StoreConnection,
    alerts: &[Alert],
    notifications: &[Notification],
) -> Result<()> {
    if let Some(last) = alerts.iter().map(|alert| alert.id).max() {
        diesel::update(alerting::table.filter(alerting::next_alert_id.le(last)))
            .set(alerting::next_alert_id.eq(last + 1))
            .execute(connection)?;
    }
    if let Some(last) = notifications.iter().map(|notification| notification.id).max() {
        diesel::update(alerting::table.filter(alerting::next_notification_id.le(last)))
            .set(alerting::next_notification_id.eq(last + 1))
            .execute(connection)?;
    }
    Ok(())
}

/// Alerts with empty facts keep those that are stored. All old rows go before the new ones come,
/// since at most one alert of a service and kind is open.
pub fn replace_alerts(connection: &mut StoreConnection, alerts: &[Alert]) -> Result<()> {
    let mut rows: Vec<AlertRow> = alerts.iter().map(AlertRow::from).collect();
    let none = Facts::default();
    let kept = alerts.iter().filter(|alert| alert.facts == none).map(|alert| alert.id);
    let kept: Vec<i64> = kept.collect();
    let mut facts: HashMap<i64, (Option<String>, String)> = HashMap::new();
    for part in kept.chunks(ROWS) {
        let stored: Vec<(i64, Option<String>, String)> = alerts::table
            .filter(alerts::id.eq_any(part))
            .select((alerts::id, alerts::group_name, alerts::facts))
            .load(connection)?;
        facts.extend(stored.into_iter().map(|(id, group, facts)| (id, (group, facts))));
    }
    for row in &mut rows {
        if let Some((group_name, facts)) = facts.remove(&row.id) {
            (row.group_name, row.facts) = (group_name, facts);
        }
    }
    for part in rows.chunks(ROWS) {
        let ids = part.iter().map(|row| row.id);
        diesel::delete(alerts::table.filter(alerts::id.eq_any(ids))).execute(connection)?;
    }
    for part in rows.chunks(ROWS) {
        diesel::insert_into(alerts::table).values(part).execute(connection)?;
    }
    Ok(())
}

pub fn replace_notifications(
    connection: &mut StoreConnection,
    notifications: &[Notification],
) -> Result<()> {
    for part in notifications.chunks(ROWS) {
        let ids = part.iter().map(|notification| notification.id);
        diesel::delete(notifications::table.filter(notifications::id.eq_any(ids)))
            .execute(connection)?;
        let rows: Vec<NotificationRow> = part.iter().map(NotificationRow::from).collect();
        diesel::insert_into(notifications::table).values(rows).execute(connection)?;
    }
    Ok(())
}

fn insert_deliveries(connection: &mut StoreConnection, deliveries: &[Delivery]) -> Result<()> {
    for part in deliveries.chunks(ROWS) {
        let ids = part.iter().map(|delivery| delivery.notification_id);
        let channels: Vec<(i64, i64)> = notifications::table
            .filter(notifications::id.eq_any(ids))
            .select((notifications::id, notifications::channel_id))
            .load(connection)?;
        let channels: HashMap<i64, i64> = channels.into_iter().collect();
        let rows = part.iter().map(|delivery| {
            let id = delivery.notification_id;
            let channel_id = channels.get(&id).ok_or_else(|| {
                StorageError::Conflict(format!(
                    "a delivery is of the notification {id}, which does not exist"
                ))
            })?;
            Ok(NewDeliveryRow::new(delivery, *channel_id))
        });
        diesel::insert_into(deliveries::table)
            .values(rows.collect::<Result<Vec<_>>>()?)
            .on_conflict_do_nothing()
            .execute(connection)?;
    }
    Ok(())
}
