//! The audit.

use diesel::prelude::*;
use serde_json::{Map, Value};

use super::alerting::values::{Source, json, plain, plain_of};
use super::schema::audit;
use super::{Backend, StoreConnection};
use crate::domain::audit::{
    Action, AuditEntry, AuditRecord, AuditSource, Differences, Fields, Object, ObjectKind,
};
use crate::storage::audit::ListAudit;
use crate::storage::port::Result;

/// Rows of one statement. PostgreSQL takes 65,535 parameters, SQLite 32,766, and a row has ten.
pub const ROWS: usize = 1_000;

/// Who makes the changes of a transaction, and when.
#[derive(Clone, Copy)]
pub struct Audit<'a> {
    pub source: &'a AuditSource,
    /// Unix milliseconds.
    pub now_ms: i64,
}

impl Audit<'_> {
    pub fn entry(
        self,
        action: Action,
        object: Object,
        before: Option<&Fields>,
        after: Option<&Fields>,
    ) -> AuditEntry {
        AuditEntry {
            at_ms: self.now_ms,
            source: self.source.clone(),
            action,
            object,
            differences: Differences::between(before, after),
        }
    }

    /// Writes the row of a change, unless nothing differs. Part of the caller's transaction, which
    /// is that of the change.
    pub fn record(
        self,
        connection: &mut StoreConnection,
        action: Action,
        object: Object,
        before: Option<&Fields>,
        after: Option<&Fields>,
    ) -> Result<()> {
        let entry = self.entry(action, object, before, after);
        if entry.differences.is_none() { Ok(()) } else { write(connection, &[entry]) }
    }
}

/// Part of the caller's transaction.
pub fn write(connection: &mut StoreConnection, entries: &[AuditEntry]) -> Result<()> {
    fail::fail_point!("audit");
    for part in entries.chunks(ROWS) {
        let rows: Vec<NewAuditRow> = part.iter().map(NewAuditRow::new).collect();
        diesel::insert_into(audit::table).values(rows).execute(connection)?;
    }
    Ok(())
}

/// As [`write()`], for changes that may be written a second time: the same change of the same
/// object at the same moment has one row.
pub fn write_once(connection: &mut StoreConnection, entries: &[AuditEntry]) -> Result<()> {
    for entry in entries {
        let same = audit::table
            .filter(audit::object.eq(entry.object.kind.as_str()))
            .filter(audit::object_id.eq(entry.object.id))
            .filter(audit::action.eq(entry.action.as_str()))
            .filter(audit::at_ms.eq(entry.at_ms));
        let count: i64 = same.count().get_result(connection)?;
        if count == 0 {
            write(connection, std::slice::from_ref(entry))?;
        }
    }
    Ok(())
}

pub fn list(connection: &mut StoreConnection, list: &ListAudit) -> Result<Vec<AuditRecord>> {
    let ListAudit { window, actor, action, service_id, before_id, limit } = list;
    let within = audit::at_ms.ge(window.from_ms).and(audit::at_ms.lt(window.to_ms));
    let mut query = audit::table.filter(within).into_boxed::<Backend>();
    if let Some(actor) = actor {
        query = query.filter(audit::actor.eq(plain(actor)));
    }
    if let Some(action) = action {
        query = query.filter(audit::action.eq(*action));
    }
    if let Some(id) = service_id {
        let of_service = audit::object.eq(ObjectKind::Service.as_str());
        query = query.filter(of_service.and(audit::object_id.eq(id.get())));
    }
    if let Some(id) = before_id {
        query = query.filter(audit::id.lt(*id));
    }
    let rows: Vec<AuditRow> = query
        .order(audit::id.desc())
        .limit(i64::from(*limit))
        .select(AuditRow::as_select())
        .load(connection)?;
    rows.into_iter().map(AuditRow::record).collect()
}

/// Part of the caller's transaction.
pub fn expire(connection: &mut StoreConnection, cutoff_ms: i64, limit: u32) -> Result<bool> {
    let old: Vec<i64> = audit::table
        .filter(audit::at_ms.lt(cutoff_ms))
        .order(audit::at_ms)
        .limit(i64::from(limit))
        .select(audit::id)
        .load(connection)?;
    if !old.is_empty() {
        diesel::delete(audit::table.filter(audit::id.eq_any(&old))).execute(connection)?;
    }
    Ok(old.len() == limit as usize)
}

/// The columns of `audit` but for the id.
#[derive(Insertable)]
#[diesel(table_name = audit)]
struct NewAuditRow {
    at_ms: i64,
    actor: String,
    token_id: Option<i64>,
    address: Option<String>,
    action: &'static str,
    object: &'static str,
    object_id: Option<i64>,
    object_name: Option<String>,
    before: Option<String>,
    after: Option<String>,
}

impl NewAuditRow {
    fn new(entry: &AuditEntry) -> Self {
        let AuditEntry { at_ms, source, action, object, differences } = entry;
        Self {
            at_ms: *at_ms,
            actor: plain(&source.actor.to_string()),
            token_id: source.actor.token_id(),
            address: source.address.map(|address| address.to_string()),
            action: action.as_str(),
            object: object.kind.as_str(),
            object_id: object.id,
            object_name: plain_of(object.name.as_ref()),
            before: differences.before.as_ref().map(json),
            after: differences.after.as_ref().map(json),
        }
    }
}

/// A row of `audit`.
#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = audit, check_for_backend(Backend))]
pub struct AuditRow {
    pub id: i64,
    at_ms: i64,
    actor: String,
    token_id: Option<i64>,
    address: Option<String>,
    action: String,
    object: String,
    object_id: Option<i64>,
    object_name: Option<String>,
    before: Option<String>,
    after: Option<String>,
}

impl AuditRow {
    pub fn record(self) -> Result<AuditRecord> {
        let source = Source("audit", self.id);
        let fields = |column, text: Option<String>| -> Result<Option<Map<String, Value>>> {
            text.map(|text| source.json(column, &text)).transpose()
        };
        Ok(AuditRecord {
            id: self.id,
            at_ms: self.at_ms,
            before: fields("before", self.before)?,
            after: fields("after", self.after)?,
            actor: self.actor,
            token_id: self.token_id,
            address: self.address,
            action: self.action,
            object: self.object,
            object_id: self.object_id,
            object_name: self.object_name,
        })
    }
}

impl From<AuditRecord> for AuditRow {
    fn from(record: AuditRecord) -> Self {
        Self {
            id: record.id,
            at_ms: record.at_ms,
            actor: record.actor,
            token_id: record.token_id,
            address: record.address,
            action: record.action,
            object: record.object,
            object_id: record.object_id,
            object_name: record.object_name,
            before: record.before.as_ref().map(json),
            after: record.after.as_ref().map(json),
        }
    }
}
