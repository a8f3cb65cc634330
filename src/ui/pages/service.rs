//! `/services/{id}`

use std::time::Duration;

use actix_web::http::StatusCode;
use futures_util::future::{try_join3, try_join5};

use crate::api::input::series_grid;
use crate::domain::history::slo;
use crate::domain::shown_state::ShownState;
use crate::domain::strip;
use crate::domain::time::{duration, timestamp};
use crate::domain::{CountAs, Group, Kind, Origin, PageRequest, Stats, StoredTick, Totals, Window};
use crate::spec;
use crate::spec::Form;
use crate::storage::alerting::ListOpenAlerts;
use crate::storage::history::series::{GetSeries, Grid};
use crate::storage::history::ticks::ListTicks;
use crate::storage::history::uptime::{GetSpans, ServiceSpans, totals_with};
use crate::storage::records::{GetFacts, GetService, ListEvents, ServiceRecord};
use crate::ui::html::chart::{Point, Series};
use crate::ui::html::frame::Section;
use crate::ui::html::service::{Service, page};
use crate::ui::html::service_history::{ChartWindow, Check, Objective, Response, WINDOWS};
use crate::ui::html::text;
use crate::ui::pages::facts;
use crate::ui::pages::respond::{PageResult, html};
use crate::ui::pages::viewer::{Viewer, stream_of};

const DAYS: usize = 90;
const DAY_MS: i64 = 86_400_000;

/// Rows of the lists.
const EVENTS: u32 = 20;
const CHECKS: usize = 20;

/// Window of the chart unless the address says another one, and that of a service which was created
/// less than [`NEW_S`] seconds ago: its results would be a dot.
const WINDOW: &str = "24h";
const WINDOW_OF_NEW: &str = "1h";
const NEW_S: i64 = 3 * 3_600;

/// Longest window of the chart, in milliseconds.
const LONGEST_MS: i64 = 3_660 * DAY_MS;

/// Name and days of the windows of uptime.
const UPTIME_WINDOWS: [(&str, i64); 5] =
    [("24 hours", 1), ("7 days", 7), ("30 days", 30), ("90 days", 90), ("1 year", 365)];

