//! Planned work: the list, with the form of a new one.

use maud::{Markup, html};

use crate::domain::shown_state::ShownState;
use crate::ui::html::field::Form;
use crate::ui::html::frame::Frame;
use crate::ui::html::maintenance_form::form;
use crate::ui::html::parts::{post_button, state_icon};
use crate::ui::html::text;

/// A maintenance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    pub id: i64,
    pub note: String,
    /// The services, in words.
    pub services: String,
    /// When it takes place, in words; `None` for a single one, whose times follow.
    pub schedule: Option<String>,
    pub once_ms: Option<(i64, i64)>,
    pub active_until_ms: Option<i64>,
    pub next_start_ms: Option<i64>,
    pub is_enabled: bool,
    pub is_of_file: bool,
    /// Whether the reader may change it, as far as file and groups decide that.
    pub can_change: bool,
}

impl Maintenance {
    /// The note, or the id without one.
    fn name(&self) -> String {
        let of_id = || format!("Maintenance {}", self.id);
        Some(&self.note).filter(|note| !note.is_empty()).cloned().unwrap_or_else(of_id)
    }
}

/// Milliseconds before its start from which maintenance stands on the first page.
const NEAR_MS: i64 = 86_400_000;

/// Most lines on the first page.
const LINES: usize = 3;

/// What is under way or begins within a day, for the first page.
pub fn near(all: &[Maintenance], now_ms: i64) -> Markup {
    let is_near = |one: &&Maintenance| {
        let starts_soon = one.next_start_ms.is_some_and(|at_ms| at_ms - now_ms <= NEAR_MS);
        one.is_enabled && (one.active_until_ms.is_some() || starts_soon)
    };
    let mut near: Vec<&Maintenance> = all.iter().filter(is_near).collect();
    near.sort_by_key(|one| (one.active_until_ms.is_none(), one.next_start_ms));
    html! {
        @for one in near.iter().take(LINES) {
            div.note.planned {
                (state_icon(ShownState::Maintenance))
                p {
                    a href={ "/maintenance#m" (one.id) } { (one.name()) }
                    span.muted { ", " (one.services) ", " }
                    @match (one.active_until_ms, one.next_start_ms) {
                        (Some(until_ms), _) => { "until " (text::moment(until_ms, now_ms)) }
                        (None, Some(at_ms)) => {
                            "in " (text::span((at_ms - now_ms).unsigned_abs())) ", "
                            (text::moment(at_ms, now_ms))
                        }
                        (None, None) => {}
                    }
                }
            }
        }
        @if near.len() > LINES {
            p { a href="/maintenance" { "and " (near.len() - LINES) " more maintenance" } }
        }
    }
}

/// Facts of the page.
#[derive(Debug, Clone, Default)]
pub struct Maintenances {
    pub all: Vec<Maintenance>,
    pub form: Form,
}

