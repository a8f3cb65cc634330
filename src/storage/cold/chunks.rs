//! Reads of the chunks of sealed ticks.

use diesel::prelude::*;

use super::keys::chunks_of;
use super::schema::service_tick_chunks;
use super::{Backend, StoreConnection};
use crate::domain::{ServiceId, Window};
use crate::storage::history::rows::ChunkInfo;
use crate::storage::port::Result;

/// The columns of `service_tick_chunks` without its ticks.
#[derive(Debug, Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = service_tick_chunks, check_for_backend(Backend))]
pub struct ChunkRow {
    first_seq: i64,
    tick_count: i64,
    up_count: i64,
    down_count: i64,
}

impl ChunkRow {
    pub fn info(self, service_id: ServiceId) -> ChunkInfo {
        let Self { first_seq, tick_count, up_count, down_count } = self;
        ChunkInfo { service_id, first_seq, tick_count, up_count, down_count }
    }
}

pub fn chunks(
    connection: &mut StoreConnection,
    id: ServiceId,
    window: Window,
    before: Option<u64>,
) -> Result<Vec<ChunkInfo>> {
    let before = before.and_then(|seq| i64::try_from(seq).ok()).unwrap_or(i64::MAX);
    let rows: Vec<ChunkRow> = chunks_of(id)
        .filter(service_tick_chunks::first_seq.lt(before))
        .filter(service_tick_chunks::from_ms.lt(window.to_ms))
        .filter(service_tick_chunks::to_ms.ge(window.from_ms))
        .order(service_tick_chunks::first_seq.desc())
        .select(ChunkRow::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(|row| row.info(id)).collect())
}

pub fn chunk_from(
    connection: &mut StoreConnection,
    id: ServiceId,
    seq: u64,
    window: Window,
) -> Result<Option<ChunkInfo>> {
    let seq = seq.cast_signed();
    let around: Option<ChunkRow> = chunks_of(id)
        .filter(service_tick_chunks::first_seq.le(seq))
        .order(service_tick_chunks::first_seq.desc())
        .select(ChunkRow::as_select())
        .first(connection)
        .optional()?;
    let around = around.map(|row| row.info(id));
    if let Some(chunk) = around.filter(|chunk| chunk.first_seq + chunk.tick_count > seq) {
        return Ok(Some(chunk));
    }
    let next: Option<ChunkRow> = chunks_of(id)
        .filter(service_tick_chunks::first_seq.gt(seq))
        .filter(service_tick_chunks::from_ms.lt(window.to_ms))
        .filter(service_tick_chunks::to_ms.ge(window.from_ms))
        .order(service_tick_chunks::first_seq.asc())
        .select(ChunkRow::as_select())
        .first(connection)
        .optional()?;
    Ok(next.map(|row| row.info(id)))
}

pub fn chunk_data(connection: &mut StoreConnection, chunk: &ChunkInfo) -> Result<Vec<u8>> {
    let data = chunks_of(chunk.service_id)
        .filter(service_tick_chunks::first_seq.eq(chunk.first_seq))
        .select(service_tick_chunks::data)
        .first(connection)?;
    Ok(data)
}
