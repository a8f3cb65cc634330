//! Number of rows and bytes.

use super::connection::StoreConnection;
use crate::storage::port::Result;
use crate::storage::records::Usage;

pub fn usage(connection: &mut StoreConnection) -> Result<Usage> {
    todo!()
}
