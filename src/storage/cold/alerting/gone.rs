//! Signals about services that are paused or removed.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::StoreConnection;
use super::alert_rows::{IsOpen, NewSignalRow};
use super::schema::{alert_signals, alerts};
use super::settle::ROWS;
use crate::domain::ServiceId;
use crate::domain::alert::{AlertKind, Edge, EndCause, Facts};
use crate::storage::batch::NewSignal;
use crate::storage::port::Result;

/// Signals [`Edge::Gone`] for each open alert of the services, and for each alert that a signal may
/// still begin. The reason in the facts is the word of `cause`. Part of the caller's transaction.
pub fn signal(
    connection: &mut StoreConnection,
    services: &[ServiceId],
    cause: EndCause,
    now_ms: i64,
) -> Result<()> {
    let ids: Vec<i64> = services.iter().map(|id| id.get()).collect();
    let mut gone = BTreeSet::new();
    for part in ids.chunks(ROWS) {
        let open: Vec<(Option<i64>, String)> = alerts::table
            .filter(alerts::service_id.eq_any(part))
            .filter(IsOpen::new(alerts::state))
            .select((alerts::service_id, alerts::kind))
            .load(connection)?;
        gone.extend(open.into_iter().filter_map(|(id, kind)| Some((id?, kind))));
        let begun: Vec<(i64, String)> = alert_signals::table
            .filter(alert_signals::service_id.eq_any(part))
            .filter(alert_signals::edge.eq(Edge::Begin.as_str()))
            .select((alert_signals::service_id, alert_signals::kind))
            .load(connection)?;
        gone.extend(begun);
    }
    let facts = Facts { reason: cause.as_str().to_owned(), ..Facts::default() };
    let signals = gone.into_iter().filter_map(|(id, kind)| {
        Some(NewSignalRow::from(&NewSignal {
            service_id: ServiceId::new(id)?,
            kind: AlertKind::from_word(&kind)?,
            edge: Edge::Gone,
            count: 0,
            at_ms: now_ms,
            since_ms: now_ms,
            facts: facts.clone(),
        }))
    });
    let signals: Vec<NewSignalRow> = signals.collect();
    for part in signals.chunks(ROWS) {
        diesel::insert_into(alert_signals::table).values(part).execute(connection)?;
    }
    Ok(())
}
