//! [`AlertRead`] and [`AlertWrite`] on PostgreSQL.

use super::cold::alerting::{changes, definitions, expiry, lists, settle, state};
use super::living;
use super::store::PostgresStore;
use crate::domain::alert::{Alert, Channel, ChannelId, Policy, Settlement, Signal, Silence};
use crate::domain::audit::AuditSource;
use crate::domain::{Page, ServiceId};
use crate::storage::alerting::port::{AlertRead, AlertWrite};
use crate::storage::alerting::{
    AlertDetails, AlertingApplied, AlertingChange, AlertingCutoffs, AlertingState, DeliveryRecord,
    ListAlerts, ListDeliveries, NotificationRecord,
};
use crate::storage::port::Result;

impl AlertRead for PostgresStore {
    fn alert_signals(&mut self, limit: u32) -> Result<Vec<Signal>> {
        self.run(|connection| state::signals(connection, limit))
    }

    fn alerting_state(&mut self) -> Result<AlertingState> {
        self.run(state::state)
    }

    fn channels(&mut self) -> Result<Vec<Channel>> {
        self.run(definitions::channels)
    }

    fn channel(&mut self, id: ChannelId) -> Result<Channel> {
        self.run(|connection| definitions::channel(connection, id))
    }

    fn policies(&mut self) -> Result<Vec<Policy>> {
        self.run(definitions::policies)
    }

    fn policy(&mut self, id: i64) -> Result<Policy> {
        self.run(|connection| definitions::policy(connection, id))
    }

    fn silences(&mut self) -> Result<Vec<Silence>> {
        self.run(definitions::silences)
    }

    fn silence(&mut self, id: i64) -> Result<Silence> {
        self.run(|connection| definitions::silence(connection, id))
    }

    fn alerts(&mut self, list: &ListAlerts) -> Result<Page<Alert>> {
        self.run(|connection| lists::alerts(connection, list))
    }

    fn alert(&mut self, id: i64) -> Result<AlertDetails> {
        self.run(|connection| lists::alert(connection, id))
    }

    fn alerts_by_id(&mut self, ids: &[i64]) -> Result<Vec<Alert>> {
        self.run(|connection| lists::alerts_by_id(connection, ids))
    }

    fn open_alerts(&mut self, ids: &[ServiceId]) -> Result<Vec<Alert>> {
        self.run(|connection| lists::open_alerts(connection, ids))
    }

    fn notification(&mut self, id: i64) -> Result<NotificationRecord> {
        self.run(|connection| lists::notification(connection, id))
    }

    fn delivery(&mut self, id: i64) -> Result<DeliveryRecord> {
        self.run(|connection| lists::delivery(connection, id))
    }

    fn deliveries(&mut self, list: &ListDeliveries) -> Result<Page<DeliveryRecord>> {
        self.run(|connection| lists::deliveries(connection, list))
    }
}

impl AlertWrite for PostgresStore {
    fn settle_alerts(&mut self, settlement: &Settlement) -> Result<()> {
        self.write(None, |store| settle::settle(&mut store.connection, settlement))
    }

    fn change_alerting(
        &mut self,
        change: AlertingChange,
        source: &AuditSource,
        now_ms: i64,
    ) -> Result<AlertingApplied> {
        self.define_as_own(None, |store| {
            let applied = changes::change(&mut store.connection, change, source, now_ms)?;
            living::settings_changed(&mut store.connection)?;
            Ok(applied)
        })
    }

    fn expire_alerting(&mut self, cutoffs: AlertingCutoffs, limit: u32) -> Result<bool> {
        self.write(None, |store| expiry::expire(&mut store.connection, cutoffs, limit))
    }
}
