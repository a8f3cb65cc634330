//! Values of maintenance that cross the storage port: definitions, their changes, and the times
//! that are written.

pub mod port;
pub mod query;

use serde_json::{Map, Value};

use crate::domain::ServiceId;
use crate::domain::maintenance::{Maintenance, MaintenanceDefinition, MaintenanceId, Windows};

/// A maintenance as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct MaintenanceRecord {
    pub maintenance: Maintenance,
    /// Since when the definition holds, in unix milliseconds.
    pub effective_ms: i64,
    /// Every time that begins up to here is written, in unix milliseconds.
    pub mark_ms: i64,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// A change of maintenance: requested through the API, or times that have begun.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one change at a time is under way")]
pub enum MaintenanceChange {
    Create {
        definition: MaintenanceDefinition,
        /// Whether `from` may be in the past.
        retroactive: bool,
    },
    Update {
        id: MaintenanceId,
        /// Keys of the written form; null removes a key.
        patch: Map<String, Value>,
        retroactive: bool,
    },
    /// What is written stays.
    Delete(MaintenanceId),
    WriteSpans(SpanPortion),
}

/// Result of a [`MaintenanceChange`].
#[derive(Debug, Clone, PartialEq)]
pub struct MaintenanceApplied {
    /// What was created or updated.
    pub record: Option<MaintenanceRecord>,
    /// All maintenance, after a change of a definition.
    pub windows: Option<Windows>,
}

/// A maintenance of the services file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileMaintenance {
    /// Its scope is that of `services`.
    pub definition: MaintenanceDefinition,
    /// `None` for all services.
    pub services: Option<Vec<PlannedService>>,
}

/// A service in a plan for the services file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlannedService {
    Stored(ServiceId),
    /// The position among the services that the plan adds.
    Added(usize),
}

/// Times that are due, of several maintenances.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpanPortion {
    pub parts: Vec<SpanPart>,
    /// Whether more times are due.
    pub is_more: bool,
}

impl SpanPortion {
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// Times of one maintenance. Nothing of it is written when the definition has changed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanPart {
    pub maintenance_id: MaintenanceId,
    /// Identifies the definition.
    pub effective_ms: i64,
    pub spans: Vec<NewSpan>,
    /// The new mark; `None` while times up to it are missing here.
    pub mark_ms: Option<i64>,
}

/// A time to be written. One with the same begin is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NewSpan {
    /// `None` for every service.
    pub service_id: Option<ServiceId>,
    pub from_ms: i64,
    pub to_ms: i64,
}

/// Query: all maintenance, by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListMaintenance;

/// Query: one maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetMaintenance(pub MaintenanceId);

/// Query: the times that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListDueSpans {
    /// Unix milliseconds.
    pub now_ms: i64,
    /// Unix milliseconds of the last query after which every time was written; `None` for the
    /// first one of a process.
    pub checked_ms: Option<i64>,
}

impl ListDueSpans {
    /// Most rows of a portion, so that its transaction is short.
    pub const ROWS: usize = 500;
}
