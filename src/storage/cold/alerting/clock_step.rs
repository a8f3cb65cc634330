//! Moves what alerting stored before the wall clock was set back.

use diesel::prelude::*;

use super::StoreConnection;
use super::schema::{alert_signals, channels, service_metrics};
use super::settle::{replace_alerts, replace_notifications};
use super::state::{open_alerts, unclosed};
use crate::domain::alert::{Acknowledgement, Alert, Notification};
use crate::domain::time::step_back::StepBack;
use crate::storage::port::Result;

/// Moves the moments of open alerts, of notifications that are not closed, and of signals. An open
/// alert keeps its length, as an outage does. Closed ones and deliveries keep their times, and so
/// do silences, which are agreed by the clock. Part of the caller's transaction.
pub fn apply(connection: &mut StoreConnection, step: &StepBack) -> Result<()> {
    let alerts: Vec<Alert> =
        open_alerts(connection)?.into_iter().map(|alert| moved_alert(alert, step)).collect();
    replace_alerts(connection, &alerts)?;
    let notifications = unclosed(connection)?.into_iter();
    let notifications: Vec<Notification> =
        notifications.map(|notification| moved_notification(notification, step)).collect();
    replace_notifications(connection, &notifications)?;
    let signals: Vec<(i64, i64, i64)> = alert_signals::table
        .select((alert_signals::id, alert_signals::at_ms, alert_signals::since_ms))
        .load(connection)?;
    for (id, at_ms, since_ms) in signals {
        let since_ms = length_kept(since_ms, step);
        diesel::update(alert_signals::table.find(id))
            .set((alert_signals::at_ms.eq(step.moved(at_ms)), alert_signals::since_ms.eq(since_ms)))
            .execute(connection)?;
    }
    diesel::update(channels::table.filter(channels::failing_since_ms.gt(step.after_ms)))
        .set(channels::failing_since_ms.eq(step.to_ms))
        .execute(connection)?;
    let fine = service_metrics::certificate_fine_since_ms;
    diesel::update(service_metrics::table.filter(fine.gt(step.after_ms)))
        .set(fine.eq(step.to_ms))
        .execute(connection)?;
    Ok(())
}

/// The begin of what lasts: moves by the whole step.
fn length_kept(since_ms: i64, step: &StepBack) -> i64 {
    since_ms.saturating_sub(step.by_ms).max(0).min(since_ms).min(step.to_ms)
}

fn moved_alert(alert: Alert, step: &StepBack) -> Alert {
    Alert {
        since_ms: length_kept(alert.since_ms, step),
        fired_ms: alert.fired_ms.map(|at_ms| length_kept(at_ms, step)),
        acknowledged: alert
            .acknowledged
            .map(|by| Acknowledgement { at_ms: length_kept(by.at_ms, step), ..by }),
        ..alert
    }
}

/// The next attempt and the next reminder are as far away as before.
fn moved_notification(notification: Notification, step: &StepBack) -> Notification {
    let later = |at_ms: i64| at_ms.saturating_sub(step.by_ms).max(0);
    Notification {
        due_ms: notification.due_ms.map(later),
        revised_ms: length_kept(notification.revised_ms, step),
        reminder_due_ms: notification.reminder_due_ms.map(later),
        opened_ms: length_kept(notification.opened_ms, step),
        ..notification
    }
}
