//! The audit: changes and who made them.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::views::ticks::CursorPagination;
use crate::domain::audit::AuditRecord;

/// `data` of a response with changes.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditData {
    pub audit: Changes,
}

/// A page of changes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditChanges)]
pub struct Changes {
    /// The changes, newest first.
    data: Vec<Change>,
    pagination: CursorPagination,
}

/// A change and who made it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditChange)]
pub struct Change {
    /// Id of the change; a later change has a greater one.
    id: i64,
    /// Unix seconds.
    date: i64,
    /// Unix milliseconds.
    date_ms: i64,
    /// `token NAME`, `API_TOKEN`, `this machine` (a client on it, without a token), `file` (the
    /// services file) or `command` (a command of this program).
    #[schema(example = "token deploy")]
    actor: String,
    /// Id of the token; null for other actors.
    #[schema(required = true)]
    token_id: Option<i64>,
    /// Address of the client; null for changes that no request made.
    #[schema(required = true, example = "192.0.2.7")]
    address: Option<String>,
    /// What the change did.
    #[schema(example = "service.update")]
    action: String,
    /// What it changed.
    object: ChangedObject,
    /// The fields that differ, before the change; null for what did not exist. Secrets are masked.
    #[schema(required = true, value_type = Option<Object>, example = json!({"enabled": true}))]
    before: Option<Map<String, Value>>,
    /// The fields that differ, after the change; null for what does not exist any more. Secrets
    /// are masked, and a changed one is `changed`.
    #[schema(required = true, value_type = Option<Object>, example = json!({"enabled": false}))]
    after: Option<Map<String, Value>>,
}

/// What a change is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedObject {
    /// `service`, `channel`, `policy`, `silence`, `maintenance`, `alert`, `token`, `session` or
    /// `store`.
    #[schema(example = "service")]
    kind: String,
    /// Its id; null for the store.
    #[schema(required = true)]
    id: Option<i64>,
    /// Its name at the time of the change; null without one.
    #[schema(required = true, example = "payment-gateway")]
    name: Option<String>,
}

impl Changes {
    /// A page of at most `limit` of the `records`, which have one more when there is a next page.
    pub fn new(limit: usize, mut records: Vec<AuditRecord>) -> Self {
        let is_more = records.len() > limit;
        records.truncate(limit);
        let next_cursor = records.last().filter(|_| is_more).map(|last| last.id.to_string());
        let data = records.into_iter().map(Change::new).collect();
        Self { data, pagination: CursorPagination::new(limit, next_cursor) }
    }
}

impl Change {
    fn new(record: AuditRecord) -> Self {
        Self {
            id: record.id,
            date: record.at_ms.div_euclid(1_000),
            date_ms: record.at_ms,
            actor: record.actor,
            token_id: record.token_id,
            address: record.address,
            action: record.action,
            object: ChangedObject {
                kind: record.object,
                id: record.object_id,
                name: record.object_name,
            },
            before: record.before,
            after: record.after,
        }
    }
}
