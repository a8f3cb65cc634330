//! Records as facts of pages.

use std::collections::HashMap;

use futures_util::future::try_join;

use crate::api::Api;
use crate::api::error::ApiError;
use crate::domain::alert::signal::Facts;
use crate::domain::live::{Counts, GroupCounts, LastResult, ServiceList};
use crate::domain::maintenance::Windows;
use crate::domain::shown_state::ShownState;
use crate::domain::{EventFailure, Group, Reason, ServiceEvent, State, Status, Window, strip};
use crate::storage::history::uptime::{GetSpans, ServiceSpans};
use crate::storage::records::{GetServices, ServiceRecord};
use crate::ui::html::events::Event;
use crate::ui::html::overview;
use crate::ui::html::rows::{Row, Why};

const HOUR_MS: i64 = 3_600_000;

/// Hours of the strip of a row.
pub const HOURS: usize = 24;

impl From<Status> for ShownState {
    fn from(status: Status) -> Self {
        match status {
            Status::Up => Self::Up,
            Status::Down => Self::Down,
            Status::Unknown => Self::Unknown,
            Status::Pending => Self::Pending,
            Status::Paused => Self::Paused,
        }
    }
}

impl From<State> for ShownState {
    fn from(state: State) -> Self {
        match state {
            State::Up => Self::Up,
            State::Down => Self::Down,
            State::Unknown => Self::Unknown,
            State::Paused => Self::Paused,
        }
    }
}

pub fn why(failure: &EventFailure) -> Why {
    Why { reason: failure.reason.as_str().to_owned(), detail: failure.detail.clone() }
}

/// The failure of an alert.
pub fn why_alert(facts: &Facts) -> Option<Why> {
    let why = Why { reason: facts.reason.clone(), detail: facts.detail.clone() };
    Some(why).filter(|why| !why.reason.is_empty() || !why.detail.is_empty())
}

/// The row of a service.
pub fn row(
    record: &ServiceRecord,
    result: Option<LastResult>,
    spans: &ServiceSpans,
    windows: &Windows,
    now_ms: i64,
) -> Row {
    let state = ShownState::from(record.status());
    let event = record.latest_event.as_ref();
    let definition = &record.definition;
    let (name, group) = (definition.name.as_str(), definition.group.as_ref().map(Group::as_str));
    Row {
        id: record.id.get(),
        name: name.to_owned(),
        group: group.map(str::to_owned),
        state,
        is_flapping: record.tally.is_some_and(|tally| tally.is_flapping),
        is_planned: windows.active(record.id, name, group, now_ms).is_some(),
        since_ms: since_ms(record),
        why: event
            .filter(|_| matches!(state, ShownState::Down | ShownState::Unknown))
            .and_then(|event| event.failure.as_ref().map(why)),
        hours: strip::hours(&spans.events, &spans.planned, HOURS, now_ms),
        response_ms: result.map(|result| result.response_time_us as f64 / 1e3),
        checked_ms: result.map(|result| result.at_ms),
    }
}

/// Since when the state lasts; `None` before the first result.
pub fn since_ms(record: &ServiceRecord) -> Option<i64> {
    let is_known = record.status() != Status::Pending;
    record.latest_event.as_ref().filter(|_| is_known).map(|event| event.started_ms)
}

pub fn event(found: ServiceEvent) -> Event {
    let ServiceEvent { service_id, service_name, event } = found;
    Event {
        id: event.id,
        service_id: service_id.get(),
        service_name,
        state: event.state.into(),
        why: event.failure.as_ref().map(why),
        from_ms: event.started_ms,
        to_ms: event.ended_ms,
    }
}

pub fn counts(counts: &Counts) -> overview::Counts {
    overview::Counts {
        up: counts.up.into(),
        down: counts.down.into(),
        unknown: counts.unknown.into(),
        pending: counts.pending.into(),
        paused: counts.paused.into(),
    }
}

/// The groups, in trouble first.
pub fn groups(groups: Vec<GroupCounts>) -> Vec<overview::Group> {
    let mut groups: Vec<overview::Group> = groups
        .into_iter()
        .filter(|group| group.counts.total() > 0)
        .map(|group| overview::Group {
            name: group.name.as_ref().map_or("", Group::as_str).to_owned(),
            counts: counts(&group.counts),
        })
        .collect();
    groups.sort_by_key(|group| match group.counts.worst() {
        ShownState::Down => 0,
        ShownState::Unknown => 1,
        _ => 2,
    });
    groups
}

/// Reasons to choose from.
pub fn reasons() -> Vec<&'static str> {
    Reason::all().map(Reason::as_str).collect()
}

/// The rows of a list, in its order.
pub async fn rows(api: &Api, list: &ServiceList, now_ms: i64) -> Result<Vec<Row>, ApiError> {
    if list.ids.is_empty() {
        return Ok(Vec::new());
    }
    let window = Window { from_ms: now_ms - HOURS as i64 * HOUR_MS, to_ms: now_ms };
    let ids = list.ids.clone();
    let records = api.query(GetServices(ids.clone()));
    let (records, spans) = try_join(records, api.query(GetSpans { ids, window })).await?;
    let results: HashMap<_, _> = list.ids.iter().zip(&list.results).collect();
    let (windows, none) = (api.windows.get(), ServiceSpans::default());
    let row = |record: &ServiceRecord| {
        let spans = spans.get(&record.id).unwrap_or(&none);
        row(record, results.get(&record.id).copied().copied().flatten(), spans, &windows, now_ms)
    };
    Ok(records.iter().map(row).collect())
}
