//! Values that cross the storage port: services with their current state, changes to them, and
//! the filters of the lists.

use crate::domain::access::GroupLimit;
use crate::domain::live::{LiveService, NewestEvent, ServiceFilter, ServiceState, StateFilter};
use crate::domain::maintenance::Windows;
use crate::domain::{
    Definition, Event, Labels, Origin, PageRequest, Reason, ServiceId, State, Status, StoredReason,
    Tally, Window,
};
use crate::spec::Patch;
use crate::storage::alerting::{NewChannel, NewPolicy};
use crate::storage::maintenance::FileMaintenance;

/// A service with its tally and its newest event.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceRecord {
    pub id: ServiceId,
    pub definition: Definition,
    pub origin: Origin,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds of the last change of the definition.
    pub updated_at: i64,
    /// `None` before the first tick.
    pub tally: Option<Tally>,
    /// `None` before the first tick.
    pub latest_event: Option<Event>,
}

impl ServiceRecord {
    pub fn status(&self) -> Status {
        let newest = self.latest_event.as_ref().map(|event| event.state);
        Status::new(self.definition.enabled, newest)
    }

    /// As the live state has it.
    pub fn live(&self) -> LiveService {
        let state = ServiceState {
            event: self.latest_event.clone().map(NewestEvent::from),
            is_flapping: self.tally.is_some_and(|tally| tally.is_flapping),
        };
        LiveService { id: self.id, definition: (&self.definition).into(), state }
    }
}

/// A living service as it is loaded at the start.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedService {
    pub id: ServiceId,
    pub definition: Definition,
    pub origin: Origin,
    /// Unix seconds at which the newest tick was stored; `None` without ticks.
    pub last_tick: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
}

/// A living service by its name, with the number of its newest tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedService {
    pub id: ServiceId,
    pub name: String,
    pub group: Option<String>,
    pub labels: Labels,
    /// 0 without ticks.
    pub newest_seq: u64,
}

/// Query: the living services that match every filter, by id.
#[derive(Debug, Clone, PartialEq)]
pub struct ListServices {
    pub status: Option<Status>,
    /// Text in the name or the URL; ASCII letters match in either case. Secrets of the URL are not
    /// searched.
    pub part: Option<String>,
    /// The empty text matches services without a group.
    pub group: Option<String>,
    /// Reason of the newest event.
    pub reason: Option<Reason>,
    /// The groups that the caller sees.
    pub groups: GroupLimit,
    pub page: PageRequest,
}

impl ListServices {
    pub fn has_filter(&self) -> bool {
        let Self { status, part, group, reason, groups, page: _ } = self;
        let is_limited = groups.is_limited();
        status.is_some() || part.is_some() || group.is_some() || reason.is_some() || is_limited
    }

    /// As a filter of the live state.
    pub fn filter(&self) -> ServiceFilter {
        let Self { status, part, group, reason, groups, page: _ } = self.clone();
        ServiceFilter { state: status.map(StateFilter::Status), part, group, reason, groups }
    }

    /// Whether only services in some state match.
    pub fn has_state(&self) -> bool {
        self.status.is_some() || self.reason.is_some()
    }

    /// Whether the state of a service matches, which may change at any time.
    pub fn matches_state(&self, record: &ServiceRecord) -> bool {
        let failure = || record.latest_event.as_ref()?.failure.as_ref();
        let has = |reason| failure().is_some_and(|it| it.reason == StoredReason::Known(reason));
        self.status.is_none_or(|status| status == record.status()) && self.reason.is_none_or(has)
    }

    /// Whether a text of the filters has a NUL character.
    pub fn has_nul(&self) -> bool {
        [&self.part, &self.group].into_iter().flatten().any(|text| text.contains('\0'))
    }
}

/// Query: one living service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetService(pub ServiceId);

/// Query: those of these services that live, in this order. Each id is listed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetServices(pub Vec<ServiceId>);

/// Query: the events of living services that match every filter, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEvents {
    /// `None` for all services; an id must be that of a living service.
    pub service_id: Option<ServiceId>,
    /// Events that overlap it.
    pub window: Window,
    pub state: Option<State>,
    pub reason: Option<Reason>,
    /// The groups that the caller sees.
    pub groups: GroupLimit,
    pub page: PageRequest,
}

