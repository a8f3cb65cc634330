//! Deletes what is too old.

use super::connection::StoreConnection;
use crate::storage::port::{Expired, Result};

pub fn expire_chunks(connection: &mut StoreConnection, cutoff_ms: i64, limit: u32) -> Result<bool> {
    todo!()
}

pub fn next_service(connection: &mut StoreConnection, after: i64) -> Result<Option<i64>> {
    todo!()
}

pub fn expire_service(
    connection: &mut StoreConnection,
    service_id: i64,
    cutoff_ms: i64,
    limit: u32,
) -> Result<Expired> {
    todo!()
}
