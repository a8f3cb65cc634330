//! Values that the store does not have.

use crate::domain::ServiceId;

/// The values of the last result of a service. Each is a fact, or one of
/// [`OF_LAST_RESULT`](crate::domain::metric_names::OF_LAST_RESULT).
pub type Board<'a> = dyn Fn(ServiceId) -> Vec<BoardSample> + 'a;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoardSample {
    pub name: &'static str,
    /// A label that other samples of the service lack.
    pub label: Option<(&'static str, &'static str)>,
    pub at_ms: i64,
    pub value: f64,
}
