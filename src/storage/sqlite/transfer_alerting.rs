//! Alerting, maintenance, access and the audit in a file that receives a copy.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::cold::access::rows::{SessionRow, TokenRow};
use super::cold::alerting::alert_rows::{AlertRow, NewSignalRow};
use super::cold::alerting::definition_rows::{NewChannelRow, NewPolicyRow, NewSilenceRow};
use super::cold::alerting::notification_rows::{MemberRow, NewDeliveryRow, NotificationRow};
use super::cold::audit::AuditRow;
use super::schema::{
    alert_signals, alerting, alerts, api_sessions, api_tokens, audit, channels, deliveries,
    maintenance_spans, maintenances, notification_alerts, notifications, policies, silences,
};
use crate::storage::alerting::{NewChannel, NewPolicy, NewSilence};
use crate::storage::batch::NewSignal;
use crate::storage::port::Result;
use crate::storage::transfer::AlertingRow;

/// Adds a row to an empty store.
pub fn add(connection: &mut SqliteConnection, row: AlertingRow) -> Result<()> {
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
                maintenances::origin.eq(maintenance.origin),
                maintenances::definition.eq(maintenance.definition),
                maintenances::effective_ms.eq(maintenance.effective_ms),
                maintenances::mark_ms.eq(maintenance.mark_ms),
                maintenances::created_at.eq(maintenance.created_at),
                maintenances::updated_at.eq(maintenance.updated_at),
            ))
            .execute(connection),
        AlertingRow::Span(span) => diesel::insert_into(maintenance_spans::table)
            .values((
                maintenance_spans::service_id.eq(span.service_id),
                maintenance_spans::from_ms.eq(span.from_ms),
                maintenance_spans::to_ms.eq(span.to_ms),
                maintenance_spans::maintenance_id.eq(span.maintenance_id),
            ))
            .execute(connection),
        AlertingRow::Token(token) => diesel::insert_into(api_tokens::table)
            .values(TokenRow::from(&token))
            .execute(connection),
        AlertingRow::Session(session) => diesel::insert_into(api_sessions::table)
            .values(SessionRow::from(&session))
            .execute(connection),
        AlertingRow::Audit(record) => {
            diesel::insert_into(audit::table).values(AuditRow::from(record)).execute(connection)
        }
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
