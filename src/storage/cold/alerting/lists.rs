//! Reads of alerts, notifications and deliveries for the API.

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::alert_rows::{AlertRow, IsOpen};
use super::notification_rows::{DeliveryRow, NotificationRow};
use super::schema::{alerts, deliveries, notification_alerts, notifications};
use super::{Backend, StoreConnection, keys};
use crate::domain::alert::Alert;
use crate::domain::{Page, ServiceId};
use crate::storage::alerting::{
    AlertDetails, DeliveryRecord, ListAlerts, ListDeliveries, NotificationRecord,
};
use crate::storage::port::Result;

/// Newest first.
pub fn alerts(connection: &mut StoreConnection, list: &ListAlerts) -> Result<Page<Alert>> {
    if list.group.as_ref().is_some_and(|group| group.contains('\0')) {
        // No stored text has a NUL character, and not every store can look for one.
        return Ok(Page { items: Vec::new(), total: 0 });
    }
    let matching = || {
        let mut query = alerts::table.into_boxed::<Backend>();
        if let Some(state) = list.state {
            query = query.filter(alerts::state.eq(state.as_str()));
        }
        if let Some(kind) = list.kind {
            query = query.filter(alerts::kind.eq(kind.as_str()));
        }
        if let Some(id) = list.service_id {
            query = query.filter(alerts::service_id.eq(id.get()));
        }
        if let Some(cause) = list.suppressed_by {
            query = query.filter(alerts::suppressed_by.eq(cause.as_str()));
        }
        if let Some((named, has_ungrouped)) = list.groups.split() {
            query = query.filter(alerts::service_id.is_not_null());
            query = match has_ungrouped {
                true => {
                    query.filter(alerts::group_name.eq_any(named).or(alerts::group_name.is_null()))
                }
                false => query.filter(alerts::group_name.eq_any(named)),
            };
        }
        match list.group.as_deref() {
            None => query,
            Some("") => query.filter(alerts::group_name.is_null()),
            Some(group) => query.filter(alerts::group_name.eq(group.to_owned())),
        }
    };
    connection.transaction(|connection| {
        let total: i64 = matching().select(count_star()).first(connection)?;
        let rows: Vec<AlertRow> = matching()
            .order(alerts::id.desc())
            .limit(list.page.limit.into())
            .offset(list.page.offset())
            .select(AlertRow::as_select())
            .load(connection)?;
        let items = rows.into_iter().map(AlertRow::alert).collect::<Result<_>>()?;
        Ok(Page { items, total: total.cast_unsigned() })
    })
}

pub fn alert(connection: &mut StoreConnection, id: i64) -> Result<AlertDetails> {
    connection.transaction(|connection| {
        let alert: AlertRow =
            alerts::table.find(id).select(AlertRow::as_select()).first(connection)?;
        let rows: Vec<NotificationRow> = notifications::table
            .filter(notifications::id.eq_any(notifications_of(id)))
            .order(notifications::id)
            .select(NotificationRow::as_select())
            .load(connection)?;
        let deliveries: Vec<DeliveryRow> = deliveries::table
            .filter(deliveries::notification_id.eq_any(notifications_of(id)))
            .order(deliveries::id.desc())
            .limit(AlertDetails::DELIVERIES.into())
            .select(DeliveryRow::as_select())
            .load(connection)?;
        let deliveries = deliveries.into_iter().map(|row| row.record().map(|row| row.delivery));
        Ok(AlertDetails {
            alert: alert.alert()?,
            notifications: rows
                .into_iter()
                .map(NotificationRow::notification)
                .collect::<Result<_>>()?,
            deliveries: deliveries.collect::<Result<_>>()?,
        })
    })
}

/// The ids of the notifications of an alert.
#[diesel::dsl::auto_type]
fn notifications_of(alert_id: i64) -> _ {
    notification_alerts::table
        .filter(notification_alerts::alert_id.eq(alert_id))
        .select(notification_alerts::notification_id)
}

/// By id; ids without an alert are left out.
pub fn alerts_by_id(connection: &mut StoreConnection, ids: &[i64]) -> Result<Vec<Alert>> {
    let mut all = Vec::with_capacity(ids.len());
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    for part in sorted.chunks(super::settle::ROWS) {
        let rows: Vec<AlertRow> = alerts::table
            .filter(alerts::id.eq_any(part))
            .order(alerts::id)
            .select(AlertRow::as_select())
            .load(connection)?;
        for row in rows {
            all.push(row.alert()?);
        }
    }
    Ok(all)
}

/// The open alerts of these services, by id.
pub fn open_alerts(connection: &mut StoreConnection, ids: &[ServiceId]) -> Result<Vec<Alert>> {
    let rows: Vec<AlertRow> = alerts::table
        .filter(keys::alerts_of(ids))
        .filter(IsOpen::new(alerts::state))
        .order(alerts::id)
        .select(AlertRow::as_select())
        .load(connection)?;
    rows.into_iter().map(AlertRow::alert).collect()
}

pub fn notification(connection: &mut StoreConnection, id: i64) -> Result<NotificationRecord> {
    connection.transaction(|connection| {
        let row: NotificationRow =
            notifications::table.find(id).select(NotificationRow::as_select()).first(connection)?;
        let members = notification_alerts::table
            .filter(notification_alerts::notification_id.eq(id))
            .order(notification_alerts::alert_id)
            .select(notification_alerts::alert_id)
            .load(connection)?;
        Ok(NotificationRecord { notification: row.notification()?, members })
    })
}

pub fn delivery(connection: &mut StoreConnection, id: i64) -> Result<DeliveryRecord> {
    let row: DeliveryRow =
        deliveries::table.find(id).select(DeliveryRow::as_select()).first(connection)?;
    row.record()
}

/// Newest first.
pub fn deliveries(
    connection: &mut StoreConnection,
    list: &ListDeliveries,
) -> Result<Page<DeliveryRecord>> {
    let matching = || {
        let mut query = deliveries::table.into_boxed::<Backend>();
        if let Some(id) = list.channel_id {
            query = query.filter(deliveries::channel_id.eq(id));
        }
        if let Some(id) = list.alert_id {
            query = query.filter(deliveries::notification_id.eq_any(notifications_of(id)));
        }
        if let Some(outcome) = list.outcome {
            query = query.filter(deliveries::outcome.eq(outcome.as_str()));
        }
        query
    };
    connection.transaction(|connection| {
        let total: i64 = matching().select(count_star()).first(connection)?;
        let rows: Vec<DeliveryRow> = matching()
            .order(deliveries::id.desc())
            .limit(list.page.limit.into())
            .offset(list.page.offset())
            .select(DeliveryRow::as_select())
            .load(connection)?;
        let items = rows.into_iter().map(DeliveryRow::record).collect::<Result<_>>()?;
        Ok(Page { items, total: total.cast_unsigned() })
    })
}
