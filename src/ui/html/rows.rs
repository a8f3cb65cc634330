//! The table of services, one row each.

use maud::{Markup, html};

use crate::domain::history::timeline::{Totals, Uptime};
use crate::domain::shown_state::ShownState;
use crate::domain::strip::{self, Slot};
use crate::ui::html::parts::{icon, state_class, state_icon, state_word};
use crate::ui::html::strip::image;
use crate::ui::html::text;

/// Share of a window below which the observed share stands beside the uptime.
const OBSERVED_SHARE: f64 = 0.995;

/// What a row shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: i64,
    pub name: String,
    pub group: Option<String>,
    pub state: ShownState,
    pub is_flapping: bool,
    /// Whether planned work is under way.
    pub is_planned: bool,
    /// Unix milliseconds since when the state lasts.
    pub since_ms: Option<i64>,
    /// Why it is down or unknown.
    pub why: Option<Why>,
    /// The last hours, oldest first.
    pub hours: Vec<Slot>,
    /// Response time of the newest result.
    pub response_ms: Option<f64>,
    /// Unix milliseconds of the newest result.
    pub checked_ms: Option<i64>,
}

/// A failure in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// Machine-readable.
    pub reason: String,
    pub detail: String,
}

impl Why {
    /// The detail, or the reason as words.
    pub fn sentence(&self) -> String {
        if self.detail.is_empty() { self.reason.replace('_', " ") } else { self.detail.clone() }
    }
}

/// The table. Each row is named by its id, so that the script finds it.
pub fn table(rows: &[Row], caption: &str, now_ms: i64) -> Markup {
    html! {
        table.list {
            caption.vh { (caption) }
            thead {
                tr {
                    th scope="col" { "Service" }
                    th.w-state scope="col" { "State" }
                    th.w-strip scope="col" { "24 hours" }
                    th.num.w-num scope="col" { "Uptime" }
                    th.num.w-num.w-late scope="col" { "Response" }
                    th.num.w-num.w-late scope="col" { "Checked" }
                }
            }
            tbody { @for row in rows { (self::row(row, now_ms)) } }
        }
    }
}

fn row(row: &Row, now_ms: i64) -> Markup {
    let totals = strip::sum(&row.hours);
    html! {
        tr id={ "s" (row.id) } data-id=(row.id) data-state=(row.state.word()) {
            th.all scope="row" {
                div.name {
                    span data-field="icon" { (state_icon(row.state)) }
                    span {
                        a href={ "/services/" (row.id) } data-field="name" { (row.name) }
                        @if let Some(group) = &row.group { span.sub data-field="group" { (group) } }
                    }
                }
            }
            td.all {
                span {
                    (state(row, now_ms))
                    @if let Some(why) = &row.why {
                        span.why.sub data-field="reason" title=(why.sentence()) { (why.sentence()) }
                    } @else { span.why.sub data-field="reason" {} }
                }
            }
            td.w-strip { @if !row.hours.is_empty() { (image(&row.hours, "hours")) } }
            td.num data-label="24 h" data-field="uptime" { span { (uptime(&totals)) } }
            td.num.w-late data-label="Response" data-field="ms" {
                @if let Some(ms) = row.response_ms { (text::response(ms)) } @else { "–" }
            }
            td.num.w-late.muted data-label="Checked" data-field="checked" {
                @if let Some(at_ms) = row.checked_ms { (text::age(at_ms, now_ms)) } @else { "–" }
            }
        }
    }
}

/// Word and duration of the state, and what stands beside it.
fn state(row: &Row, now_ms: i64) -> Markup {
    html! {
        span.row {
            span data-field="state" { (state_word(row.state)) }
            span.muted data-field="since" {
                @if let Some(since_ms) = row.since_ms { (text::age(since_ms, now_ms)) }
            }
            span.row data-field="beside" {
                @if row.is_flapping { (beside(ShownState::Flapping)) }
                @if row.is_planned { (beside(ShownState::Maintenance)) }
            }
        }
    }
}

/// A state that stands beside another one.
pub fn beside(state: ShownState) -> Markup {
    html! {
        span.row.sub.nowrap title=(state.explanation()) {
            (icon(state.icon(), &format!("{} tiny", state_class(state))))
            span class=(state_class(state)) { (state.word()) }
        }
    }
}

/// Uptime of a window; how long was observed where it is not nearly all of it.
pub fn uptime(totals: &Totals) -> Markup {
    let percent = Uptime { totals: *totals, ..Uptime::default() }.percent();
    let observed_ms = totals.up_ms.saturating_add(totals.down_ms);
    let share = observed_ms as f64 / (totals.total().max(1) as f64);
    html! {
        @match percent {
            Some(percent) => {
                (text::percent(percent))
                @if share < OBSERVED_SHARE {
                    span.sub.block title="This long was watched; the rest is not known" {
                        "of " (text::span(observed_ms))
                    }
                }
            }
            None => { "–" }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::history::planned::Planned;
    use crate::domain::history::timeline::Span;
    use crate::domain::rollup::state::State;

    pub const NOW_MS: i64 = 1_795_948_867_500;

    pub fn sample(id: i64, name: &str) -> Row {
        let up = [Span { state: State::Up, from_ms: 0, to_ms: None }];
        Row {
            id,
            name: name.to_owned(),
            group: Some("core".to_owned()),
            state: ShownState::Up,
            is_flapping: false,
            is_planned: false,
            since_ms: Some(NOW_MS - 86_400_000),
            why: None,
            hours: strip::hours(&up, Planned::NONE, 24, NOW_MS),
            response_ms: Some(53.4),
            checked_ms: Some(NOW_MS - 4_000),
        }
    }

    #[test]
    fn a_row_shows_state_as_icon_word_and_colour() {
        let why = Why { reason: "status".to_owned(), detail: "503 Service Unavailable".to_owned() };
        let down = Row {
            state: ShownState::Down,
            why: Some(why),
            is_planned: true,
            since_ms: Some(NOW_MS - 360_000),
            ..sample(7, "pay")
        };
        let table = table(&[down], "Services", NOW_MS).into_string();
        for part in [
            "id=\"s7\" data-id=\"7\" data-state=\"down\"",
            "#down\"",
            ">down</span>",
            "s-down",
            "503 Service Unavailable",
            ">6 min</time>",
            ">maintenance</span>",
            "100 %",
            "53 ms",
        ] {
            assert!(table.contains(part), "{part} in {table}");
        }
    }

    #[test]
    fn hostile_text_stays_text() {
        let hostile = "</td><script>alert(1)</script>\"'&";
        let why = Why { reason: hostile.to_owned(), detail: hostile.to_owned() };
        let group = Some(hostile.to_owned());
        let row = Row { group, why: Some(why), ..sample(1, hostile) };
        let table = table(&[row], hostile, NOW_MS).into_string();
        assert!(!table.contains("<script") && table.matches("</td>").count() == 5, "{table}");
    }

    #[test]
    fn the_observed_time_stands_beside_an_uptime_that_knows_little() {
        let totals = |up_ms, unknown_ms| Totals { up_ms, unknown_ms, ..Totals::default() };
        assert_eq!(uptime(&totals(1_000, 0)).into_string(), "100 %");
        assert!(uptime(&totals(90_000, 90_000)).into_string().contains(">of 1 min<"));
        assert_eq!(uptime(&totals(0, 9)).into_string(), "–");
    }
}
