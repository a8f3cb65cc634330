//! A row of the audit.

use serde_json::{Map, Value};

use crate::domain::audit::action::{Action, ObjectKind};
use crate::domain::audit::differences::Differences;
use crate::domain::audit::source::AuditSource;

/// What a change is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub kind: ObjectKind,
    pub id: Option<i64>,
    /// At the time of the change.
    pub name: Option<String>,
}

impl Object {
    pub fn new(kind: ObjectKind, id: i64, name: impl Into<String>) -> Self {
        Self { kind, id: Some(id), name: Some(name.into()) }
    }
}

/// A change to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Unix milliseconds.
    pub at_ms: i64,
    pub source: AuditSource,
    pub action: Action,
    pub object: Object,
    pub differences: Differences,
}

/// A change as it was written. Words of an older or newer version of the program are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    pub id: i64,
    /// Unix milliseconds.
    pub at_ms: i64,
    pub actor: String,
    pub token_id: Option<i64>,
    pub address: Option<String>,
    pub action: String,
    pub object: String,
    pub object_id: Option<i64>,
    pub object_name: Option<String>,
    /// The fields that differ, before the change.
    pub before: Option<Map<String, Value>>,
    /// The fields that differ, after it.
    pub after: Option<Map<String, Value>>,
}
