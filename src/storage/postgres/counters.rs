//! Compares the counters in the tables with the rows that they count.

use super::connection::StoreConnection;
use crate::storage::port::Result;

pub fn check(connection: &mut StoreConnection) -> Result<Vec<String>> {
    todo!()
}
