//! What the dispatcher reads: signals, and what is open.

use std::collections::HashMap;

use diesel::prelude::*;

use super::alert_rows::{AlertRow, IsOpen, SignalRow};
use super::notification_rows::NotificationRow;
use super::schema::{alert_signals, alerting, alerts, notification_alerts, notifications};
use super::{StoreConnection, definitions};
use crate::domain::alert::{Alert, Notification, Signal};
use crate::storage::alerting::{AlertingState, NotificationRecord};
use crate::storage::port::Result;

/// The oldest signals, by id.
pub fn signals(connection: &mut StoreConnection, limit: u32) -> Result<Vec<Signal>> {
    let rows: Vec<SignalRow> = alert_signals::table
        .order(alert_signals::id)
        .limit(limit.into())
        .select(SignalRow::as_select())
        .load(connection)?;
    rows.into_iter().map(SignalRow::signal).collect()
}

pub fn state(connection: &mut StoreConnection) -> Result<AlertingState> {
    connection.transaction(|connection| {
        let (instance_key, next_alert_id, next_notification_id): (String, i64, i64) =
            alerting::table
                .select((
                    alerting::instance_key,
                    alerting::next_alert_id,
                    alerting::next_notification_id,
                ))
                .first(connection)?;
        Ok(AlertingState {
            instance_key,
            next_alert_id,
            next_notification_id,
            alerts: open_alerts(connection)?,
            notifications: open_notifications(connection)?,
            channels: definitions::channels(connection)?,
            policies: definitions::policies(connection)?,
            silences: definitions::silences(connection)?,
        })
    })
}

/// By id.
pub fn open_alerts(connection: &mut StoreConnection) -> Result<Vec<Alert>> {
    let rows: Vec<AlertRow> = alerts::table
        .filter(IsOpen::new(alerts::state))
        .order(alerts::id)
        .select(AlertRow::as_select())
        .load(connection)?;
    rows.into_iter().map(AlertRow::alert).collect()
}

/// Those that are not closed, by id.
pub fn unclosed(connection: &mut StoreConnection) -> Result<Vec<Notification>> {
    let rows: Vec<NotificationRow> = notifications::table
        .filter(notifications::closed_ms.is_null())
        .order(notifications::id)
        .select(NotificationRow::as_select())
        .load(connection)?;
    rows.into_iter().map(NotificationRow::notification).collect()
}

fn open_notifications(connection: &mut StoreConnection) -> Result<Vec<NotificationRecord>> {
    let open =
        notifications::table.filter(notifications::closed_ms.is_null()).select(notifications::id);
    let rows: Vec<(i64, i64)> = notification_alerts::table
        .filter(notification_alerts::notification_id.eq_any(open))
        .order((notification_alerts::notification_id, notification_alerts::alert_id))
        .select((notification_alerts::notification_id, notification_alerts::alert_id))
        .load(connection)?;
    let mut members: HashMap<i64, Vec<i64>> = HashMap::new();
    for (notification_id, alert_id) in rows {
        members.entry(notification_id).or_default().push(alert_id);
    }
    let records = unclosed(connection)?.into_iter().map(|notification| {
        let members = members.remove(&notification.id).unwrap_or_default();
        NotificationRecord { notification, members }
    });
    Ok(records.collect())
}