/// The page of a service.
pub async fn show(viewer: Viewer) -> PageResult {
    let (api, now_ms) = (&viewer.api, viewer.now_ms);
    let id = viewer.service_id()?;
    let record = viewer.visible(api.query(GetService(id)).await?)?;
    let [length, from, to] = ["window", "from", "to"].map(|name| viewer.query(name));
    let length = WINDOWS.into_iter().find(|known| Some(*known) == length.as_deref());
    let length = length.unwrap_or_else(|| usual_window(now_ms / 1_000 - record.created_at));
    let window = chart_window(length, from.as_deref().zip(to.as_deref()));
    let grid = grid(window, now_ms);
    let history = Window { from_ms: now_ms - 366 * DAY_MS, to_ms: now_ms };
    let events = ListEvents {
        service_id: Some(id),
        window: Window::ALL,
        state: None,
        reason: None,
        groups: viewer.caller().groups,
        page: PageRequest { page: 1, limit: EVENTS },
    };
    let ticks = ListTicks {
        service_id: id,
        window: Window::ALL,
        state: None,
        reason: None,
        before: None,
        limit: CHECKS,
    };
    let (mut spans, stats, events, ticks, (alerts, overview, stored)) = try_join5(
        api.query(GetSpans { ids: vec![id], window: history }),
        api.query(GetSeries { service_id: id, grid }),
        api.query(events),
        api.query(ticks),
        try_join3(api.query(ListOpenAlerts(vec![id])), viewer.overview(), api.query(GetFacts(id))),
    )
    .await?;
    let ServiceSpans { events: spans, planned } = spans.remove(&id).unwrap_or_default();
    let totals = |length_ms: i64| {
        let window = Window { from_ms: now_ms - length_ms, to_ms: now_ms };
        totals_with(&spans, &planned, window)
    };
    let mut frame = viewer.frame(Section::Services, overview.counts.down.into());
    frame.stream = stream_of(&[id], overview.moment);
    let state = ShownState::from(record.status());
    let definition = &record.definition;
    let (name, group) = (definition.name.as_str(), definition.group.as_ref().map(Group::as_str));
    let active = api.windows.get().active(id, name, group, now_ms);
    // Another instance may probe it, or nothing was probed yet in this run.
    let stored_s = stored.and_then(|facts| facts.certificate_expires_at);
    let newest = api.last_results.result(id).map(|result| result.expiries());
    let certificate_s = newest.map_or(stored_s, |expiries| expiries.certificate_at);
    let domain_s = newest.and_then(|expiries| expiries.domain_at);
    let facts = Service {
        id: id.get(),
        name: name.to_owned(),
        group: group.map(str::to_owned),
        url: definition.target.shown(api.requests),
        state,
        is_flapping: record.tally.is_some_and(|tally| tally.is_flapping),
        since_ms: facts::since_ms(&record),
        why: record
            .latest_event
            .as_ref()
            .filter(|_| matches!(state, ShownState::Down | ShownState::Unknown))
            .and_then(|event| event.failure.as_ref().map(facts::why)),
        planned: active.map(|it| (it.until_ms, it.note.as_deref().unwrap_or_default().to_owned())),
        is_enabled: definition.enabled,
        is_of_file: record.origin == Origin::File,
        has_probe: definition.target.kind() != Kind::Push,
        days: strip::days(&spans, &planned, DAYS, now_ms),
        windows: UPTIME_WINDOWS.map(|(name, days)| (name, totals(days * DAY_MS))).into(),
        objective: objective(&record, totals),
        response: Response {
            service_id: id.get(),
            window,
            series: series(grid, &stats),
            has_table: viewer.has_query("table"),
            phases: mean_phases(&stats),
        },
        events: events.items.into_iter().map(facts::event).collect(),
        checks: ticks.ticks.iter().map(|(_, tick)| check(tick)).collect(),
        certificate_ms: certificate_s.map(|at_s| at_s.saturating_mul(1_000)),
        domain_ms: domain_s.map(|at_s| at_s.saturating_mul(1_000)),
        definition: definition_of(&viewer, &record),
        alert: alerts.first().map(|alert| (alert.id, alert.state.as_str())),
    };
    Ok(html(&viewer, StatusCode::OK, page(&frame, &facts)))
}

/// Window of the chart of a service that was created `age_s` seconds ago.
fn usual_window(age_s: i64) -> &'static str {
    if age_s < NEW_S { WINDOW_OF_NEW } else { WINDOW }
}

/// The window that the address has between two times; up to now for anything else.
fn chart_window(length: &'static str, between: Option<(&str, &str)>) -> ChartWindow {
    let minute = |text: &str| timestamp::parse(&format!("{text}:00Z"));
    let between = between.and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
    let between = between.filter(|(from_ms, to_ms)| (1..=LONGEST_MS).contains(&(to_ms - from_ms)));
    match between {
        Some((from_ms, to_ms)) => ChartWindow::Between { from_ms, to_ms },
        None => ChartWindow::UpToNow(length),
    }
}

/// The buckets of the chart.
fn grid(window: ChartWindow, now_ms: i64) -> Grid {
    series_grid(match window {
        ChartWindow::Between { from_ms, to_ms } => Window { from_ms, to_ms },
        ChartWindow::UpToNow(length) => {
            let length = duration::parse_span(length).unwrap_or(Duration::from_secs(86_400));
            let length_ms = i64::try_from(length.as_millis()).unwrap_or(DAY_MS);
            Window { from_ms: now_ms - length_ms, to_ms: now_ms }
        }
    })
}

fn series(grid: Grid, stats: &[Stats]) -> Series {
    let ms = |us: Option<u64>| us.map(|us| us as f64 / 1e3);
    let point = |stats: &Stats| Point {
        p50: ms(stats.quantile_us(0.5)),
        p90: ms(stats.quantile_us(0.9)),
        p99: ms(stats.quantile_us(0.99)),
        is_down: stats.down > 0,
    };
    let points = stats.iter().map(point).collect();
    Series { from_ms: grid.from_ms, step_ms: grid.step_ms, points }
}

