//! The audit as it crosses the storage port.

pub mod fields;
pub mod port;
mod query;

use crate::domain::{ServiceId, Window};

/// Query: the changes that match every filter, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListAudit {
    pub window: Window,
    pub actor: Option<String>,
    /// A word of [`Action`](crate::domain::audit::Action).
    pub action: Option<&'static str>,
    /// Also one that was deleted.
    pub service_id: Option<ServiceId>,
    /// Only changes with a smaller id.
    pub before_id: Option<i64>,
    pub limit: u32,
}
