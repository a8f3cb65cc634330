//! The storage port: what every store provides, as traits of primitives. Domain types in and out.
//!
//! Everything else is written once over these traits: the ledger, and the queries of the history.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::domain::access::GroupLimit;
use crate::domain::alert::open_counts::OpenAlertCounts;
use crate::domain::audit::{AuditEntry, AuditSource};
use crate::domain::history::facts::FactsSince;
use crate::domain::live::{LiveService, ServiceUpdate};
use crate::domain::time::step_back::StepBack;
use crate::domain::{
    Definition, FullName, Outcome, Page, PageRequest, ServiceEvent, ServiceId, ShardSet, Span,
    Stats, StoredTick, Tally, Totals, Window,
};
use crate::storage::access::port::{AccessRead, AccessWrite};
use crate::storage::alerting::port::{AlertRead, AlertWrite};
use crate::storage::audit::port::{AuditRead, AuditWrite};
use crate::storage::batch::{Batch, Entry, Extent, Stored};
use crate::storage::coordination::command::AlertCommand;
use crate::storage::coordination::port::ShardWrite;
use crate::storage::coordination::{Duty, Roster, Seen};
use crate::storage::error::StorageError;
use crate::storage::history::rows::{
    Backlog, Bucket, ChunkInfo, Marks, Portion, Rollup, Sealing, Slice, Unrelayed, UnsealedService,
    UnsealedTick,
};
use crate::storage::import::{ImportedEvent, ImportedService, NewService};
use crate::storage::maintenance::port::{MaintenanceRead, MaintenanceWrite};
use crate::storage::records::{
    Applied, AppliedPlan, Change, Gap, ListEvents, ListServices, LoadedService, MakePlan,
    NamedService, Resumed, ServiceRecord, Usage,
};

pub type Result<T> = std::result::Result<T, StorageError>;

/// Work on one snapshot.
pub type ReadWork<'a> = dyn FnMut(&mut dyn StoreRead) -> Result<()> + 'a;

/// An import in one transaction.
pub type ImportWork<'a> = dyn FnMut(&mut dyn StoreImport) -> Result<()> + 'a;

/// Receives ticks until it breaks.
pub type EachTick<'a, T> = dyn FnMut(T) -> ControlFlow<()> + 'a;

/// Receives a service, the start of a roll-up in unix seconds, and its sums.
pub type EachSum<'a> = dyn FnMut(ServiceId, i64, Stats) + 'a;

/// A query over a store.
pub trait Query: Send + 'static {
    type Answer: Send + 'static;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Self::Answer>;
}

