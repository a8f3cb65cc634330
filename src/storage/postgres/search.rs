//! Searches in names and URLs.

use super::cold::services::Condition;
use super::connection::StoreConnection;
use crate::storage::port::Result;

/// The services with a text in their name, or in the shown part of their URL.
pub struct Found {}

impl Found {
    pub fn of(connection: &mut StoreConnection, part: &str) -> Result<Self> {
        todo!()
    }

    pub fn condition(&self) -> Condition {
        todo!()
    }
}