/// The page of planned work.
pub fn page(frame: &Frame, facts: &Maintenances) -> Markup {
    let content = html! {
        div.head {
            h1 { "Maintenance" }
            p.muted { "No message is sent about its services, and their downtime is planned." }
        }
        section.card aria-label="Maintenance" {
            @if facts.all.is_empty() {
                div.in {
                    p.muted { "No maintenance is planned." }
                    @if frame.access.can_write {
                        p { "Plan one below, or keep the " code { "maintenance" }
                            " section of your Gatus file." }
                    }
                }
            } @else { (table(frame, &facts.all)) }
        }
        @if frame.access.can_write {
            section.card aria-labelledby="plan-title" {
                header { h2 #plan-title { "Plan maintenance" } }
                div.in { (form(&facts.form, None)) }
            }
        }
    };
    frame.page("Maintenance", &content)
}

fn table(frame: &Frame, all: &[Maintenance]) -> Markup {
    let now_ms = frame.now_ms;
    html! {
        table {
            caption.vh { "Maintenance" }
            thead {
                tr {
                    th scope="col" { "Maintenance" }
                    th scope="col" { "Services" }
                    th scope="col" { "When" }
                    th scope="col" { "State" }
                    th scope="col" { span.vh { "Actions" } }
                }
            }
            tbody {
                @for one in all {
                    tr id={ "m" (one.id) } {
                        th.all scope="row" {
                            (one.name())
                            @if one.is_of_file { " " span.sub { "from the services file" } }
                        }
                        td data-label="Services" { (one.services) }
                        td data-label="When" {
                            span {
                                @if let Some(words) = &one.schedule { (words) }
                                @if let Some((from_ms, to_ms)) = one.once_ms {
                                    (text::moment(from_ms, now_ms)) " to "
                                    (text::moment(to_ms, now_ms))
                                }
                            }
                        }
                        td.all { (state(one, now_ms)) }
                        td.num {
                            @if frame.access.can_write && one.can_change {
                                div.row.ends {
                                    a.btn.small href={ "/maintenance/" (one.id) "/edit" }
                                        aria-label={ "Edit " (one.name()) } { "Edit" }
                                    (post_button(&format!("/maintenance/{}/delete", one.id),
                                        "maintenance", "End and delete", "small"))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn state(one: &Maintenance, now_ms: i64) -> Markup {
    html! {
        span.row {
            @match one {
                Maintenance { is_enabled: false, .. } => {
                    (state_icon(ShownState::Paused)) "disabled"
                }
                Maintenance { active_until_ms: Some(until_ms), .. } => {
                    (state_icon(ShownState::Maintenance))
                    span { "under way until " (text::moment(*until_ms, now_ms)) }
                }
                Maintenance { next_start_ms: Some(at_ms), .. } => {
                    (state_icon(ShownState::Pending))
                    span {
                        "in " (text::span((at_ms - now_ms).unsigned_abs())) ", "
                        (text::moment(*at_ms, now_ms))
                    }
                }
                _ => { (state_icon(ShownState::Up)) "over" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_795_948_867_500;

    fn sample() -> Maintenance {
        Maintenance {
            id: 2,
            note: "upgrade".to_owned(),
            services: "db-*".to_owned(),
            schedule: None,
            once_ms: Some((NOW_MS, NOW_MS + 3_600_000)),
            active_until_ms: None,
            next_start_ms: None,
            is_enabled: true,
            is_of_file: false,
            can_change: true,
        }
    }

    #[test]
    fn the_state_says_when() {
        let words = |one: Maintenance| state(&one, NOW_MS).into_string();
        let until = words(Maintenance { active_until_ms: Some(NOW_MS), ..sample() });
        assert!(until.contains("under way until"));
        let next = words(Maintenance { next_start_ms: Some(NOW_MS + 14_400_000), ..sample() });
        assert!(next.contains("in 4 h, "));
        assert!(words(sample()).contains("over"));
        assert!(words(Maintenance { is_enabled: false, ..sample() }).contains("disabled"));
    }

    #[test]
    fn the_first_page_has_what_is_under_way_and_what_begins_within_a_day() {
        let hour_ms = 3_600_000;
        let later = |hours: i64| Maintenance {
            note: format!("in {hours} h"),
            next_start_ms: Some(NOW_MS + hours * hour_ms),
            ..sample()
        };
        let active = Maintenance { note: String::new(), active_until_ms: Some(NOW_MS), ..sample() };
        let disabled = Maintenance { is_enabled: false, ..later(1) };
        let shown = near(&[later(25), later(4), disabled, active.clone()], NOW_MS).into_string();
        assert_eq!(shown.matches("class=\"note planned\"").count(), 2, "{shown}");
        let (first, second) =
            (shown.find("Maintenance 2").unwrap(), shown.find("in 4 h, ").unwrap());
        assert!(first < second, "{shown}");
        let many = near(&[later(1), later(2), later(3), later(4), active], NOW_MS).into_string();
        assert!(many.contains("and 2 more maintenance"), "{many}");
        assert!(near(&[], NOW_MS).into_string().is_empty());
    }
}
