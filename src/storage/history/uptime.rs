//! Uptime over any window, from the events alone: shares of time, not of ticks.

use crate::domain::history::timeline;
use crate::domain::{Page, PageRequest, ServiceId, Span, Totals, UnknownAs, Uptime, Window};
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

/// Time in each state within `window`. Of `spans`, which are ordered, only those that overlap it
/// are read.
pub fn totals_of(spans: &[Span], window: Window) -> Totals {
    let before = |at_ms: i64| spans.partition_point(|span| span.from_ms < at_ms);
    let first = before(window.from_ms).saturating_sub(1);
    let last = before(window.to_ms);
    timeline::totals(&spans[first..last.max(first)], window.from_ms, window.to_ms)
}

/// Query: the uptime of one living service.
#[derive(Debug, Clone, Copy)]
pub struct GetUptime {
    pub service_id: ServiceId,
    pub window: Window,
    pub unknown: UnknownAs,
}

impl Query for GetUptime {
    type Answer = Uptime;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Uptime, StorageError> {
        snapshot(rows, |rows| {
            rows.require_service(self.service_id)?;
            let spans = spans(rows, self.service_id, self.window)?;
            Ok(timeline::uptime(&spans, self.window.from_ms, self.window.to_ms, self.unknown))
        })
    }
}

/// Query: time in each state of one living service, for each of several windows.
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
            Ok(self.windows.iter().map(|window| totals_of(&spans, *window)).collect())
        })
    }
}

/// Query: the uptime of each living service, by id.
#[derive(Debug, Clone, Copy)]
pub struct ListUptime {
    pub window: Window,
    pub unknown: UnknownAs,
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
            let Page { items, total } = rows.named_services(Some(self.page))?;
            let ids: Vec<ServiceId> = items.iter().map(|service| service.id).collect();
            let mut spans = rows.spans(&ids, self.window)?;
            let Window { from_ms, to_ms } = self.window;
            let items = items.into_iter().map(|service| {
                let spans = spans.remove(&service.id).unwrap_or_default();
                let uptime = timeline::uptime(&spans, from_ms, to_ms, self.unknown);
                ServiceUptime { id: service.id, name: service.name, group: service.group, uptime }
            });
            Ok(Page { items: items.collect(), total })
        })
    }
}
