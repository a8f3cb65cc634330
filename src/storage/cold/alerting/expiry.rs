//! Retention of alerting.

use diesel::prelude::*;

use super::StoreConnection;
use super::schema::{
    alert_signals, alerts, deliveries, notification_alerts, notifications, silences,
};
use crate::storage::alerting::AlertingCutoffs;
use crate::storage::port::Result;

/// Deletes at most `limit` rows of each table. Whether there may be more. Part of the caller's
/// transaction.
pub fn expire(
    connection: &mut StoreConnection,
    cutoffs: AlertingCutoffs,
    limit: u32,
) -> Result<bool> {
    let AlertingCutoffs { alerts_ms, notifications_ms, deliveries_ms } = cutoffs;
    let most = i64::from(limit);
    let of_alerts: Vec<i64> = alerts::table
        .filter(alerts::resolved_ms.lt(alerts_ms))
        .order(alerts::resolved_ms)
        .limit(most)
        .select(alerts::id)
        .load(connection)?;
    let of_notifications: Vec<i64> = notifications::table
        .filter(notifications::closed_ms.lt(notifications_ms))
        .order(notifications::closed_ms)
        .limit(most)
        .select(notifications::id)
        .load(connection)?;
    let of_deliveries: Vec<i64> = deliveries::table
        .filter(deliveries::at_ms.lt(deliveries_ms))
        .order(deliveries::at_ms)
        .limit(most)
        .select(deliveries::id)
        .load(connection)?;
    let of_signals: Vec<i64> = alert_signals::table
        .filter(alert_signals::at_ms.lt(notifications_ms))
        .limit(most)
        .select(alert_signals::id)
        .load(connection)?;
    let of_silences: Vec<i64> = silences::table
        .filter(silences::to_ms.lt(alerts_ms))
        .limit(most)
        .select(silences::id)
        .load(connection)?;
    let members = notification_alerts::table;
    if !of_alerts.is_empty() {
        let rows = members.filter(notification_alerts::alert_id.eq_any(&of_alerts));
        diesel::delete(rows).execute(connection)?;
        diesel::delete(alerts::table.filter(alerts::id.eq_any(&of_alerts))).execute(connection)?;
    }
    if !of_notifications.is_empty() {
        let rows = members.filter(notification_alerts::notification_id.eq_any(&of_notifications));
        diesel::delete(rows).execute(connection)?;
        let rows = notifications::table.filter(notifications::id.eq_any(&of_notifications));
        diesel::delete(rows).execute(connection)?;
    }
    if !of_deliveries.is_empty() {
        let rows = deliveries::table.filter(deliveries::id.eq_any(&of_deliveries));
        diesel::delete(rows).execute(connection)?;
    }
    if !of_signals.is_empty() {
        let rows = alert_signals::table.filter(alert_signals::id.eq_any(&of_signals));
        diesel::delete(rows).execute(connection)?;
    }
    if !of_silences.is_empty() {
        let rows = silences::table.filter(silences::id.eq_any(&of_silences));
        diesel::delete(rows).execute(connection)?;
    }
    let all = [of_alerts, of_notifications, of_deliveries, of_signals, of_silences];
    Ok(all.iter().any(|ids| ids.len() == limit as usize))
}

/// Compares the counters of the ids with the rows; one sentence a difference.
pub fn check(connection: &mut StoreConnection) -> Result<Vec<String>> {
    use super::schema::alerting;
    let (next_alert_id, next_notification_id): (i64, i64) = alerting::table
        .select((alerting::next_alert_id, alerting::next_notification_id))
        .first(connection)?;
    let last_alert: Option<i64> =
        alerts::table.select(diesel::dsl::max(alerts::id)).first(connection)?;
    let last_notification: Option<i64> =
        notifications::table.select(diesel::dsl::max(notifications::id)).first(connection)?;
    let mut problems = Vec::new();
    for (what, next, last) in [
        ("alert", next_alert_id, last_alert),
        ("notification", next_notification_id, last_notification),
    ] {
        if let Some(last) = last.filter(|last| *last >= next) {
            problems.push(format!("the next {what} gets the id {next}, and one has {last}"));
        }
    }
    Ok(problems)
}
