//! Primitives of alerting, part of the storage port.

use crate::domain::alert::{Alert, Channel, ChannelId, Policy, Settlement, Signal, Silence};
use crate::domain::audit::AuditSource;
use crate::domain::{Page, ServiceId};
use crate::storage::alerting::{
    AlertDetails, AlertingApplied, AlertingChange, AlertingCutoffs, AlertingState, DeliveryRecord,
    ListAlerts, ListDeliveries, NotificationRecord,
};
use crate::storage::error::StorageError;

type Result<T> = std::result::Result<T, StorageError>;

/// Reads of alerting. Error `NotFound` where one record is asked for that does not exist.
pub trait AlertRead {
    /// The oldest signals, by id.
    fn alert_signals(&mut self, limit: u32) -> Result<Vec<Signal>>;
    fn alerting_state(&mut self) -> Result<AlertingState>;

    /// By name.
    fn channels(&mut self) -> Result<Vec<Channel>>;
    fn channel(&mut self, id: ChannelId) -> Result<Channel>;
    /// In their order.
    fn policies(&mut self) -> Result<Vec<Policy>>;
    fn policy(&mut self, id: i64) -> Result<Policy>;
    /// By id.
    fn silences(&mut self) -> Result<Vec<Silence>>;
    fn silence(&mut self, id: i64) -> Result<Silence>;

    /// Newest first.
    fn alerts(&mut self, list: &ListAlerts) -> Result<Page<Alert>>;
    fn alert(&mut self, id: i64) -> Result<AlertDetails>;
    /// By id; ids without an alert are left out.
    fn alerts_by_id(&mut self, ids: &[i64]) -> Result<Vec<Alert>>;
    /// The open alerts of these services, by id.
    fn open_alerts(&mut self, ids: &[ServiceId]) -> Result<Vec<Alert>>;
    fn notification(&mut self, id: i64) -> Result<NotificationRecord>;
    fn delivery(&mut self, id: i64) -> Result<DeliveryRecord>;
    /// Newest first.
    fn deliveries(&mut self, list: &ListDeliveries) -> Result<Page<DeliveryRecord>>;
}

/// Writes of alerting. Each method is one transaction.
pub trait AlertWrite: AlertRead {
    /// Writes `settlement`: all of it, or nothing. After `Unavailable` it may be stored all the
    /// same, and writing the same settlement again changes nothing more.
    fn settle_alerts(&mut self, settlement: &Settlement) -> Result<()>;

    /// Errors: `NotFound` for what does not exist; `Conflict` for a name that is taken, for what
    /// the services file defines, and for a channel that a policy names; `Invalid` for a policy
    /// that names an unknown channel.
    fn change_alerting(
        &mut self,
        change: AlertingChange,
        source: &AuditSource,
        now_ms: i64,
    ) -> Result<AlertingApplied>;

    /// Deletes at most `limit` rows of each table that are older than the cutoffs. Whether there
    /// may be more.
    fn expire_alerting(&mut self, cutoffs: AlertingCutoffs, limit: u32) -> Result<bool>;
}
