//! [`StoreWrite`] on PostgreSQL. Each write is behind the fence of its instance.

use std::time::Duration;

use super::cold::definitions;
use super::gaps::Watched;
use super::import::Import;
use super::instance::Write;
use super::store::{BULK_CALL_LIMIT, PostgresStore};
use super::{clock_step, commit, entries, living, relayed, retention, sealing};
use crate::domain::ServiceId;
use crate::domain::audit::AuditSource;
use crate::domain::time::step_back::StepBack;
use crate::storage::batch::{Batch, Entry, Stored};
use crate::storage::gaps;
use crate::storage::history::retention::Next;
use crate::storage::history::rows::{Portion, Slice};
use crate::storage::port::{Expired, ImportWork, Result, StoreWrite};
use crate::storage::records::{Applied, AppliedPlan, Change, Gap, MakePlan, Resumed};

impl PostgresStore {
    /// Runs a write that may change definitions, within at least this limit. The looks of this
    /// instance need not read its own changes.
    pub(super) fn define_as_own<T>(
        &mut self,
        limit: Option<Duration>,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let instance = self.instance()?;
        let write = |store: &mut Self| {
            if instance.joined().is_none() {
                return Ok((work(store)?, 0..0));
            }
            let before = living::lock_revision(&mut store.connection)?;
            let done = work(store)?;
            let after = living::lock_revision(&mut store.connection)?;
            Ok((done, before + 1..after + 1))
        };
        let (done, revisions) = match limit {
            None => self.write(None, write),
            limit => self.write_within(limit, None, write),
        }?;
        revisions.for_each(|revision| instance.note_revision(revision));
        Ok(done)
    }
}

impl StoreWrite for PostgresStore {
    fn entries(&mut self, ids: &[ServiceId]) -> Result<Vec<Entry>> {
        self.run(|connection| entries::of(connection, ids))
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<Stored> {
        self.numbered(Write::Commit, |store, instance| {
            commit::commit(&mut store.connection, instance, batch)
        })
    }

    fn settle(&mut self) -> Result<bool> {
        let instance = self.instance()?;
        self.run(|connection| instance.settle(connection))?;
        Ok(instance.take_stored_commit())
    }

    fn define(&mut self, change: Change, source: &AuditSource, now_ms: i64) -> Result<Applied> {
        let owned = self.owned();
        self.define_as_own(None, |store| {
            let owns = |id| owned.contains(id);
            definitions::define(&mut store.connection, change, (source, now_ms), &owns)
        })
    }

    fn define_all(
        &mut self,
        plan: &mut MakePlan<'_>,
        source: &AuditSource,
        now_ms: i64,
    ) -> Result<AppliedPlan> {
        let owned = self.owned();
        self.define_as_own(Some(BULK_CALL_LIMIT), |store| {
            let owns = |id| owned.contains(id);
            let connection = &mut store.connection;
            let applied = definitions::define_all(connection, plan, (source, now_ms), &owns)?;
            if applied.alerting_changed || applied.windows.is_some() {
                living::settings_changed(connection)?;
            }
            Ok(applied)
        })
    }

    fn set_relayed(&mut self, seqs: &[(ServiceId, u64)]) -> Result<()> {
        self.write_bulk(None, |store| relayed::set(&mut store.connection, seqs))
    }

    fn close_gap(&mut self, now_ms: i64, default_interval: Duration) -> Result<Resumed> {
        let interval_ms = i64::try_from(default_interval.as_millis()).unwrap_or(i64::MAX);
        let owned = self.owned();
        if owned.is_empty() {
            return Ok(Resumed::default());
        }
        self.write_bulk(None, |store| {
            gaps::close(&mut Watched::of_start(store, owned)?, now_ms, interval_ms)
        })
    }

    fn record_stall(&mut self, from_ms: i64, now_ms: i64) -> Result<Option<Gap>> {
        let owned = self.owned();
        self.write_bulk(None, |store| {
            gaps::stall(&mut Watched::of_start(store, owned)?, from_ms, now_ms)
        })
    }

    fn step_back(&mut self, steps: &[StepBack]) -> Result<usize> {
        self.write_bulk(None, |store| {
            let owned = store.owned();
            let connection = &mut store.connection;
            let moved = steps.iter().map(|step| clock_step::apply(connection, step, &owned));
            Ok(moved.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or_default())
        })
    }

    fn begin_sealing(&mut self) -> Result<bool> {
        self.write(None, sealing::begin)
    }

    fn publish(
        &mut self,
        slice: &Slice,
        now_ms: i64,
        is_enough: &mut dyn FnMut() -> bool,
    ) -> Result<Portion> {
        self.write(None, |store| sealing::publish(store, slice, now_ms, is_enough))
    }

    fn finish_sealing(&mut self, now_ms: i64) -> Result<u64> {
        self.write(None, |store| sealing::finish(store, now_ms))
    }

    fn expire_chunks(&mut self, cutoff_ms: i64, limit: u32) -> Result<bool> {
        let owned = self.owned();
        self.write(None, |store| {
            retention::expire_chunks(&mut store.connection, &owned, cutoff_ms, limit)
        })
    }

    fn expire_service(
        &mut self,
        after: i64,
        cutoff_ms: i64,
        limit: u32,
    ) -> Result<Option<Expired>> {
        let owned = self.owned();
        let next =
            self.run(|connection| retention::next_service(connection, &owned, after, cutoff_ms))?;
        let service_id = match next {
            None => return Ok(None),
            Some(Next::NoneUpTo(service_id)) => {
                return Ok(Some(Expired { service_id, is_done: true }));
            }
            Some(Next::Old(service_id)) => service_id,
        };
        let expired = self.write(None, |store| {
            retention::expire_service(&mut store.connection, service_id, cutoff_ms, limit)
        });
        expired.map(Some)
    }

    fn release_space(&mut self) -> Result<bool> {
        // Autovacuum of the server reuses it.
        Ok(false)
    }

    fn import(&mut self, work: &mut ImportWork<'_>) -> Result<()> {
        self.write_within(None, None, |store| {
            let mut import = Import::new(store)?;
            work(&mut import)?;
            import.finish()
        })
    }

    fn checkpoint(&mut self) -> Result<()> {
        Ok(())
    }
}
