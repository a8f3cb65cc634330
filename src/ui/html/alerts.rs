//! Alerts: to acknowledge, to silence.

use maud::{Markup, html};

use crate::ui::html::channels::tabs;
use crate::ui::html::field::{Field, Form, Input, field, other_problems};
use crate::ui::html::frame::Frame;
use crate::ui::html::paging::{Position, paging};
use crate::ui::html::parts::{icon, post_button};
use crate::ui::html::rows::Why;
use crate::ui::html::text;

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub id: i64,
    pub service_id: Option<i64>,
    /// Name of the service, or of the monitor.
    pub name: String,
    pub group: Option<String>,
    pub kind: &'static str,
    pub severity: &'static str,
    pub state: &'static str,
    pub since_ms: i64,
    pub resolved_ms: Option<i64>,
    pub why: Option<Why>,
    /// Why its begin is not delivered.
    pub suppressed_by: Option<&'static str>,
    /// Who acknowledged it, with a note.
    pub acknowledged: Option<String>,
}

impl Alert {
    fn is_open(&self) -> bool {
        self.resolved_ms.is_none()
    }

    fn is_acknowledged(&self) -> bool {
        self.acknowledged.is_some()
    }
}

/// A silence that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    pub id: i64,
    /// What it matches, in words.
    pub matches: String,
    pub from_ms: i64,
    pub to_ms: i64,
    /// Who and why.
    pub note: String,
    /// Whether the reader may end it, as far as groups decide that.
    pub can_end: bool,
}

/// Facts of the page.
#[derive(Debug, Clone)]
pub struct Alerts {
    pub alerts: Vec<Alert>,
    pub position: Position,
    /// Whether ended alerts are listed too.
    pub has_ended: bool,
    pub silences: Vec<Silence>,
    /// The form of a new silence.
    pub form: Form,
    /// Whether a channel exists.
    pub has_channel: bool,
}

/// How long a silence lasts: value and label.
pub const LENGTHS: &[(&str, &str)] =
    &[("1h", "1 hour"), ("4h", "4 hours"), ("1d", "1 day"), ("7d", "1 week"), ("30d", "30 days")];

const fn silence_field(name: &'static str, label: &'static str, input: Input) -> Field<'static> {
    Field { name, label, help: "", placeholder: "", input, is_required: false }
}

const SILENCE: [Field<'static>; 5] = [
    Field {
        help: "A * stands for any characters; * alone matches every service.",
        placeholder: "db-*",
        ..silence_field("match.name", "Services", Input::Text)
    },
    Field { placeholder: "core", ..silence_field("match.group", "Group", Input::Text) },
    Field { is_required: true, ..silence_field("length", "For", Input::Choice(LENGTHS)) },
    silence_field("by", "Your name", Input::Text),
    silence_field("note", "Note", Input::Text),
];

/// The page of alerts.
pub fn page(frame: &Frame, facts: &Alerts) -> Markup {
    let link = |page: u32| {
        let all = if facts.has_ended { "state=all&" } else { "" };
        format!("/alerts?{all}page={page}")
    };
    let current = |has_ended| (facts.has_ended == has_ended).then_some("true");
    let content = html! {
        div.head { h1 { "Alerts" } (tabs("/alerts", frame.access)) }
        @if !facts.has_channel {
            div.note.warn {
                (icon("warn", "s-degraded"))
                p {
                    "No channel exists, so no alert is delivered. "
                    @if !frame.access.is_limited {
                        a href="/channels/new" { "Add a channel" } "."
                    }
                }
            }
        }
        section.card #rows data-live aria-label="Alerts" {
            header {
                nav.tabs aria-label="Alerts by state" {
                    a href="/alerts" aria-current=[current(false)] { "open" }
                    a href="/alerts?state=all" aria-current=[current(true)] { "all" }
                }
            }
            @if facts.alerts.is_empty() {
                div.in {
                    p.muted {
                        @if facts.has_ended { "No alert so far." } @else { "No open alert." }
                    }
                }
            } @else { (table(frame, &facts.alerts)) }
            footer { (paging(facts.position, link)) }
        }
        (silences(frame, facts))
    };
    frame.page("Alerts", &content)
}

fn table(frame: &Frame, alerts: &[Alert]) -> Markup {
    let now_ms = frame.now_ms;
    html! {
        table {
            caption.vh { "Alerts, newest first" }
            thead {
                tr {
                    th scope="col" { "Service" }
                    th scope="col" { "Alert" }
                    th scope="col" { "Why" }
                    th scope="col" { "Since" }
                    th scope="col" { span.vh { "Actions" } }
                }
            }
            tbody {
                @for alert in alerts {
                    tr id={ "a" (alert.id) } {
                        th.all scope="row" {
                            div.name {
                                (severity_icon(alert))
                                span {
                                    @match alert.service_id {
                                        Some(id) => a href={ "/services/" (id) } { (alert.name) },
                                        None => (alert.name),
                                    }
                                    @if let Some(group) = &alert.group { " " span.sub { (group) } }
                                }
                            }
                        }
                        td {
                            span {
                                (alert.kind.replace('-', " ")) span.muted { ", " (alert.severity) }
                                span.sub.block { (state(alert)) }
                            }
                        }
                        td.all.muted {
                            @if let Some(why) = &alert.why { (why.sentence()) }
                        }
                        td data-label="Since" {
                            span {
                                (text::moment(alert.since_ms, now_ms))
                                span.sub.block {
                                    @match alert.resolved_ms {
                                        Some(at_ms) => {
                                            "lasted "
                                            (text::span((at_ms - alert.since_ms).unsigned_abs()))
                                        }
                                        None => (text::age(alert.since_ms, now_ms)),
                                    }
                                }
                            }
                        }
                        td.num {
                            @if frame.access.can_write && alert.is_open() { (actions(alert)) }
                        }
                    }
                }
            }
        }
    }
}

