//! Copies every row of a store into another one. Ids stay.
//!
//! The rows of a portion of services go from the source to the target one by one, so that at most
//! one chunk of ticks is in memory at a time.

use crate::domain::StoredTick;
use crate::domain::access::{Session, Token};
use crate::domain::alert::{Alert, Channel, Notification, Policy, Signal, Silence};
use crate::domain::audit::AuditRecord;
use crate::storage::alerting::DeliveryRecord;
use crate::storage::batch::NewFacts;
use crate::storage::history::rows::{Marks, NewChunk, Rollup};
use crate::storage::port::Result;

/// Services whose rows the target writes in one transaction.
const PORTION: usize = 64;

/// What a store has beside the rows of its services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreCopy {
    /// The liveness mark, in unix milliseconds.
    pub liveness_ms: Option<i64>,
    /// Unix milliseconds of the newest sealing; 0 before the first.
    pub sealed_at_ms: i64,
    /// The times of the roll-ups contain every event up to this one.
    pub sealed_event_id: i64,
    pub marks: Marks,
    /// Greatest ids so far; no later row has one of these or a smaller one.
    pub last_service_id: i64,
    pub last_event_id: i64,
}

/// A row of `services`, which need not be a valid definition.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceCopy {
    pub id: i64,
    pub name: String,
    pub url: String,
    pub group_name: Option<String>,
    pub enabled: bool,
    pub interval_seconds: Option<f64>,
    pub timeout_seconds: Option<f64>,
    pub origin: String,
    pub created_at: i64,
    pub updated_at: i64,
    pub deleted_at: Option<i64>,
    pub conditions: Option<String>,
    pub options: Option<String>,
}

/// A row of `service_events`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventCopy {
    pub id: i64,
    pub service_id: i64,
    pub event: String,
    pub failure: Option<String>,
    pub failure_detail: Option<String>,
    pub date_started_ms: i64,
    pub date_ended_ms: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// A row of `service_metrics`, but for what refers to its ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricCopy {
    pub service_id: i64,
    pub tick_count: i64,
    pub up_count: i64,
    pub unknown_count: i64,
    pub response_time_sum_ns: i64,
    pub latest_event_id: Option<i64>,
    pub known_is_up: Option<bool>,
    pub streak_is_up: Option<bool>,
    pub streak_count: Option<i64>,
    pub streak_since_ms: Option<i64>,
    pub recent_states: i64,
    pub is_flapping: bool,
    pub unwatched_from_ms: Option<i64>,
    pub result_run: i32,
    pub slow_run: i32,
    pub certificate_step: Option<i16>,
    pub certificate_fine_since_ms: Option<i64>,
    pub relayed_seq: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

/// Rows that have no id of their own come with that of their service.
#[derive(Debug)]
pub enum Row {
    Service(Box<ServiceCopy>),
    Event(EventCopy),
    /// A fresh tick.
    Tick(i64, StoredTick),
    Metric(MetricCopy),
    Rollup(i64, Box<Rollup>),
    Chunk(i64, NewChunk),
    Facts(NewFacts),
}

/// A row of alerting, of maintenance, of access or of the audit.
#[derive(Debug)]
pub enum AlertingRow {
    Channel(Channel),
    Policy(Policy),
    Silence(Silence),
    Signal(Signal),
    Alert(Alert),
    Notification(Notification),
    Member { alert_id: i64, notification_id: i64 },
    Delivery(DeliveryRecord),
    Maintenance(MaintenanceCopy),
    Span(SpanCopy),
    Token(Token),
    Session(Session),
    Audit(AuditRecord),
    Counters(AlertingCopy),
}

/// The row of `alerting`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertingCopy {
    pub instance_key: String,
    pub next_alert_id: i64,
    pub next_notification_id: i64,
}

/// A row of `maintenances`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenanceCopy {
    pub id: i64,
    pub origin: String,
    pub definition: String,
    pub effective_ms: i64,
    pub mark_ms: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

/// A row of `maintenance_spans`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanCopy {
    pub service_id: i64,
    pub from_ms: i64,
    pub to_ms: i64,
    pub maintenance_id: i64,
}

/// Receives the rows of alerting.
pub type EachAlertingRow<'a> = dyn FnMut(AlertingRow) -> Result<()> + 'a;

/// Receives the rows of a portion.
pub type EachRow<'a> = dyn FnMut(Row) -> Result<()> + 'a;

/// A store that is copied, on one snapshot.
pub trait TransferSource {
    fn store(&mut self) -> Result<StoreCopy>;
    /// Passes the rows of the next `limit` services after the id `after`, deleted ones included:
    /// services, events, ticks, metrics, roll-ups, chunks and facts, in this order; ticks and facts
    /// of a service oldest first. Returns the last of these services; `None` when none is left.
    fn portion(&mut self, after: i64, limit: usize, each: &mut EachRow<'_>) -> Result<Option<i64>>;
    /// Passes the rows of alerting, maintenance, access and the audit.
    fn alerting(&mut self, each: &mut EachAlertingRow<'_>) -> Result<()>;
}

/// An empty store that receives a copy.
pub trait TransferTarget {
    /// Begins the transaction of a portion.
    fn begin(&mut self) -> Result<()>;
    fn add(&mut self, row: Row) -> Result<()>;
    fn add_alerting(&mut self, row: AlertingRow) -> Result<()>;
    fn commit(&mut self) -> Result<()>;
    /// Afterwards the target can be used.
    fn finish(&mut self, store: &StoreCopy) -> Result<()>;
}

/// Number of rows that were copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Deleted ones included.
    pub services: u64,
    /// Fresh and sealed.
    pub ticks: u64,
}

/// Copies all of `source`, which must be read on one snapshot, to `target`.
pub fn copy(source: &mut dyn TransferSource, target: &mut dyn TransferTarget) -> Result<Copied> {
    let store = source.store()?;
    let mut copied = Copied::default();
    let mut after = i64::MIN;
    loop {
        target.begin()?;
        let last = source.portion(after, PORTION, &mut |row| {
            match &row {
                Row::Service(_) => copied.services += 1,
                Row::Tick(..) => copied.ticks += 1,
                Row::Chunk(_, chunk) => copied.ticks += chunk.tick_count.cast_unsigned(),
                Row::Event(_) | Row::Metric(_) | Row::Rollup(..) | Row::Facts(_) => {}
            }
            target.add(row)
        })?;
        target.commit()?;
        match last {
            Some(last) => after = last,
            None => break,
        }
    }
    target.begin()?;
    source.alerting(&mut |row| target.add_alerting(row))?;
    target.commit()?;
    target.finish(&store)?;
    Ok(copied)
}
