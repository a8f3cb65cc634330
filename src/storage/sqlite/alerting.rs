//! [`AlertRead`] and [`AlertWrite`].

use diesel::sqlite::SqliteConnection;

use super::cold::alerting::{changes, definitions, expiry, lists, settle, state};
use crate::domain::alert::{Alert, Channel, ChannelId, Policy, Settlement, Signal, Silence};
use crate::domain::audit::AuditSource;
use crate::domain::{Page, ServiceId};
use crate::storage::alerting::port::{AlertRead, AlertWrite};
use crate::storage::alerting::{
    AlertDetails, AlertingApplied, AlertingChange, AlertingCutoffs, AlertingState, DeliveryRecord,
    ListAlerts, ListDeliveries, NotificationRecord,
};
use crate::storage::port::Result;

impl AlertRead for SqliteConnection {
    fn alert_signals(&mut self, limit: u32) -> Result<Vec<Signal>> {
        state::signals(self, limit)
    }

    fn alerting_state(&mut self) -> Result<AlertingState> {
        state::state(self)
    }

    fn channels(&mut self) -> Result<Vec<Channel>> {
        definitions::channels(self)
    }

    fn channel(&mut self, id: ChannelId) -> Result<Channel> {
        definitions::channel(self, id)
    }

    fn policies(&mut self) -> Result<Vec<Policy>> {
        definitions::policies(self)
    }

    fn policy(&mut self, id: i64) -> Result<Policy> {
        definitions::policy(self, id)
    }

    fn silences(&mut self) -> Result<Vec<Silence>> {
        definitions::silences(self)
    }

    fn silence(&mut self, id: i64) -> Result<Silence> {
        definitions::silence(self, id)
    }

    fn alerts(&mut self, list: &ListAlerts) -> Result<Page<Alert>> {
        lists::alerts(self, list)
    }

    fn alert(&mut self, id: i64) -> Result<AlertDetails> {
        lists::alert(self, id)
    }

    fn alerts_by_id(&mut self, ids: &[i64]) -> Result<Vec<Alert>> {
        lists::alerts_by_id(self, ids)
    }

    fn open_alerts(&mut self, ids: &[ServiceId]) -> Result<Vec<Alert>> {
        lists::open_alerts(self, ids)
    }

    fn notification(&mut self, id: i64) -> Result<NotificationRecord> {
        lists::notification(self, id)
    }

    fn delivery(&mut self, id: i64) -> Result<DeliveryRecord> {
        lists::delivery(self, id)
    }

    fn deliveries(&mut self, list: &ListDeliveries) -> Result<Page<DeliveryRecord>> {
        lists::deliveries(self, list)
    }
}

impl AlertWrite for SqliteConnection {
    fn settle_alerts(&mut self, settlement: &Settlement) -> Result<()> {
        self.immediate_transaction(|connection| settle::settle(connection, settlement))
    }

    fn change_alerting(
        &mut self,
        change: AlertingChange,
        source: &AuditSource,
        now_ms: i64,
    ) -> Result<AlertingApplied> {
        self.immediate_transaction(|connection| changes::change(connection, change, source, now_ms))
    }

    fn expire_alerting(&mut self, cutoffs: AlertingCutoffs, limit: u32) -> Result<bool> {
        self.immediate_transaction(|connection| expiry::expire(connection, cutoffs, limit))
    }
}