fn severity_icon(alert: &Alert) -> Markup {
    match (alert.is_open(), alert.severity) {
        (false, _) => icon("up", "s-up"),
        (true, "critical") => icon("down", "s-down"),
        (true, _) => icon("warn", "s-degraded"),
    }
}

fn state(alert: &Alert) -> Markup {
    html! {
        @match &alert.acknowledged {
            Some(words) if alert.is_open() => {
                "acknowledged" @if !words.is_empty() { ": " (words) }
            }
            _ => (alert.state),
        }
        @if let Some(cause) = alert.suppressed_by {
            ", not delivered: " (cause.replace('-', " "))
        }
    }
}

fn actions(alert: &Alert) -> Markup {
    html! {
        @if alert.is_acknowledged() {
            (post_button(&format!("/alerts/{}/unacknowledge", alert.id), "bell",
                "Take back", "small"))
        } @else {
            details {
                summary { "Acknowledge" }
                form.form method="post" action={ "/alerts/" (alert.id) "/acknowledge" } {
                    div.field {
                        label for={ "by" (alert.id) } { "Your name" span.help { " optional" } }
                        input id={ "by" (alert.id) } name="by" autocomplete="name";
                    }
                    div.field {
                        label for={ "note" (alert.id) } { "Note" span.help { " optional" } }
                        input id={ "note" (alert.id) } name="note" autocomplete="off";
                    }
                    div { button.btn { "Acknowledge " (alert.name) } }
                }
            }
        }
    }
}

fn silences(frame: &Frame, facts: &Alerts) -> Markup {
    let now_ms = frame.now_ms;
    let names = SILENCE.map(|field| field.name);
    html! {
        section.card #silence aria-labelledby="silence-title" {
            header {
                h2 #silence-title { "Silences" }
                span.sub { "no message about matching alerts while they last" }
            }
            @if !facts.silences.is_empty() {
                table {
                    caption.vh { "Silences" }
                    thead {
                        tr {
                            th scope="col" { "Matches" }
                            th scope="col" { "Note" }
                            th scope="col" { "Until" }
                            th scope="col" { span.vh { "Actions" } }
                        }
                    }
                    tbody {
                        @for silence in &facts.silences {
                            tr {
                                th.all scope="row" { (silence.matches) }
                                td.muted { (silence.note) }
                                td data-label="Until" {
                                    span {
                                        (text::moment(silence.to_ms, now_ms))
                                        @if silence.from_ms > now_ms {
                                            span.sub.block {
                                                "from " (text::moment(silence.from_ms, now_ms))
                                            }
                                        }
                                    }
                                }
                                td.num {
                                    @if frame.access.can_write && silence.can_end {
                                        (post_button(&format!("/silences/{}/delete", silence.id),
                                            "bell", "End", "small"))
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if frame.access.can_write {
                div.in {
                    details open[!facts.form.values.is_empty()] {
                        summary { "Add a silence" }
                        (other_problems(&facts.form, &names))
                        form.form method="post" action="/silences" {
                            div.pair { @for one in &SILENCE[..2] { (field(one, &facts.form)) } }
                            (field(&SILENCE[2], &facts.form))
                            div.pair { @for one in &SILENCE[3..] { (field(one, &facts.form)) } }
                            div { button.btn { "Add the silence" } }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::html::frame::Access;

    const NOW_MS: i64 = 1_795_948_867_500;

    fn alert() -> Alert {
        Alert {
            id: 3,
            service_id: Some(7),
            name: "pay".to_owned(),
            group: None,
            kind: "down",
            severity: "critical",
            state: "firing",
            since_ms: NOW_MS - 360_000,
            resolved_ms: None,
            why: Some(Why { reason: "timeout".to_owned(), detail: String::new() }),
            suppressed_by: None,
            acknowledged: None,
        }
    }

    fn shown(alert: Alert, can_write: bool) -> String {
        let access = Access { can_write, ..Access::default() };
        let facts = Alerts {
            alerts: vec![alert],
            position: Position { page: 1, limit: 50, total: 1 },
            has_ended: false,
            silences: Vec::new(),
            form: Form::default(),
            has_channel: false,
        };
        page(&Frame { access, now_ms: NOW_MS, ..Frame::default() }, &facts).into_string()
    }

    #[test]
    fn an_open_alert_can_be_acknowledged_and_taken_back() {
        let open = shown(alert(), true);
        assert!(open.contains("action=\"/alerts/3/acknowledge\"") && open.contains("id=\"a3\""));
        assert!(open.contains("No channel exists, so no alert is delivered."));
        let words = Some("ann: on it".to_owned());
        let taken = shown(Alert { acknowledged: words, state: "acknowledged", ..alert() }, true);
        assert!(taken.contains("acknowledged: ann: on it") && taken.contains("/unacknowledge"));
        let ended = shown(Alert { resolved_ms: Some(NOW_MS), ..alert() }, true);
        assert!(!ended.contains("acknowledge") && ended.contains("lasted 6 min"), "{ended}");
        assert!(!shown(alert(), false).contains("method=\"post\""));
    }

    #[test]
    fn a_suppressed_alert_says_why() {
        let shown = shown(Alert { suppressed_by: Some("quiet-hours"), ..alert() }, true);
        assert!(shown.contains("firing, not delivered: quiet hours"), "{shown}");
    }
}
