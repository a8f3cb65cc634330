//! Values that the store does not have.

use std::collections::HashMap;

use crate::domain::ServiceId;

/// Values of the last results, which the store does not have.
pub type Board = HashMap<ServiceId, Vec<BoardSample>>;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoardSample {
    pub name: &'static str,
    /// A label that other samples of the service lack.
    pub label: Option<(&'static str, &'static str)>,
    pub at_ms: i64,
    pub value: f64,
}
