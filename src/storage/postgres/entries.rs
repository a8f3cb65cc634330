//! The stored states of services, for the ledger.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text};

use super::cold::facts::FactsRow;
use super::cold::rows::{EventRow, MetricRow};
use super::cold::services::{RecordRow, record_columns, records};
use super::connection::StoreConnection;
use super::schema::{service_events, services};
use super::statement::statement;
use crate::domain::{Event, ServiceId, Thresholds};
use crate::storage::batch::Entry;
use crate::storage::port::Result;

/// In the order of `ids`.
pub fn of(connection: &mut StoreConnection, ids: &[ServiceId]) -> Result<Vec<Entry>> {
    let wanted: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    let rows: Vec<RecordRow> = records()
        .filter(services::id.eq_any(wanted))
        .filter(services::deleted_at.is_null())
        .filter(services::enabled)
        .select(record_columns())
        .load(connection)?;
    let mut entries = HashMap::with_capacity(rows.len());
    for (service, metric, event) in rows {
        entries.insert(service.id, entry(service.thresholds(), metric, event)?);
    }
    let living: Vec<i64> = entries.keys().copied().collect();
    for row in (NewestFacts { service_id: &living }).load::<FactsRow>(connection)? {
        let since = row.since()?;
        entries.entry(row.service_id).and_modify(|entry| entry.facts = Some(since));
    }
    // Another program may have deleted the metric of a service with events, or its reference.
    let eventless = entries.iter().filter(|(_, entry)| entry.latest_event_id.is_none());
    let eventless: Vec<i64> = eventless.map(|(id, _)| *id).collect();
    if !eventless.is_empty() {
        let open: Vec<(i64, i64)> = service_events::table
            .filter(service_events::service_id.eq_any(eventless))
            .filter(service_events::date_ended_ms.is_null())
            .select((service_events::service_id, service_events::id))
            .load(connection)?;
        for (id, event_id) in open {
            entries.entry(id).and_modify(|entry| entry.latest_event_id = Some(event_id));
        }
    }
    Ok(ids.iter().map(|id| entries.get(&id.get()).copied().unwrap_or_default()).collect())
}

statement!(
    NewestFacts { service_id: Array<BigInt> = [i64] } -> (
        BigInt, BigInt, Nullable<BigInt>, Nullable<Text>, Nullable<Text>, Integer,
        Nullable<Integer>
    ),
    "SELECT u.service_id, f.at_ms, f.certificate_expires_at, f.tls_version, f.http_version, \
            f.redirects, f.ip_version \
        FROM unnest(?) u(service_id) \
        CROSS JOIN LATERAL ( \
            SELECT * FROM service_facts WHERE service_id = u.service_id \
            ORDER BY at_ms DESC, id DESC LIMIT 1) f"
);

fn entry(
    thresholds: Thresholds,
    metric: Option<MetricRow>,
    event: Option<EventRow>,
) -> Result<Entry> {
    let event = event.map(EventRow::event).transpose()?;
    let latest = event.as_ref().map(Event::latest);
    Ok(Entry {
        is_watched: true,
        has_metric: metric.is_some(),
        thresholds,
        latest_event_id: event.map(|event| event.id),
        runs: metric.as_ref().map(MetricRow::runs).unwrap_or_default(),
        unwatched_from_ms: metric.as_ref().and_then(|metric| metric.unwatched_from_ms),
        tally: metric.map(|metric| metric.tally(latest)).unwrap_or_default(),
        ..Entry::default()
    })
}
