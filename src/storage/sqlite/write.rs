//! [`StoreWrite`] on a connection. Transactions take the write lock at their beginning.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::cold::definitions;
use super::import::Import;
use super::{clock_step, commit, metrics, page_cache, retention, sealing};
use crate::domain::audit::AuditSource;
use crate::domain::time::step_back::StepBack;
use crate::domain::{Outcome, ServiceId, ShardSet};
use crate::storage::batch::{Batch, Entry, Stored};
use crate::storage::coordination::Claimed;
use crate::storage::coordination::command::AlertCommand;
use crate::storage::coordination::port::ShardWrite;
use crate::storage::gaps;
use crate::storage::history::retention::Next;
use crate::storage::history::rows::{Portion, Slice};
use crate::storage::port::{Expired, ImportWork, Result, StoreWrite};
use crate::storage::records::{Applied, AppliedPlan, Change, Gap, MakePlan, Resumed};

impl StoreWrite for SqliteConnection {
    fn entries(&mut self, ids: &[ServiceId]) -> Result<Vec<Entry>> {
        self.transaction(|connection| commit::entries(connection, ids))
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<Stored> {
        self.immediate_transaction(|connection| commit::commit(connection, batch))
    }

    fn settle(&mut self) -> Result<bool> {
        // A transaction ends with its connection.
        Ok(false)
    }

    fn define(&mut self, change: Change, source: &AuditSource, now_ms: i64) -> Result<Applied> {
        self.immediate_transaction(|connection| {
            definitions::define(connection, change, (source, now_ms), &|_| true)
        })
    }

    fn define_all(
        &mut self,
        plan: &mut MakePlan<'_>,
        source: &AuditSource,
        now_ms: i64,
    ) -> Result<AppliedPlan> {
        page_cache::widen(self)?;
        // Takes the write lock with the first change, so a plan without changes needs none.
        let applied = self.transaction(|connection| {
            definitions::define_all(connection, plan, (source, now_ms), &|_| true)
        });
        page_cache::fit(self)?;
        applied
    }

    fn set_relayed(&mut self, seqs: &[(ServiceId, u64)]) -> Result<()> {
        self.immediate_transaction(|connection| {
            seqs.iter().try_for_each(|(id, seq)| metrics::set_relayed(connection, *id, *seq))
        })
    }

    fn close_gap(&mut self, now_ms: i64, default_interval: Duration) -> Result<Resumed> {
        let interval_ms = i64::try_from(default_interval.as_millis()).unwrap_or(i64::MAX);
        self.immediate_transaction(|connection| gaps::close(connection, now_ms, interval_ms))
    }

    fn record_stall(&mut self, from_ms: i64, now_ms: i64) -> Result<Option<Gap>> {
        self.immediate_transaction(|connection| gaps::stall(connection, from_ms, now_ms))
    }

    fn step_back(&mut self, steps: &[StepBack]) -> Result<usize> {
        self.immediate_transaction(|connection| {
            let moved = steps.iter().map(|step| clock_step::apply(connection, step));
            Ok(moved.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or_default())
        })
    }

    fn begin_sealing(&mut self) -> Result<bool> {
        self.immediate_transaction(sealing::begin)
    }

    fn publish(
        &mut self,
        slice: &Slice,
        now_ms: i64,
        is_enough: &mut dyn FnMut() -> bool,
    ) -> Result<Portion> {
        self.immediate_transaction(|connection| {
            sealing::publish(connection, slice, now_ms, is_enough)
        })
    }

    fn finish_sealing(&mut self, now_ms: i64) -> Result<u64> {
        self.immediate_transaction(|connection| sealing::finish(connection, now_ms))
    }

    fn expire_chunks(&mut self, cutoff_ms: i64, limit: u32) -> Result<bool> {
        self.immediate_transaction(|connection| {
            retention::expire_chunks(connection, cutoff_ms, limit)
        })
    }

    fn expire_service(
        &mut self,
        after: i64,
        cutoff_ms: i64,
        limit: u32,
    ) -> Result<Option<Expired>> {
        let service_id = match retention::next_service(self, after, cutoff_ms)? {
            None => return Ok(None),
            Some(Next::NoneUpTo(service_id)) => {
                return Ok(Some(Expired { service_id, is_done: true }));
            }
            Some(Next::Old(service_id)) => service_id,
        };
        let expired = self.immediate_transaction(|connection| {
            retention::expire_service(connection, service_id, cutoff_ms, limit)
        });
        expired.map(Some)
    }

    fn release_space(&mut self) -> Result<bool> {
        retention::release_space(self)
    }

    fn import(&mut self, work: &mut ImportWork<'_>) -> Result<()> {
        self.immediate_transaction(|connection| work(&mut Import::new(connection)?))
    }

    fn checkpoint(&mut self) -> Result<()> {
        Ok(self.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?)
    }
}

/// A file has one instance, which owns all shards, and no inbox.
impl ShardWrite for SqliteConnection {
    fn claim(&mut self, _: (usize, &ShardSet), _: i64, _: i64) -> Result<Claimed> {
        Ok(Claimed::default())
    }

    fn give_back(&mut self, _: &ShardSet, _: i64) -> Result<()> {
        Ok(())
    }

    fn settle_definitions(&mut self, _: &[ServiceId]) -> Result<()> {
        Ok(())
    }

    fn post(&mut self, _: &[Outcome]) -> Result<()> {
        Ok(())
    }

    fn post_command(&mut self, _: &AlertCommand) -> Result<()> {
        Ok(())
    }

    fn agree_spread(&mut self, services: usize, _: bool) -> Result<usize> {
        Ok(services)
    }
}
