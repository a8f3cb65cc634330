//! The history of one service: uptime of windows, response times, newest results.

use maud::{Markup, html};

use crate::domain::history::timeline::Totals;
use crate::domain::shown_state::ShownState;
use crate::ui::html::chart::{Series, chart, table};
use crate::ui::html::field::{Field, Form, Input, field};
use crate::ui::html::parts::state_icon;
use crate::ui::html::phases;
use crate::ui::html::rows::uptime;
use crate::ui::html::text;

/// A service level objective.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    pub target: f64,
    pub window: String,
    pub left_percent: f64,
    /// Burn rate over an hour.
    pub burn: Option<f64>,
}

/// A result.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    pub at_ms: i64,
    pub state: ShownState,
    pub response_ms: f64,
    pub phases_ms: Option<[f64; 5]>,
    pub status: Option<u16>,
    pub reason: Option<&'static str>,
}

/// Windows of the chart up to now.
pub const WINDOWS: [&str; 6] = ["1h", "24h", "7d", "30d", "90d", "1y"];

/// The window of the chart, as it stands in the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartWindow {
    /// One of [`WINDOWS`].
    UpToNow(&'static str),
    /// Unix milliseconds of whole minutes.
    Between { from_ms: i64, to_ms: i64 },
}

impl ChartWindow {
    fn query(self) -> String {
        match self {
            Self::UpToNow(length) => format!("window={length}"),
            Self::Between { from_ms, to_ms } => {
                format!("from={}&to={}", text::input_minute(from_ms), text::input_minute(to_ms))
            }
        }
    }
}

/// Facts of the response times.
#[derive(Debug, Clone)]
pub struct Response {
    pub service_id: i64,
    pub window: ChartWindow,
    pub series: Series,
    /// Whether the series stands as a table too.
    pub has_table: bool,
    /// Mean of each phase in the window, in milliseconds.
    pub phases: Option<[f64; 5]>,
}

/// The uptime of each window by its name, and the objective.
pub fn windows(windows: &[(&'static str, Totals)], objective: Option<&Objective>) -> Markup {
    html! {
        dl.stats {
            @for (name, totals) in windows {
                div {
                    dt { (name) }
                    dd { b { (uptime(totals)) }
                        @if totals.down_ms > 0 {
                            span.sub { "down for " (text::span(totals.down_ms)) }
                        }
                    }
                }
            }
            @if let Some(objective) = objective {
                div {
                    dt { "Error budget, " (objective.target) " % in " (objective.window) }
                    dd {
                        b class=[(objective.left_percent < 0.0).then_some("s-down")] {
                            (format!("{:.0} % left", objective.left_percent))
                        }
                        @if let Some(burn) = objective.burn {
                            span.sub { "burn rate " (format!("{burn:.1}")) " in the last hour" }
                        }
                    }
                }
            }
        }
    }
}

/// Chart and phases.
pub fn response(facts: &Response) -> Markup {
    let address =
        |window: ChartWindow| format!("/services/{}?{}", facts.service_id, window.query());
    let has_results = facts.series.points.iter().any(|point| point.p50.is_some());
    html! {
        section.card #response data-live aria-labelledby="response-title" {
            header {
                h2 #response-title { "Response time" }
                nav.tabs.end aria-label="Window of the chart" {
                    @for length in WINDOWS {
                        @let window = ChartWindow::UpToNow(length);
                        a href={ (address(window)) "#response" }
                            aria-current=[(window == facts.window).then_some("true")] { (length) }
                    }
                }
            }
            div.in { (range(facts)) }
            div.in.form-wide {
                @if has_results { (chart(&facts.series)) }
                @else { p.muted { "No result in this window." } }
                @if let Some(means) = &facts.phases {
                    @let whole: f64 = means.iter().sum();
                    div.field {
                        h3 { "Phases, mean of " (text::response(whole)) }
                        (phases::bar(means, whole))
                        (phases::legend(means))
                    }
                }
                @if has_results {
                    @if facts.has_table {
                        div.scroll tabindex="0" role="region" aria-label="Response times" {
                            (table(&facts.series))
                        }
                    }
                    @else {
                        p {
                            a href={ (address(facts.window)) "&table=1#response" } { "As a table" }
                        }
                    }
                }
            }
        }
    }
}

/// The form of a window between two times.
fn range(facts: &Response) -> Markup {
    let values = match facts.window {
        ChartWindow::UpToNow(_) => Default::default(),
        ChartWindow::Between { from_ms, to_ms } => {
            let value = |name: &str, ms| (name.to_owned(), text::input_minute(ms));
            [value("from", from_ms), value("to", to_ms)].into()
        }
    };
    let form = Form { values, problems: Vec::new() };
    let moment = |name, label| Field {
        name,
        label,
        help: "",
        placeholder: "",
        input: Input::Moment,
        is_required: true,
    };
    html! {
        details open[!form.values.is_empty()] {
            summary { "From – to" }
            form.filters action={ "/services/" (facts.service_id) "#response" } {
                (field(&moment("from", "From, UTC"), &form))
                (field(&moment("to", "To, UTC"), &form))
                button.btn { "Show" }
            }
        }
    }
}

/// The newest results, newest first.
pub fn checks(checks: &[Check]) -> Markup {
    let checked = checks.iter().filter_map(|check| check.phases_ms);
    let longest = checked.map(|phases| phases.iter().sum::<f64>()).fold(0.0, f64::max);
    html! {
        @if checks.is_empty() { div.in { p.muted { "No result yet." } } }
        @else {
            table {
                caption.vh { "Newest checks" }
                thead {
                    tr {
                        th scope="col" { "At" }
                        th scope="col" { "Result" }
                        th scope="col" { "Phases" }
                        th.num scope="col" { "Response" }
                    }
                }
                tbody {
                    @for check in checks {
                        tr {
                            th.thin scope="row" { (text::clock(check.at_ms)) }
                            td {
                                span.row.nowrap {
                                    (state_icon(check.state))
                                    @if let Some(reason) = check.reason {
                                        (reason.replace('_', " "))
                                    } @else { (check.state.word()) }
                                    @if let Some(status) = check.status {
                                        span.muted { (status) }
                                    }
                                }
                            }
                            td { @if let Some(phases) = &check.phases_ms {
                                (phases::bar(phases, longest))
                            } }
                            td.num { (text::response(check.response_ms)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A service without results.
    pub fn no_results() -> Response {
        Response {
            service_id: 7,
            window: ChartWindow::UpToNow("24h"),
            series: Series::default(),
            has_table: false,
            phases: None,
        }
    }

    #[test]
    fn the_window_of_the_chart_stands_in_every_link() {
        let facts = no_results();
        let page = response(&facts).into_string();
        assert!(page.contains("<details><summary>From – to"), "{page}");
        assert!(page.contains("href=\"/services/7?window=24h#response\" aria-current=\"true\""));
        let window = ChartWindow::Between { from_ms: 0, to_ms: 3_600_000 };
        let points = vec![Default::default(); 3];
        let series = Series { points, from_ms: 0, step_ms: 60_000 };
        let mut facts = Response { window, series, ..facts };
        facts.series.points[0].p50 = Some(1.0);
        let page = response(&facts).into_string();
        assert!(!page.contains("aria-current"), "{page}");
        assert!(page.contains("<details open>") && page.contains("value=\"1970-01-01T01:00\""));
        let table =
            "/services/7?from=1970-01-01T00:00&amp;to=1970-01-01T01:00&amp;table=1#response";
        assert!(page.contains(table), "{page}");
    }
}
