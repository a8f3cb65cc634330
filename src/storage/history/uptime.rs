//! Uptime over any window, from the events alone: shares of time, not of ticks.

use std::collections::HashMap;

use crate::domain::access::GroupLimit;
use crate::domain::history::timeline;
use crate::domain::{
    Counting, Page, PageRequest, Planned, ServiceId, Span, Totals, Uptime, Window,
};
use crate::storage::error::StorageError;
use crate::storage::port::{Query, RollupRead, StoreRead, snapshot};

/// The events of one service that overlap `window`, oldest first.
pub fn spans(
    rows: &mut dyn RollupRead,
    id: ServiceId,
    window: Window,
) -> Result<Vec<Span>, StorageError> {
    Ok(rows.spans(&[id], window)?.remove(&id).unwrap_or_default())
}

/// The maintenance of one service within `window`.
pub fn planned(
    rows: &mut dyn StoreRead,
    id: ServiceId,
    window: Window,
) -> Result<Planned, StorageError> {
    Ok(rows.planned(&[id], window)?.remove(&id).unwrap_or_default())
}

/// Time in each state within `window`, whatever was planned.
pub fn totals_of(spans: &[Span], window: Window) -> Totals {
    totals_with(spans, Planned::NONE, window)
}

/// Time in each category within `window`. Of `spans`, which are ordered, only those that overlap it
/// are read.
pub fn totals_with(spans: &[Span], planned: &Planned, window: Window) -> Totals {
    let before = |at_ms: i64| spans.partition_point(|span| span.from_ms < at_ms);
    let first = before(window.from_ms).saturating_sub(1);
    let last = before(window.to_ms);
    timeline::totals(&spans[first..last.max(first)], planned, window.from_ms, window.to_ms)
}

/// Query: the events and the maintenance within `window` of each of these services, living or not.
#[derive(Debug, Clone)]
pub struct GetSpans {
    pub ids: Vec<ServiceId>,
    pub window: Window,
}

/// The times of one service within a window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceSpans {
    /// Those that overlap the window, oldest first.
    pub events: Vec<Span>,
    pub planned: Planned,
}

impl Query for GetSpans {
    type Answer = HashMap<ServiceId, ServiceSpans>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Self::Answer, StorageError> {
        snapshot(rows, |rows| {
            let mut planned = rows.planned(&self.ids, self.window)?;
            let events = rows.spans(&self.ids, self.window)?.into_iter();
            let with_planned = events.map(|(id, events)| {
                let planned = planned.remove(&id).unwrap_or_default();
                (id, ServiceSpans { events, planned })
            });
            Ok(with_planned.collect())
        })
    }
}

/// Query: the uptime of one living service.
#[derive(Debug, Clone, Copy)]
pub struct GetUptime {
    pub service_id: ServiceId,
    pub window: Window,
    pub counting: Counting,
}

impl Query for GetUptime {
    type Answer = Uptime;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Uptime, StorageError> {
        snapshot(rows, |rows| {
            rows.require_service(self.service_id)?;
            let Window { from_ms, to_ms } = self.window;
            let spans = spans(rows, self.service_id, self.window)?;
            let planned = planned(rows, self.service_id, self.window)?;
            Ok(timeline::uptime(&spans, &planned, (from_ms, to_ms), self.counting))
        })
    }
}

/// Query: time in each category of one living service, for each of several windows.
#[derive(Debug, Clone)]
pub struct GetTotals {
    pub service_id: ServiceId,
    pub windows: Vec<Window>,
}

impl Query for GetTotals {
    type Answer = Vec<Totals>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Vec<Totals>, StorageError> {
        snapshot(rows, |rows| {
            rows.require_service(self.service_id)?;
            let from_ms = self.windows.iter().map(|window| window.from_ms).min();
            let to_ms = self.windows.iter().map(|window| window.to_ms).max();
            let (Some(from_ms), Some(to_ms)) = (from_ms, to_ms) else { return Ok(Vec::new()) };
            let spans = spans(rows, self.service_id, Window { from_ms, to_ms })?;
            let planned = planned(rows, self.service_id, Window { from_ms, to_ms })?;
            let totals = self.windows.iter().map(|window| totals_with(&spans, &planned, *window));
            Ok(totals.collect())
        })
    }
}

/// Query: the uptime of each living service, by id.
#[derive(Debug, Clone)]
pub struct ListUptime {
    pub window: Window,
    pub counting: Counting,
    /// The groups that the caller sees.
    pub groups: GroupLimit,
    pub page: PageRequest,
}

/// An item of [`ListUptime`].
#[derive(Debug, Clone)]
pub struct ServiceUptime {
    pub id: ServiceId,
    pub name: String,
    pub group: Option<String>,
    pub uptime: Uptime,
}

impl Query for ListUptime {
    type Answer = Page<ServiceUptime>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Page<ServiceUptime>, StorageError> {
        snapshot(rows, |rows| {
            let Page { items, total } = rows.named_services(Some(self.page), &self.groups)?;
            let ids: Vec<ServiceId> = items.iter().map(|service| service.id).collect();
            let mut spans = rows.spans(&ids, self.window)?;
            let mut planned = rows.planned(&ids, self.window)?;
            let Window { from_ms, to_ms } = self.window;
            let items = items.into_iter().map(|service| {
                let spans = spans.remove(&service.id).unwrap_or_default();
                let planned = planned.remove(&service.id).unwrap_or_default();
                let uptime = timeline::uptime(&spans, &planned, (from_ms, to_ms), self.counting);
                ServiceUptime { id: service.id, name: service.name, group: service.group, uptime }
            });
            Ok(Page { items: items.collect(), total })
        })
    }
}
