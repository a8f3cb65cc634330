//! [`StoreRead`] on a connection.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::cold::{chunks, events, facts, rollups, services};
use super::{counters, fresh, history, usage};
use crate::domain::access::GroupLimit;
use crate::domain::history::facts::FactsSince;
use crate::domain::live::LiveService;
use crate::domain::{
    Definition, FullName, Page, PageRequest, ServiceEvent, ServiceId, Span, StoredTick, Window,
};
use crate::storage::batch::Extent;
use crate::storage::history::rows::{
    Backlog, ChunkInfo, Marks, Rollup, Sealing, Unrelayed, UnsealedService, UnsealedTick,
};
use crate::storage::port::{EachSum, EachTick, ReadWork, Result, RollupRead, StoreRead};
use crate::storage::records::{
    ListEvents, ListServices, LoadedService, NamedService, ServiceRecord, Usage,
};

impl StoreRead for SqliteConnection {
    fn in_snapshot(&mut self, work: &mut ReadWork<'_>) -> Result<()> {
        self.transaction(|connection| work(connection))
    }

    fn service(&mut self, id: ServiceId) -> Result<ServiceRecord> {
        services::get(self, id)
    }

    fn require_service(&mut self, id: ServiceId) -> Result<()> {
        services::require(self, id)
    }

    fn services_by_id(&mut self, ids: &[ServiceId]) -> Result<Vec<ServiceRecord>> {
        services::by_id(self, ids)
    }

    fn services(&mut self, list: &ListServices) -> Result<Page<ServiceRecord>> {
        services::list(self, list)
    }

    fn named_services(
        &mut self,
        page: Option<PageRequest>,
        groups: &GroupLimit,
    ) -> Result<Page<NamedService>> {
        services::named(self, page, groups)
    }

    fn definitions(&mut self, ids: &[ServiceId]) -> Result<HashMap<ServiceId, Definition>> {
        services::definitions(self, ids)
    }

    fn services_by_name(&mut self, names: &[FullName]) -> Result<Vec<(ServiceId, Definition)>> {
        services::by_name(self, names)
    }

    fn load_services(&mut self) -> Result<Vec<LoadedService>> {
        services::load(self, None)
    }

    fn live_services(&mut self, ids: Option<&[ServiceId]>) -> Result<Vec<LiveService>> {
        services::live(self, ids)
    }

    fn all_service_ids(&mut self) -> Result<Vec<ServiceId>> {
        services::all_ids(self)
    }

    fn events(&mut self, list: &ListEvents) -> Result<Page<ServiceEvent>> {
        events::list(self, list)
    }

    fn newest_events(&mut self, limit: u32) -> Result<Vec<ServiceEvent>> {
        events::newest(self, limit)
    }

    fn first_unsealed_event(&mut self, id: ServiceId) -> Result<Option<i64>> {
        history::first_unsealed_event(self, id)
    }

    fn newest_seq(&mut self, id: ServiceId) -> Result<u64> {
        history::newest_seq(self, id)
    }

    fn fresh_ticks(&mut self, id: ServiceId, each: &mut EachTick<'_, StoredTick>) -> Result<()> {
        fresh::newest_first(self, id, each)
    }

    fn fresh_ticks_of(
        &mut self,
        ids: &[ServiceId],
        has_durations: bool,
        each: &mut EachTick<'_, (ServiceId, StoredTick)>,
    ) -> Result<()> {
        fresh::of(self, ids, has_durations, each)
    }

    fn fresh_counts(&mut self) -> Result<HashMap<ServiceId, u64>> {
        fresh::counts(self)
    }

    fn fresh_extent(&mut self) -> Result<Extent> {
        fresh::extent(self)
    }

    fn chunks(
        &mut self,
        id: ServiceId,
        window: Window,
        before: Option<u64>,
    ) -> Result<Vec<ChunkInfo>> {
        chunks::chunks(self, id, window, before)
    }

    fn chunk_from(&mut self, id: ServiceId, seq: u64, window: Window) -> Result<Option<ChunkInfo>> {
        chunks::chunk_from(self, id, seq, window)
    }

    fn newest_chunks(&mut self, ids: &[ServiceId]) -> Result<HashMap<ServiceId, ChunkInfo>> {
        history::newest_chunks(self, ids)
    }

    fn chunk_data(&mut self, chunk: &ChunkInfo) -> Result<Vec<u8>> {
        chunks::chunk_data(self, chunk)
    }

    fn sealing(&mut self) -> Result<Option<Sealing>> {
        history::sealing(self)
    }

    fn backlog(&mut self, sealing: &Sealing) -> Result<Backlog> {
        fresh::backlog(self, sealing)
    }

    fn unsealed_services(
        &mut self,
        sealing: &Sealing,
        limit: usize,
    ) -> Result<Vec<UnsealedService>> {
        history::unsealed_services(self, sealing, limit)
    }

    fn unsealed_ticks(
        &mut self,
        sealing: &Sealing,
        limit: usize,
        each: &mut EachTick<'_, UnsealedTick>,
    ) -> Result<()> {
        fresh::unsealed(self, sealing, limit, each)
    }

    fn unrelayed(&mut self, after: i64, limit: u32) -> Result<Vec<Unrelayed>> {
        services::unrelayed(self, after, limit)
    }

    fn rollup_sums(
        &mut self,
        ids: &[ServiceId],
        step_s: i32,
        window: Window,
        has_durations: bool,
        each: &mut EachSum<'_>,
    ) -> Result<()> {
        rollups::sums(self, ids, step_s, window, has_durations, each)
    }

    fn facts(
        &mut self,
        ids: &[ServiceId],
        window: Window,
    ) -> Result<HashMap<ServiceId, Vec<FactsSince>>> {
        facts::facts(self, ids, window)
    }

    fn marks(&mut self) -> Result<Marks> {
        history::marks(self)
    }

    fn usage(&mut self) -> Result<Usage> {
        usage::usage(self)
    }

    fn check_counters(&mut self) -> Result<Vec<String>> {
        counters::check(self)
    }
}

impl RollupRead for SqliteConnection {
    fn spans(
        &mut self,
        ids: &[ServiceId],
        window: Window,
    ) -> Result<HashMap<ServiceId, Vec<Span>>> {
        history::spans(self, ids, window)
    }

    fn rollups(&mut self, id: ServiceId, step_s: i32, window: Window) -> Result<Vec<Rollup>> {
        rollups::rollups(self, id, step_s, window)
    }

    fn rollup_starts(&mut self, id: ServiceId, step_s: i32, from_s: i64) -> Result<Vec<i64>> {
        rollups::rollup_starts(self, id, step_s, from_s)
    }

    fn newest_rollup(&mut self, id: ServiceId, step_s: i32) -> Result<Option<i64>> {
        rollups::newest_rollup(self, id, step_s)
    }
}
