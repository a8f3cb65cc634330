//! Reads of chunks, roll-ups, and the events as spans of time.

use std::collections::HashMap;

use super::connection::StoreConnection;
use super::store::PostgresStore;
use crate::domain::{ServiceId, Span, Window};
use crate::storage::history::rows::{ChunkInfo, Marks, Rollup, Sealing, UnsealedService};
use crate::storage::port::Result;

pub fn spans(
    connection: &mut StoreConnection,
    ids: &[ServiceId],
    window: Window,
) -> Result<HashMap<ServiceId, Vec<Span>>> {
    todo!()
}

pub fn first_unsealed_event(
    connection: &mut StoreConnection,
    id: ServiceId,
) -> Result<Option<i64>> {
    todo!()
}

pub fn newest_seq(connection: &mut StoreConnection, id: ServiceId) -> Result<u64> {
    todo!()
}

pub fn chunks(
    connection: &mut StoreConnection,
    id: ServiceId,
    window: Window,
    before: Option<u64>,
) -> Result<Vec<ChunkInfo>> {
    todo!()
}

pub fn chunk_from(
    connection: &mut StoreConnection,
    id: ServiceId,
    seq: u64,
    window: Window,
) -> Result<Option<ChunkInfo>> {
    todo!()
}

pub fn newest_chunks(
    connection: &mut StoreConnection,
    ids: &[ServiceId],
) -> Result<HashMap<ServiceId, ChunkInfo>> {
    todo!()
}

pub fn chunk_data(connection: &mut StoreConnection, chunk: &ChunkInfo) -> Result<Vec<u8>> {
    todo!()
}

pub fn rollups(
    connection: &mut StoreConnection,
    id: ServiceId,
    step_s: i32,
    window: Window,
) -> Result<Vec<Rollup>> {
    todo!()
}

pub fn rollup_starts(
    connection: &mut StoreConnection,
    id: ServiceId,
    step_s: i32,
    from_s: i64,
) -> Result<Vec<i64>> {
    todo!()
}

pub fn newest_rollup(
    connection: &mut StoreConnection,
    id: ServiceId,
    step_s: i32,
) -> Result<Option<i64>> {
    todo!()
}

/// The sealing in progress of this instance.
pub fn sealing(store: &mut PostgresStore) -> Result<Option<Sealing>> {
    todo!()
}

pub fn unsealed_services(
    connection: &mut StoreConnection,
    sealing: &Sealing,
    limit: usize,
) -> Result<Vec<UnsealedService>> {
    todo!()
}

pub fn marks(connection: &mut StoreConnection) -> Result<Marks> {
    todo!()
}
