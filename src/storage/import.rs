//! Values of an import: history that another program has recorded.

use crate::domain::{Name, ServiceId, State, Target};

/// A service to be imported. Times are unix seconds.
#[derive(Debug, Clone, Copy)]
pub struct NewService<'a> {
    /// Its id in the other program.
    pub id: i64,
    pub name: &'a Name,
    pub target: &'a Target,
    pub created_at: Option<i64>,
    pub updated_at: Option<i64>,
    pub deleted_at: Option<i64>,
}

/// A service that was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedService {
    /// Its id in this store.
    pub id: ServiceId,
    /// Its name in this store.
    pub name: String,
    /// Unix seconds of its deletion.
    pub deleted_at: Option<i64>,
}

/// An event to be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedEvent {
    pub state: State,
    /// Unix milliseconds.
    pub started_ms: i64,
    /// Unix milliseconds; `None` while it is open.
    pub ended_ms: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}
