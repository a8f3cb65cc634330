//! Uptime over any window, from the events alone: time, not ticks.

use std::collections::HashMap;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::must_live;
use crate::domain::Window;
use crate::domain::history::timeline;
use crate::domain::history::timeline::{Span, Totals, UnknownAs, Uptime};
use crate::domain::{Page, PageRequest};
use crate::domain::{ServiceId, State};
use crate::storage::StorageError;
use crate::storage::reader::Query;
use crate::storage::schema::{service_events, services};

type SpanRow = (i64, String, i64, Option<i64>);

/// The events of a service that touch `window`, oldest first.
pub fn spans(
    connection: &mut SqliteConnection,
    id: ServiceId,
    window: Window,
) -> Result<Vec<Span>, StorageError> {
    let mut all = spans_of(connection, &[id.get()], window)?;
    Ok(all.remove(&id.get()).unwrap_or_default())
}

/// The events of each service that touch `window`, oldest first. They do not overlap, so all but the first begin in it.
fn spans_of(
    connection: &mut SqliteConnection,
    ids: &[i64],
    window: Window,
) -> Result<HashMap<i64, Vec<Span>>, StorageError> {
    let mut all: HashMap<i64, Vec<Span>> = HashMap::with_capacity(ids.len());
    for &id in ids {
        let of_service = service_events::table.filter(service_events::service_id.eq(id));
        let first: Option<i64> = of_service
            .filter(service_events::date_started_ms.le(window.from_ms))
            .select(diesel::dsl::max(service_events::date_started_ms))
            .first(connection)?;
        let rows = of_service
            .filter(service_events::date_started_ms.ge(first.unwrap_or(window.from_ms)))
            .filter(service_events::date_started_ms.lt(window.to_ms))
            .order((service_events::date_started_ms, service_events::id))
            .select((
                service_events::id,
                service_events::event,
                service_events::date_started_ms,
                service_events::date_ended_ms,
            ))
            .load_iter::<SpanRow, DefaultLoadingMode>(connection)?;
        let spans = all.entry(id).or_default();
        for row in rows {
            let (event_id, event, from_ms, to_ms) = row?;
            let state = State::from_event(&event).ok_or_else(|| {
                StorageError::Unreadable(format!("service_events, id {event_id}, event: {event}"))
            })?;
            spans.push(Span { state, from_ms, to_ms });
        }
    }
    Ok(all)
}

/// The uptime of one living service.
#[derive(Debug, Clone, Copy)]
pub struct GetUptime {
    /// Whose.
    pub service_id: ServiceId,
    /// When.
    pub window: Window,
    /// What unknown time counts as.
    pub unknown: UnknownAs,
}

impl Query for GetUptime {
    type Answer = Uptime;

    fn run(self, connection: &mut SqliteConnection) -> Result<Self::Answer, StorageError> {
        connection.transaction(|connection| {
            must_live(connection, self.service_id)?;
            let spans = spans(connection, self.service_id, self.window)?;
            Ok(timeline::uptime(&spans, self.window.from_ms, self.window.to_ms, self.unknown))
        })
    }
}

/// The times of a service in several windows at once.
#[derive(Debug, Clone)]
pub struct GetTotals {
    /// Whose.
    pub service_id: ServiceId,
    /// When.
    pub windows: Vec<Window>,
}

impl Query for GetTotals {
    type Answer = Vec<Totals>;

    fn run(self, connection: &mut SqliteConnection) -> Result<Self::Answer, StorageError> {
        connection.transaction(|connection| {
            must_live(connection, self.service_id)?;
            let from_ms = self.windows.iter().map(|window| window.from_ms).min();
            let to_ms = self.windows.iter().map(|window| window.to_ms).max();
            let (Some(from_ms), Some(to_ms)) = (from_ms, to_ms) else { return Ok(Vec::new()) };
            let spans = spans(connection, self.service_id, Window { from_ms, to_ms })?;
            Ok(self.windows.iter().map(|window| totals_of(&spans, *window)).collect())
        })
    }
}

/// The times in `window`, of which only the spans that touch it are looked at.
pub(super) fn totals_of(spans: &[Span], window: Window) -> Totals {
    let behind = |at_ms: i64| spans.partition_point(|span| span.from_ms < at_ms);
    let first = behind(window.from_ms).saturating_sub(1);
    let last = behind(window.to_ms);
    timeline::totals(&spans[first..last.max(first)], window.from_ms, window.to_ms)
}

/// The uptime of every living service, by id.
#[derive(Debug, Clone, Copy)]
pub struct ListUptime {
    /// When.
    pub window: Window,
    /// What unknown time counts as.
    pub unknown: UnknownAs,
    /// Which page.
    pub page: PageRequest,
}

/// A line of [`ListUptime`].
#[derive(Debug, Clone)]
pub struct ServiceUptime {
    /// Key of the service.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: Option<String>,
    /// Its uptime.
    pub uptime: Uptime,
}

impl Query for ListUptime {
    type Answer = Page<ServiceUptime>;

    fn run(self, connection: &mut SqliteConnection) -> Result<Self::Answer, StorageError> {
        connection.transaction(|connection| {
            let living = || services::table.filter(services::deleted_at.is_null());
            let total: i64 = living().count().get_result(connection)?;
            let rows: Vec<(i64, String, Option<String>)> = living()
                .order(services::id)
                .limit(self.page.limit.into())
                .offset(self.page.offset())
                .select((services::id, services::name, services::group_name))
                .load(connection)?;
            let ids: Vec<i64> = rows.iter().map(|(id, ..)| *id).collect();
            let mut spans = spans_of(connection, &ids, self.window)?;
            let Window { from_ms, to_ms } = self.window;
            let items = rows.into_iter().map(|(id, name, group)| {
                let spans = spans.remove(&id).unwrap_or_default();
                let uptime = timeline::uptime(&spans, from_ms, to_ms, self.unknown);
                ServiceUptime { id, name, group, uptime }
            });
            Ok(Page { items: items.collect(), total: total.cast_unsigned() })
        })
    }
}
