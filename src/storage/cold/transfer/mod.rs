//! The store as the source of a copy, and what a target of one has in every store.

pub mod moves;
pub mod rows;

use std::fmt::Write;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;

use rows::Range;

use super::keys::rows_of;
use super::rollups::RollupRow;
use super::schema::{alerting, service_rollups, service_tick_chunks, services, store};
use super::{StoreConnection, own_transfer};
use crate::storage::history::rows::NewChunk;
use crate::storage::port::Result;
use crate::storage::transfer::{AlertingCopy, EachRow, Row, StoreCopy, StoreState, TransferSource};

impl TransferSource for StoreConnection {
    fn state(&mut self) -> Result<StoreState> {
        let store_id = store::table.select(store::store_id).first(self)?;
        let mut state = own_transfer::use_mark(self)?;
        // A command, or another program, may have changed the store without a service.
        let StoreCopy { liveness_ms, last_ids, .. } = self.store()?;
        let _infallible = write!(state, " {liveness_ms:?} {last_ids:?}");
        Ok(StoreState { store_id, state })
    }

    fn service_count(&mut self) -> Result<u64> {
        let count: i64 = services::table.count().get_result(self)?;
        Ok(count.cast_unsigned())
    }

    fn store(&mut self) -> Result<StoreCopy> {
        let (instance_key, next_alert_id, next_notification_id) = alerting::table
            .select((
                alerting::instance_key,
                alerting::next_alert_id,
                alerting::next_notification_id,
            ))
            .first(self)?;
        let alerting = AlertingCopy { instance_key, next_alert_id, next_notification_id };
        own_transfer::store(self, alerting)
    }

    fn portion(&mut self, after: i64, limit: usize, each: &mut EachRow<'_>) -> Result<Option<i64>> {
        let ids: Vec<i64> = services::table
            .filter(services::id.gt(after))
            .order(services::id)
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .select(services::id)
            .load(self)?;
        let (Some(&first), Some(&last)) = (ids.first(), ids.last()) else { return Ok(None) };
        let range = Range { first, last };
        rows::of_services(self, range, each)?;
        own_transfer::sealed_events(self, range, each)?;
        own_transfer::ticks(self, range, each)?;
        rollups(self, range, each)?;
        chunks(self, range, each)?;
        Ok(Some(last))
    }

    fn others(&mut self, each: &mut EachRow<'_>) -> Result<()> {
        rows::of_others(self, each)
    }
}

fn rollups(connection: &mut StoreConnection, range: Range, each: &mut EachRow<'_>) -> Result<()> {
    let rows = rows_of!(service_rollups)
        .filter(service_rollups::service_id.between(range.first, range.last))
        .order((service_rollups::service_id, service_rollups::step_s, service_rollups::start_s))
        .select((service_rollups::service_id, RollupRow::as_select()))
        .load_iter::<(i64, RollupRow), DefaultLoadingMode>(connection)?;
    for row in rows {
        let (service_id, row) = row?;
        each(Row::Rollup(service_id, Box::new(row.into())))?;
    }
    Ok(())
}

fn chunks(connection: &mut StoreConnection, range: Range, each: &mut EachRow<'_>) -> Result<()> {
    type Columns = (i64, i64, i64, i64, i64, i64, i64, Vec<u8>);
    let rows = rows_of!(service_tick_chunks)
        .filter(service_tick_chunks::service_id.between(range.first, range.last))
        .order((service_tick_chunks::service_id, service_tick_chunks::first_seq))
        .select((
            service_tick_chunks::service_id,
            service_tick_chunks::first_seq,
            service_tick_chunks::from_ms,
            service_tick_chunks::to_ms,
            service_tick_chunks::tick_count,
            service_tick_chunks::up_count,
            service_tick_chunks::down_count,
            service_tick_chunks::data,
        ))
        .load_iter::<Columns, DefaultLoadingMode>(connection)?;
    for row in rows {
        let (service_id, first_seq, from_ms, to_ms, tick_count, up_count, down_count, data) = row?;
        let chunk = NewChunk { first_seq, from_ms, to_ms, tick_count, up_count, down_count, data };
        each(Row::Chunk(service_id, chunk))?;
    }
    Ok(())
}

/// Sets the row of `alerting`. Part of the caller's transaction.
pub fn set_alerting(connection: &mut StoreConnection, copy: &AlertingCopy) -> Result<()> {
    diesel::update(alerting::table)
        .set((
            alerting::instance_key.eq(&copy.instance_key),
            alerting::next_alert_id.eq(copy.next_alert_id),
            alerting::next_notification_id.eq(copy.next_notification_id),
        ))
        .execute(connection)?;
    Ok(())
}
