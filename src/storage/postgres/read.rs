//! [`StoreRead`] on PostgreSQL.

use std::collections::HashMap;

use super::cold::{chunks, events, facts, rollups, services};
use super::store::PostgresStore;
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

impl StoreRead for PostgresStore {
    fn in_snapshot(&mut self, work: &mut ReadWork<'_>) -> Result<()> {
        self.transaction(|store| work(store))
    }

    fn service(&mut self, id: ServiceId) -> Result<ServiceRecord> {
        self.run(|connection| services::get(connection, id))
    }

    fn require_service(&mut self, id: ServiceId) -> Result<()> {
        self.run(|connection| services::require(connection, id))
    }

    fn services_by_id(&mut self, ids: &[ServiceId]) -> Result<Vec<ServiceRecord>> {
        self.run(|connection| services::by_id(connection, ids))
    }

    fn services(&mut self, list: &ListServices) -> Result<Page<ServiceRecord>> {
        self.run(|connection| services::list(connection, list))
    }

    fn named_services(
        &mut self,
        page: Option<PageRequest>,
        groups: &GroupLimit,
    ) -> Result<Page<NamedService>> {
        self.run(|connection| services::named(connection, page, groups))
    }

    fn definitions(&mut self, ids: &[ServiceId]) -> Result<HashMap<ServiceId, Definition>> {
        self.run(|connection| services::definitions(connection, ids))
    }

    fn services_by_name(&mut self, names: &[FullName]) -> Result<Vec<(ServiceId, Definition)>> {
        self.run(|connection| services::by_name(connection, names))
    }

    fn load_services(&mut self) -> Result<Vec<LoadedService>> {
        self.run(|connection| services::load(connection, None))
    }

    fn live_services(&mut self, ids: Option<&[ServiceId]>) -> Result<Vec<LiveService>> {
        self.run(|connection| services::live(connection, ids))
    }

    fn all_service_ids(&mut self) -> Result<Vec<ServiceId>> {
        self.run(services::all_ids)
    }

    fn events(&mut self, list: &ListEvents) -> Result<Page<ServiceEvent>> {
        self.run(|connection| events::list(connection, list))
    }

    fn newest_events(&mut self, limit: u32) -> Result<Vec<ServiceEvent>> {
        self.run(|connection| events::newest(connection, limit))
    }

    fn first_unsealed_event(&mut self, id: ServiceId) -> Result<Option<i64>> {
        self.run(|connection| history::first_unsealed_event(connection, id))
    }

    fn newest_seq(&mut self, id: ServiceId) -> Result<u64> {
        self.run(|connection| history::newest_seq(connection, id))
    }

    fn fresh_ticks(&mut self, id: ServiceId, each: &mut EachTick<'_, StoredTick>) -> Result<()> {
        self.run(|connection| fresh::newest_first(connection, id, each))
    }

    fn fresh_ticks_of(
        &mut self,
        ids: &[ServiceId],
        has_durations: bool,
        each: &mut EachTick<'_, (ServiceId, StoredTick)>,
    ) -> Result<()> {
        self.run(|connection| fresh::of(connection, ids, has_durations, each))
    }

    fn fresh_counts(&mut self) -> Result<HashMap<ServiceId, u64>> {
        self.run(fresh::counts)
    }

    fn fresh_extent(&mut self) -> Result<Extent> {
        self.call(fresh::extent)
    }

    fn chunks(
        &mut self,
        id: ServiceId,
        window: Window,
        before: Option<u64>,
    ) -> Result<Vec<ChunkInfo>> {
        self.run(|connection| chunks::chunks(connection, id, window, before))
    }

    fn chunk_from(&mut self, id: ServiceId, seq: u64, window: Window) -> Result<Option<ChunkInfo>> {
        self.run(|connection| chunks::chunk_from(connection, id, seq, window))
    }

    fn newest_chunks(&mut self, ids: &[ServiceId]) -> Result<HashMap<ServiceId, ChunkInfo>> {
        self.run(|connection| history::newest_chunks(connection, ids))
    }

    fn chunk_data(&mut self, chunk: &ChunkInfo) -> Result<Vec<u8>> {
        self.run(|connection| chunks::chunk_data(connection, chunk))
    }

    fn sealing(&mut self) -> Result<Option<Sealing>> {
        self.call(history::sealing)
    }

    fn backlog(&mut self, sealing: &Sealing) -> Result<Backlog> {
        let owned = self.owned();
        self.run(|connection| fresh::backlog(connection, sealing, &owned))
    }

    fn unsealed_services(
        &mut self,
        sealing: &Sealing,
        limit: usize,
    ) -> Result<Vec<UnsealedService>> {
        let owned = self.owned();
        self.run(|connection| history::unsealed_services(connection, (sealing, &owned), limit))
    }

    fn unsealed_ticks(
        &mut self,
        sealing: &Sealing,
        limit: usize,
        each: &mut EachTick<'_, UnsealedTick>,
    ) -> Result<()> {
        let owned = self.owned();
        self.run(|connection| fresh::unsealed(connection, (sealing, &owned), limit, each))
    }

    fn unrelayed(&mut self, after: i64, limit: u32) -> Result<Vec<Unrelayed>> {
        let owned = self.owned();
        self.run(|connection| {
            let mut after = after;
            loop {
                let all = services::unrelayed(connection, after, limit)?;
                let (is_last, last) = (all.len() < limit as usize, all.last().copied());
                let own = all.into_iter().filter(|row| owned.contains(row.service_id));
                let own: Vec<Unrelayed> = own.collect();
                match last {
                    Some(last) if own.is_empty() && !is_last => after = last.service_id.get(),
                    _ => return Ok(own),
                }
            }
        })
    }

    fn rollup_sums(
        &mut self,
        ids: &[ServiceId],
        step_s: i32,
        window: Window,
        has_durations: bool,
        each: &mut EachSum<'_>,
    ) -> Result<()> {
        self.run(|connection| rollups::sums(connection, ids, step_s, window, has_durations, each))
    }

    fn facts(
        &mut self,
        ids: &[ServiceId],
        window: Window,
    ) -> Result<HashMap<ServiceId, Vec<FactsSince>>> {
        self.run(|connection| facts::facts(connection, ids, window))
    }

    fn marks(&mut self) -> Result<Marks> {
        self.run(history::marks)
    }

    fn usage(&mut self) -> Result<Usage> {
        self.transaction(|store| usage::usage(&mut store.connection))
    }

    fn check_counters(&mut self) -> Result<Vec<String>> {
        self.run(counters::check)
    }
}

impl RollupRead for PostgresStore {
    fn spans(
        &mut self,
        ids: &[ServiceId],
        window: Window,
    ) -> Result<HashMap<ServiceId, Vec<Span>>> {
        self.run(|connection| history::spans(connection, ids, window))
    }

    fn rollups(&mut self, id: ServiceId, step_s: i32, window: Window) -> Result<Vec<Rollup>> {
        self.run(|connection| rollups::rollups(connection, id, step_s, window))
    }

    fn rollup_starts(&mut self, id: ServiceId, step_s: i32, from_s: i64) -> Result<Vec<i64>> {
        self.run(|connection| rollups::rollup_starts(connection, id, step_s, from_s))
    }

    fn newest_rollup(&mut self, id: ServiceId, step_s: i32) -> Result<Option<i64>> {
        self.run(|connection| rollups::newest_rollup(connection, id, step_s))
    }
}