/// What can be read. Each method reads one snapshot; the calls within one
/// [`in_snapshot`](StoreRead::in_snapshot) share one.
pub trait StoreRead: RollupRead + AlertRead + MaintenanceRead + AuditRead + AccessRead {
    /// Runs `work` on one snapshot; [`snapshot`] is the convenient form.
    fn in_snapshot(&mut self, work: &mut ReadWork<'_>) -> Result<()>;

    /// Error `NotFound` unless the service lives.
    fn service(&mut self, id: ServiceId) -> Result<ServiceRecord>;
    /// Error `NotFound` unless the service lives.
    fn require_service(&mut self, id: ServiceId) -> Result<()>;
    /// Those of these services that live, in this order; each id is listed once.
    fn services_by_id(&mut self, ids: &[ServiceId]) -> Result<Vec<ServiceRecord>>;
    fn services(&mut self, list: &ListServices) -> Result<Page<ServiceRecord>>;
    /// The living services of `groups`, by id; all of them without a page.
    fn named_services(
        &mut self,
        page: Option<PageRequest>,
        groups: &GroupLimit,
    ) -> Result<Page<NamedService>>;
    /// The definitions of those of these services that live.
    fn definitions(&mut self, ids: &[ServiceId]) -> Result<HashMap<ServiceId, Definition>>;
    /// The living services with these names, and their definitions; other names are left out.
    fn services_by_name(&mut self, names: &[FullName]) -> Result<Vec<(ServiceId, Definition)>>;
    /// All living services, by id.
    fn load_services(&mut self) -> Result<Vec<LoadedService>>;
    /// The living services with their states, by id; all of them, or those of these ids.
    fn live_services(&mut self, ids: Option<&[ServiceId]>) -> Result<Vec<LiveService>>;
    /// Deleted ones included.
    fn all_service_ids(&mut self) -> Result<Vec<ServiceId>>;

    fn events(&mut self, list: &ListEvents) -> Result<Page<ServiceEvent>>;
    /// The newest events of living services, newest first.
    fn newest_events(&mut self, limit: u32) -> Result<Vec<ServiceEvent>>;
    /// Earliest start of the events of the service that the times of its roll-ups do not contain
    /// yet, in unix milliseconds.
    fn first_unsealed_event(&mut self, id: ServiceId) -> Result<Option<i64>>;

    /// Number of the newest tick of the service, and so of all its ticks so far.
    fn newest_seq(&mut self, id: ServiceId) -> Result<u64>;
    /// The fresh ticks of a service, newest first.
    fn fresh_ticks(&mut self, id: ServiceId, each: &mut EachTick<'_, StoredTick>) -> Result<()>;
    /// The fresh ticks of these services in no order; without `has_durations`, only their times and
    /// states.
    fn fresh_ticks_of(
        &mut self,
        ids: &[ServiceId],
        has_durations: bool,
        each: &mut EachTick<'_, (ServiceId, StoredTick)>,
    ) -> Result<()>;
    /// Number of fresh ticks by service.
    fn fresh_counts(&mut self) -> Result<HashMap<ServiceId, u64>>;
    fn fresh_extent(&mut self) -> Result<Extent>;

    /// The chunks of a service that overlap `window` and begin before tick number `before`, newest
    /// first.
    fn chunks(
        &mut self,
        id: ServiceId,
        window: Window,
        before: Option<u64>,
    ) -> Result<Vec<ChunkInfo>>;
    /// The chunk that contains tick number `seq`; otherwise the first one after it that overlaps
    /// `window`.
    fn chunk_from(&mut self, id: ServiceId, seq: u64, window: Window) -> Result<Option<ChunkInfo>>;
    /// The newest chunk of each service that has one.
    fn newest_chunks(&mut self, ids: &[ServiceId]) -> Result<HashMap<ServiceId, ChunkInfo>>;
    fn chunk_data(&mut self, chunk: &ChunkInfo) -> Result<Vec<u8>>;

    fn sealing(&mut self) -> Result<Option<Sealing>>;
    /// May stop counting after the next 4,096 services.
    fn backlog(&mut self, sealing: &Sealing) -> Result<Backlog>;
    /// The next `limit` services that have had ticks, by id.
    fn unsealed_services(
        &mut self,
        sealing: &Sealing,
        limit: usize,
    ) -> Result<Vec<UnsealedService>>;
    /// The fresh ticks of these services, newest first for each service.
    fn unsealed_ticks(
        &mut self,
        sealing: &Sealing,
        limit: usize,
        each: &mut EachTick<'_, UnsealedTick>,
    ) -> Result<()>;

    /// The next `limit` living services after `after` that have ticks which are not relayed, by id.
    fn unrelayed(&mut self, after: i64, limit: u32) -> Result<Vec<Unrelayed>>;
    /// The counts of the roll-ups of that length that start in `window`; with `has_durations`, all
    /// but their sketches. In no order.
    fn rollup_sums(
        &mut self,
        ids: &[ServiceId],
        step_s: i32,
        window: Window,
        has_durations: bool,
        each: &mut EachSum<'_>,
    ) -> Result<()>;

    /// The facts of each service that hold at some time of `window`, oldest first.
    fn facts(
        &mut self,
        ids: &[ServiceId],
        window: Window,
    ) -> Result<HashMap<ServiceId, Vec<FactsSince>>>;

    fn marks(&mut self) -> Result<Marks>;
    fn usage(&mut self) -> Result<Usage>;
    /// Compares the counters of the store with its rows; one sentence a difference.
    fn check_counters(&mut self) -> Result<Vec<String>>;
}

/// Reads of roll-ups and of the events that their times come from.
pub trait RollupRead {
    /// The events of each service that overlap `window`, oldest first.
    fn spans(&mut self, ids: &[ServiceId], window: Window)
    -> Result<HashMap<ServiceId, Vec<Span>>>;

    /// The roll-ups of that length that start in `window`, oldest first.
    fn rollups(&mut self, id: ServiceId, step_s: i32, window: Window) -> Result<Vec<Rollup>>;
    /// Starts of the roll-ups of that length from `from_s` on, in unix seconds.
    fn rollup_starts(&mut self, id: ServiceId, step_s: i32, from_s: i64) -> Result<Vec<i64>>;
    /// Start of the newest roll-up of that length, in unix seconds.
    fn newest_rollup(&mut self, id: ServiceId, step_s: i32) -> Result<Option<i64>>;
}

/// Runs `work` on one snapshot.
pub fn snapshot<T>(
    rows: &mut dyn StoreRead,
    work: impl FnOnce(&mut dyn StoreRead) -> Result<T>,
) -> Result<T> {
    let mut work = Some(work);
    let mut done = None;
    rows.in_snapshot(&mut |rows| {
        if let Some(work) = work.take() {
            done = Some(work(rows)?);
        }
        Ok(())
    })?;
    done.ok_or_else(|| StorageError::Unavailable("the snapshot was not read".to_owned()))
}

/// What can be written. Each method is one transaction, which has the rows of the audit for what
/// `source` changes.
pub trait StoreWrite:
    StoreRead + AlertWrite + MaintenanceWrite + AuditWrite + AccessWrite + ShardWrite
{
    /// The stored state of each service, in the same order.
    fn entries(&mut self, ids: &[ServiceId]) -> Result<Vec<Entry>>;
    /// Error `Conflict` when a row that the batch needs is missing, or contradicts it. After
    /// `Unavailable` the batch may be stored all the same: see [`settle`](Self::settle).
    fn commit(&mut self, batch: &Batch<'_>) -> Result<Stored>;
    /// Whether the last [`commit`](Self::commit), which failed with `Unavailable`, is stored;
    /// afterwards it is never stored later. `false` when no commit is in doubt.
    fn settle(&mut self) -> Result<bool>;

    /// Errors: `NotFound` unless the service lives; `Conflict` for a name that is taken, and for a
    /// service of the services file; `Invalid` for a patch that does not fit the service.
    fn define(&mut self, change: Change, source: &AuditSource, now_ms: i64) -> Result<Applied>;
    /// Computes the plan for the services file from the living services, and stores all of it or
    /// nothing. Error `Invalid` for the problems of `plan`.
    fn define_all(
        &mut self,
        plan: &mut MakePlan<'_>,
        source: &AuditSource,
        now_ms: i64,
    ) -> Result<AppliedPlan>;

    /// Stores up to which tick these services are relayed. Never moves a cursor back.
    fn set_relayed(&mut self, seqs: &[(ServiceId, u64)]) -> Result<()>;

    /// Ends the open events of the living services at the liveness mark; unknown, or a pause for
    /// services that are not enabled, begins there. A service that missed at most one interval
    /// keeps its event; `default_interval` is that of services that set none. Before, moves what
    /// is later than `now_ms`. For the start, before the first probe.
    fn close_gap(&mut self, now_ms: i64, default_interval: Duration) -> Result<Resumed>;
    /// As [`close_gap`](Self::close_gap) for all services, for a process that stalled from
    /// `from_ms` on. Events that began more than a second later stay as they are. `None` when
    /// nothing changed.
    fn record_stall(&mut self, from_ms: i64, now_ms: i64) -> Result<Option<Gap>>;

    /// Moves what was stored before the wall clock was set back by these steps: starts and ends of
    /// events, fresh ticks, streaks and marks. Afterwards none of them is later than the new time,
    /// events are in order, and outages have kept their length. Returns the number of services
    /// whose events changed.
    fn step_back(&mut self, steps: &[StepBack]) -> Result<usize>;

    /// Begins to seal the fresh ticks of all services, unless a sealing is in progress. Whether one
    /// is in progress afterwards; `false` without fresh ticks.
    fn begin_sealing(&mut self) -> Result<bool>;
    /// Writes the first services of `slice`, until `is_enough`, which is called after each.
    /// Error `Conflict` when another slice was published since this one was prepared.
    fn publish(
        &mut self,
        slice: &Slice,
        now_ms: i64,
        is_enough: &mut dyn FnMut() -> bool,
    ) -> Result<Portion>;
    /// Ends a sealing that has sealed every service. Returns the number of its ticks that belonged
    /// to no service and were deleted; 0 unless another program has changed the tables. Error
    /// `Conflict` when there is no such sealing.
    fn finish_sealing(&mut self, now_ms: i64) -> Result<u64>;

    /// Deletes at most `limit` chunks whose newest tick is older than `cutoff_ms`. Whether there
    /// may be more.
    fn expire_chunks(&mut self, cutoff_ms: i64, limit: u32) -> Result<bool>;
    /// Deletes at most `limit` roll-ups, events and facts each of the first service after `after`,
    /// living or not, that has any of them. Reports a later service when nothing is too old up to
    /// it. `None` when no service follows.
    fn expire_service(&mut self, after: i64, cutoff_ms: i64, limit: u32)
    -> Result<Option<Expired>>;
    /// Returns some free space to the file system. Whether there may be more.
    fn release_space(&mut self) -> Result<bool>;

    /// Runs `work` in one transaction.
    fn import(&mut self, work: &mut ImportWork<'_>) -> Result<()>;

    /// Moves the write-ahead log into the main file, if the store has one.
    fn checkpoint(&mut self) -> Result<()>;
}

/// What [`StoreWrite::expire_service`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// The service.
    pub service_id: i64,
    /// Whether nothing of it is too old any more.
    pub is_done: bool,
}

/// Writes of roll-ups within the transaction of [`StoreWrite::publish`].
pub trait RollupWrite: RollupRead {
    /// Stores a roll-up unless one exists. Whether it was stored.
    fn insert_rollup(&mut self, id: ServiceId, rollup: &Rollup) -> Result<bool>;
    fn replace_rollup(&mut self, id: ServiceId, rollup: &Rollup) -> Result<()>;
    fn set_totals(&mut self, id: ServiceId, bucket: Bucket, totals: &Totals) -> Result<()>;
}

/// Writes of an import within the transaction of [`StoreWrite::import`].
pub trait StoreImport {
    /// The service keeps its id while the store has never had a service. Errors: `Conflict` for a
    /// name that is taken, and for an id that is not positive.
    fn add_service(&mut self, service: &NewService<'_>) -> Result<ImportedService>;
    /// Adds a tick after those that the service has.
    fn add_tick(&mut self, service: &ImportedService, tick: &StoredTick) -> Result<()>;
    /// Adds the events of a service, oldest first, and its tally. A service without events has no
    /// ticks either, and gets no metric.
    fn add_events(
        &mut self,
        service: &ImportedService,
        events: &[ImportedEvent],
        tally: &Tally,
    ) -> Result<()>;
    /// Seals all fresh ticks in chunks of `chunk_ticks`.
    fn seal_all(&mut self, chunk_ticks: usize, now_ms: i64) -> Result<()>;
    fn record_audit(&mut self, entry: &AuditEntry) -> Result<()>;
}

/// What an instance can see and do beside its writer, on a connection of its own.
pub trait Coordinate: StoreRead {
    /// One look at all instances. `owned` are the shards that this instance has taken over.
    fn look(&mut self, owned: &ShardSet) -> Result<Roster>;
    /// Ends another instance, unless it has written something since it was seen. Its shards have no
    /// owner then. Waits for a write of it that is under way.
    fn end(&mut self, other: &Seen, now_ms: i64) -> Result<bool>;
    /// Takes the duty, unless a living instance has it. Whether this instance has it afterwards.
    fn take_duty(&mut self, duty: Duty) -> Result<bool>;
    /// Registers this instance anew after it was ended. It owns nothing then.
    fn rejoin(&mut self) -> Result<()>;
    /// The services whose definitions were changed after revision `since`, deleted ones included,
    /// each with its revision.
    fn changed_services(&mut self, since: i64) -> Result<Vec<(ServiceId, i64)>>;
    /// The living services of these, by id.
    fn load_services_of(&mut self, ids: &[ServiceId]) -> Result<Vec<LoadedService>>;
    /// The next events after the one with id `after`, by id: at most `limit` of their ids, with
    /// their services.
    fn events_after(&mut self, after: i64, limit: u32) -> Result<Vec<(i64, ServiceId)>>;
    /// The newest results that were stored at or after `since_s`, in unix seconds, of services of
    /// other shards than `owned`. Without those whose newest tick is sealed.
    fn results_of_others(
        &mut self,
        owned: &ShardSet,
        since_s: i64,
    ) -> Result<Vec<(ServiceId, ServiceUpdate)>>;
    /// The id of the newest event.
    fn newest_event(&mut self) -> Result<i64>;
    /// Numbers of the open alerts, which one instance for all decides about.
    fn open_alert_counts(&mut self) -> Result<OpenAlertCounts>;
    /// The first `limit` commands about alerts in the inbox, by id.
    fn commands(&mut self, limit: u32) -> Result<Vec<(i64, AlertCommand)>>;
    /// Removes commands that were carried out.
    fn commands_done(&mut self, ids: &[i64]) -> Result<()>;
    /// The first `limit` outcomes in the inbox for services of these shards, by id.
    fn inbox(&mut self, shards: &ShardSet, limit: u32) -> Result<Vec<(i64, Outcome)>>;
}