fn mean_phases(stats: &[Stats]) -> Option<[f64; 5]> {
    let mut sum = Stats::default();
    for one in stats {
        sum.phased = sum.phased.saturating_add(one.phased);
        for (all, more) in sum.phases_us.iter_mut().zip(one.phases_us) {
            *all = all.saturating_add(more);
        }
    }
    sum.average_phases_us().map(|phases| phases.map(|us| us / 1e3))
}

fn check(tick: &StoredTick) -> Check {
    Check {
        at_ms: tick.at_ms,
        state: tick.state.into(),
        response_ms: tick.response_time_us as f64 / 1e3,
        phases_ms: tick.phases_us.map(|phases| phases.map(|us| us as f64 / 1e3)),
        status: tick.http_status,
        reason: tick.reason.map(|reason| reason.as_str()),
    }
}

fn objective(record: &ServiceRecord, totals: impl Fn(i64) -> Totals) -> Option<Objective> {
    let slo = record.definition.options.slo?;
    let ms = |length: Duration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let of = |length_ms| totals(length_ms).with_planned(CountAs::Exclude);
    let budget = slo::budget(&of(ms(slo.window)), slo.target_percent);
    Some(Objective {
        target: slo.target_percent,
        window: duration::format_span(slo.window),
        left_percent: budget.left_percent,
        burn: slo::burn_rate(&of(3_600_000), slo.target_percent),
    })
}

/// The fields of the definition with masked secrets, but for those that stand elsewhere.
fn definition_of(viewer: &Viewer, record: &ServiceRecord) -> Vec<(String, String)> {
    let (definition, defaults) = (&record.definition, viewer.api.defaults);
    let seconds = |seconds: f64| text::response(seconds * 1e3);
    let interval = definition.interval.unwrap_or(defaults.interval);
    let timeout = definition.timeout.unwrap_or(defaults.timeout);
    let mut shown = vec![
        ("interval".to_owned(), seconds(interval.as_seconds())),
        ("timeout".to_owned(), seconds(timeout.as_seconds())),
    ];
    let fields = spec::write(definition, Form::Masked(viewer.api.requests));
    let elsewhere = ["name", "url", "group", "enabled", "interval_seconds", "timeout_seconds"];
    let values = super::forms::of_service(&fields);
    for (name, value) in values.iter().filter(|(name, _)| !elsewhere.contains(&name.as_str())) {
        let name = if name == "more" { "other fields" } else { name };
        shown.push((name.replace(['_', '.'], " "), value.clone()));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_has_at_most_402_buckets() {
        for length in WINDOWS {
            let grid = grid(ChartWindow::UpToNow(length), 1_795_948_867_500);
            assert!((12..=402).contains(&grid.count), "{length}: {}", grid.count);
        }
        for length_ms in [1, 60_000, DAY_MS, 366 * DAY_MS, LONGEST_MS] {
            let to_ms = 1_795_948_860_000;
            let grid = grid(ChartWindow::Between { from_ms: to_ms - length_ms, to_ms }, 0);
            assert!((1..=402).contains(&grid.count), "{length_ms}: {}", grid.count);
        }
    }

    #[test]
    fn the_chart_of_a_new_service_shows_an_hour() {
        assert_eq!([-60, 0, 10_799, 10_800].map(usual_window), ["1h", "1h", "1h", "24h"]);
        assert!([WINDOW, WINDOW_OF_NEW].iter().all(|window| WINDOWS.contains(window)));
    }

    #[test]
    fn a_window_between_two_times_is_in_utc_and_what_is_invalid_is_the_default() {
        let between = |from, to| chart_window("7d", Some((from, to)));
        let hour = ChartWindow::Between { from_ms: 1_795_948_800_000, to_ms: 1_795_952_400_000 };
        assert_eq!(between("2026-11-29T10:40", "2026-11-29T11:40"), hour);
        for (from, to) in [
            ("2026-11-29T11:40", "2026-11-29T10:40"),
            ("2026-11-29T10:40", "2026-11-29T10:40"),
            ("1970-01-01T00:00", "2026-11-29T10:40"),
            ("yesterday", "2026-11-29T10:40"),
        ] {
            assert_eq!(between(from, to), ChartWindow::UpToNow("7d"), "{from} {to}");
        }
        assert_eq!(chart_window("1h", None), ChartWindow::UpToNow("1h"));
    }
}
