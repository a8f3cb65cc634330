//! Fresh ticks: those that are not sealed, a range of the key of `service_ticks`.

use std::collections::HashMap;

use super::connection::StoreConnection;
use super::store::PostgresStore;
use crate::domain::{ServiceId, StoredTick};
use crate::storage::batch::Extent;
use crate::storage::history::rows::{Backlog, Sealing, UnsealedTick};
use crate::storage::port::{EachTick, Result};

pub fn extent(store: &mut PostgresStore) -> Result<Extent> {
    todo!()
}

pub fn backlog(connection: &mut StoreConnection, sealing: &Sealing) -> Result<Backlog> {
    todo!()
}

/// The fresh ticks of a service, newest first.
pub fn newest_first(
    connection: &mut StoreConnection,
    id: ServiceId,
    each: &mut EachTick<'_, StoredTick>,
) -> Result<()> {
    todo!()
}

pub fn unsealed(
    connection: &mut StoreConnection,
    sealing: &Sealing,
    limit: usize,
    each: &mut EachTick<'_, UnsealedTick>,
) -> Result<()> {
    todo!()
}

pub fn counts(connection: &mut StoreConnection) -> Result<HashMap<ServiceId, u64>> {
    todo!()
}
