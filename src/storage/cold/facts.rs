//! Rows of facts.

use std::collections::HashMap;

use diesel::prelude::*;

use super::first_row::FirstRow;
use super::schema::service_facts;
use super::{Backend, StoreConnection};
use crate::domain::history::facts::{FactsSince, ProbeFacts};
use crate::domain::service::options::{HttpVersion, TlsVersion};
use crate::domain::{ServiceId, Window};
use crate::storage::batch::NewFacts;
use crate::storage::error::StorageError;
use crate::storage::port::Result;

/// Services of one statement.
const IDS: usize = 500;

/// A row of `service_facts`, but for its id.
#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = service_facts, check_for_backend(Backend))]
pub struct FactsRow {
    pub service_id: i64,
    pub at_ms: i64,
    pub certificate_expires_at: Option<i64>,
    pub tls_version: Option<String>,
    pub http_version: Option<String>,
    pub redirects: i32,
    pub ip_version: Option<i32>,
}

impl From<&NewFacts> for FactsRow {
    fn from(new: &NewFacts) -> Self {
        let NewFacts { service_id, since: FactsSince { at_ms, facts } } = *new;
        Self {
            service_id: service_id.get(),
            at_ms,
            certificate_expires_at: facts.certificate_expires_at,
            tls_version: facts.tls_version.map(|version| version.as_str().to_owned()),
            http_version: facts.http_version.map(|version| version.as_str().to_owned()),
            redirects: facts.redirects.into(),
            ip_version: facts.is_ipv6.map(|is_ipv6| if is_ipv6 { 6 } else { 4 }),
        }
    }
}

impl FactsRow {
    pub fn new_facts(&self) -> Result<NewFacts> {
        let service_id = ServiceId::new(self.service_id).ok_or_else(|| {
            StorageError::Unreadable(format!("service_facts, service_id {}", self.service_id))
        })?;
        Ok(NewFacts { service_id, since: self.since()? })
    }

    pub fn since(&self) -> Result<FactsSince> {
        let unreadable = |column: &str| {
            let Self { service_id, at_ms, .. } = self;
            StorageError::Unreadable(format!("service_facts ({service_id}, {at_ms}): {column}"))
        };
        let tls_version = self
            .tls_version
            .as_deref()
            .map(|word| TlsVersion::parse(word).ok_or_else(|| unreadable("tls_version")));
        let http_version = self
            .http_version
            .as_deref()
            .map(|word| HttpVersion::parse(word).ok_or_else(|| unreadable("http_version")));
        let facts = ProbeFacts {
            certificate_expires_at: self.certificate_expires_at,
            tls_version: tls_version.transpose()?,
            http_version: http_version.transpose()?,
            redirects: u16::try_from(self.redirects).map_err(|_| unreadable("redirects"))?,
            is_ipv6: self.ip_version.map(|version| version == 6),
        };
        Ok(FactsSince { at_ms: self.at_ms, facts })
    }
}

/// The facts that hold at some time of `window`, by service, oldest first.
pub fn facts(
    connection: &mut StoreConnection,
    ids: &[ServiceId],
    window: Window,
) -> Result<HashMap<ServiceId, Vec<FactsSince>>> {
    let mut all: HashMap<ServiceId, Vec<FactsSince>> = HashMap::with_capacity(ids.len());
    for id in ids {
        all.insert(*id, newest(connection, *id, window.from_ms)?.into_iter().collect());
    }
    for ids in ids.chunks(IDS) {
        let wanted: Vec<i64> = ids.iter().map(|id| id.get()).collect();
        let rows: Vec<FactsRow> = service_facts::table
            .filter(service_facts::service_id.eq_any(wanted))
            .filter(service_facts::at_ms.gt(window.from_ms))
            .filter(service_facts::at_ms.lt(window.to_ms))
            .order((service_facts::service_id, service_facts::at_ms, service_facts::id))
            .select(FactsRow::as_select())
            .load(connection)?;
        for row in &rows {
            let of_service = ServiceId::new(row.service_id).and_then(|id| all.get_mut(&id));
            if let Some(of_service) = of_service {
                of_service.push(row.since()?);
            }
        }
    }
    Ok(all)
}

/// The newest facts of a service up to `to_ms`.
pub fn newest(
    connection: &mut StoreConnection,
    id: ServiceId,
    to_ms: i64,
) -> Result<Option<FactsSince>> {
    let newest_first = service_facts::table
        .filter(service_facts::service_id.eq(id.get()))
        .filter(service_facts::at_ms.le(to_ms))
        .order((service_facts::at_ms.desc(), service_facts::id.desc()))
        .select(FactsRow::as_select());
    let row: Option<FactsRow> = FirstRow(newest_first).get_result(connection).optional()?;
    row.as_ref().map(FactsRow::since).transpose()
}

/// Deletes at most `limit` facts of a service that no longer hold at `cutoff_ms`. Returns their
/// number.
pub fn expire(
    connection: &mut StoreConnection,
    service_id: i64,
    cutoff_ms: i64,
    limit: u32,
) -> Result<usize> {
    let holding: Option<i64> = service_facts::table
        .filter(service_facts::service_id.eq(service_id))
        .filter(service_facts::at_ms.le(cutoff_ms))
        .select(diesel::dsl::max(service_facts::at_ms))
        .first(connection)?;
    let Some(holding_ms) = holding else { return Ok(0) };
    let old: Vec<i64> = service_facts::table
        .filter(service_facts::service_id.eq(service_id))
        .filter(service_facts::at_ms.lt(holding_ms))
        .limit(limit.into())
        .select(service_facts::id)
        .load(connection)?;
    if old.is_empty() {
        return Ok(0);
    }
    let old = service_facts::table.filter(service_facts::id.eq_any(old));
    Ok(diesel::delete(old).execute(connection)?)
}
