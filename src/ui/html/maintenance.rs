//! Planned work: the list, and the form of a new one.

use maud::{Markup, html};

use crate::domain::shown_state::ShownState;
use crate::ui::html::field::{Field, Form, Input, field, other_problems};
use crate::ui::html::frame::Frame;
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
}

/// Facts of the page.
#[derive(Debug, Clone, Default)]
pub struct Maintenances {
    pub all: Vec<Maintenance>,
    pub form: Form,
}

const fn one(name: &'static str, label: &'static str, input: Input) -> Field<'static> {
    Field { name, label, help: "", placeholder: "", input, is_required: false }
}

const NOTE: Field<'static> =
    Field { placeholder: "database upgrade", ..one("note", "Note", Input::Text) };

const SCOPE: [Field<'static>; 2] = [
    Field {
        help: "A * stands for any characters.",
        placeholder: "db-*",
        ..one("match.name", "Services", Input::Text)
    },
    Field { placeholder: "core", ..one("match.group", "Group", Input::Text) },
];

const ONCE: [Field<'static>; 2] = [
    Field { help: "In UTC.", ..one("from", "From", Input::Moment) },
    Field { help: "In UTC.", ..one("to", "To", Input::Moment) },
];

const REPEATED: [Field<'static>; 4] = [
    Field { placeholder: "23:00", ..one("start", "Start", Input::Text) },
    Field { placeholder: "1h", ..one("duration", "Duration", Input::Text) },
    Field { placeholder: "Europe/Berlin", ..one("timezone", "Time zone", Input::Text) },
    Field {
        help: "Days, such as Saturday, Sunday; every day when empty.",
        placeholder: "Sunday",
        ..one("every", "On", Input::Text)
    },
];

/// Every field of the form.
pub fn fields() -> impl Iterator<Item = &'static Field<'static>> {
    std::iter::once(&NOTE).chain(&SCOPE).chain(&ONCE).chain(&REPEATED)
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
        @if frame.access.can_write { (form(&facts.form)) }
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
                            @if one.note.is_empty() { "Maintenance " (one.id) } @else { (one.note) }
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
                        td { (state(one, now_ms)) }
                        td.num {
                            @if frame.access.can_write && !one.is_of_file {
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

fn form(form: &Form) -> Markup {
    let names: Vec<&str> = fields().map(|field| field.name).collect();
    let is_repeated = REPEATED
        .iter()
        .any(|field| !form.value(field.name).is_empty() || !form.errors(field.name).is_empty());
    html! {
        section.card aria-labelledby="plan-title" {
            header { h2 #plan-title { "Plan maintenance" } }
            div.in {
                (other_problems(form, &names))
                form.form method="post" action="/maintenance" {
                    (field(&NOTE, form))
                    div.pair { @for one in &SCOPE { (field(one, form)) } }
                    div.pair { @for one in &ONCE { (field(one, form)) } }
                    details open[is_repeated] {
                        summary { "Or repeated" }
                        div.form {
                            div.pair { @for one in &REPEATED[..2] { (field(one, form)) } }
                            div.pair { @for one in &REPEATED[2..] { (field(one, form)) } }
                        }
                    }
                    div { button.btn.go { "Plan it" } }
                }
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
    fn a_repeated_form_stays_unfolded() {
        let values = [("start".to_owned(), "25:00".to_owned())].into();
        let form = Form { values, problems: vec!["start: invalid value".to_owned()] };
        let markup = super::form(&form).into_string();
        assert!(markup.contains("<details open>") && markup.contains("start: invalid value</p>"));
    }
}