/// Query: the newest events of living services, newest first, at most so many. Unlike
/// [`ListEvents`], the others are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListNewestEvents(pub u32);

/// What the newest probe of a service learned of its target, as far as it is stored: a change is
/// stored at most once a minute. `None` before the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetFacts(pub ServiceId);

/// A change of the list of services, requested through the API.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    Create(Box<Definition>),
    Update(ServiceId, Patch),
    /// The history stays in the store.
    Delete(ServiceId),
}

/// Result of a [`Change`].
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    pub id: ServiceId,
    /// `None` after a deletion.
    pub record: Option<ServiceRecord>,
    /// Whether a result of the former definition says nothing about this one.
    pub changes_probes: bool,
}

/// Changes that bring the services of the services file in line with its entries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FilePlan {
    pub add: Vec<Definition>,
    pub change: Vec<(ServiceId, Definition)>,
    /// Services of an earlier file that have no entry any more.
    pub remove: Vec<ServiceId>,
    /// All channels of the file; one whose name stays keeps its id. Those of an earlier file that
    /// are missing here are removed.
    pub channels: Vec<NewChannel>,
    /// All policies of the file, as `channels`.
    pub policies: Vec<NewPolicy>,
    /// All maintenance of the file; one whose schedule stays keeps its id.
    pub maintenance: Vec<FileMaintenance>,
}

/// A [`FilePlan`] that is stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AppliedPlan {
    pub plan: FilePlan,
    /// Ids of the services in `plan.add`, in the same order.
    pub added: Vec<ServiceId>,
    /// The added and changed services, by id.
    pub live: Vec<LiveService>,
    /// Whether a channel or a policy of the file was added, changed or removed.
    pub alerting_changed: bool,
    /// All maintenance, when that of the file changed.
    pub windows: Option<Windows>,
}

/// Compares the living services with the entries of the services file. The errors are one
/// sentence each.
pub type MakePlan<'a> = dyn FnMut(&[LoadedService]) -> Result<FilePlan, Vec<String>> + 'a;

/// A period that the monitor did not observe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Unix milliseconds of the last moment at which it observed.
    pub from_ms: i64,
    /// Number of services whose open event was ended there.
    pub services: usize,
}

/// What a start found of the previous run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resumed {
    /// Unix milliseconds of the last moment at which it observed; `None` for a new store.
    pub stopped_at_ms: Option<i64>,
    /// `None` when no service missed more than one interval.
    pub gap: Option<Gap>,
    /// `None` unless the store had moments that are later than the start.
    pub set_back: Option<SetBack>,
}

/// The wall clock was set back, and what was stored before was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetBack {
    /// Milliseconds.
    pub by_ms: i64,
    /// Number of services whose events changed.
    pub services: usize,
}

/// Query: number of rows and bytes in the store.
#[derive(Debug, Clone, Copy)]
pub struct GetUsage;

/// Sizes are bytes, counts are rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Size of the database file; on PostgreSQL, of the tables of the store with their indexes.
    pub file_bytes: u64,
    /// Size of the write-ahead log; `None` when the log belongs to the server.
    pub log_bytes: Option<u64>,
    /// Free pages of the file; `None` when the server does not tell them.
    pub free_bytes: Option<u64>,
    /// Deleted ones included.
    pub services: u64,
    pub events: u64,
    pub fresh_ticks: u64,
    pub sealed_ticks: u64,
    /// Chunks of sealed ticks.
    pub chunks: u64,
    /// Size of the sealed ticks.
    pub sealed_bytes: u64,
    /// Of hours and days.
    pub rollups: u64,
    /// Start of the chunk that ends first, in unix milliseconds: older ticks were deleted.
    pub ticks_since_ms: Option<i64>,
    /// Unix milliseconds of the last sealing; 0 before the first.
    pub sealed_at_ms: i64,
}

impl Usage {
    /// Number of rows by table.
    pub fn rows(&self) -> [(&'static str, u64); 6] {
        [
            ("services", self.services),
            ("events", self.events),
            ("fresh_ticks", self.fresh_ticks),
            ("sealed_ticks", self.sealed_ticks),
            ("chunks", self.chunks),
            ("rollups", self.rollups),
        ]
    }
}
