//! The page of one service.

use maud::{Markup, html};

use crate::domain::history::timeline::Totals;
use crate::domain::shown_state::ShownState;
use crate::domain::strip::Slot;
use crate::ui::html::events::{self, Event};
use crate::ui::html::frame::{Frame, Section};
use crate::ui::html::parts::{icon, post_button, state_icon};
use crate::ui::html::rows::{Why, beside};
use crate::ui::html::service_history::{Check, Objective, Response, checks, response, windows};
use crate::ui::html::strip::days;
use crate::ui::html::text;

/// Facts of the page.
#[derive(Debug, Clone)]
pub struct Service {
    pub id: i64,
    pub name: String,
    pub group: Option<String>,
    /// With masked secrets.
    pub url: String,
    pub state: ShownState,
    pub is_flapping: bool,
    pub since_ms: Option<i64>,
    pub why: Option<Why>,
    /// End of the planned work that is under way, and its note.
    pub planned: Option<(i64, String)>,
    pub is_enabled: bool,
    /// Whether the services file defines it, so that it cannot be changed here.
    pub is_of_file: bool,
    /// Whether it can be probed; a push service reports by itself.
    pub has_probe: bool,
    /// The last 90 days, oldest first.
    pub days: Vec<Slot>,
    /// Name and totals of each window.
    pub windows: Vec<(&'static str, Totals)>,
    pub objective: Option<Objective>,
    pub response: Response,
    pub events: Vec<Event>,
    pub checks: Vec<Check>,
    /// Unix milliseconds at which the certificate expires.
    pub certificate_ms: Option<i64>,
    pub domain_ms: Option<i64>,
    /// Name and value of each further field.
    pub definition: Vec<(String, String)>,
    /// Id of the open alert, and its state.
    pub alert: Option<(i64, &'static str)>,
}

/// The page of a service.
pub fn page(frame: &Frame, facts: &Service) -> Markup {
    let content = html! {
        (head(frame, facts))
        section.card aria-labelledby="days-title" #history data-live {
            header { h2 #days-title { "Uptime" } span.sub { "days of UTC" } }
            div.in.form-wide {
                (days(&facts.days))
                (windows(&facts.windows, facts.objective.as_ref()))
            }
        }
        (response(&facts.response))
        div.cols.even {
            section.card #events data-live aria-labelledby="events-title" {
                header {
                    h2 #events-title { "Events" }
                    a.end href={ "/events?service=" (facts.id) } { "All events" }
                }
                @if facts.events.is_empty() { div.in { p.muted { "No event yet." } } }
                @else { (events::table(&facts.events, false, frame.now_ms)) }
            }
            section.card #checks data-live aria-labelledby="checks-title" {
                header { h2 #checks-title { "Newest checks" } }
                (checks(&facts.checks))
            }
        }
        (definition(frame, facts))
    };
    Frame { section: Section::Services, ..frame.clone() }.page(&facts.name, &content)
}

/// Name, verdict line and actions.
fn head(frame: &Frame, facts: &Service) -> Markup {
    let now_ms = frame.now_ms;
    html! {
        div.head {
            div {
                p.crumbs {
                    a href="/services" { "Services" }
                    @if let Some(group) = &facts.group {
                        " / "
                        a href={ "/services?group=" (text::encoded(group)) } { (group) }
                    }
                }
                h1 { (facts.name) }
                p.mono.muted { (facts.url) }
            }
            div.row.end { (actions(frame, facts)) }
        }
        div.verdict-line #summary data-live data-id=(facts.id) data-state=(facts.state.word()) {
            div.row.big {
                span data-field="icon" { (state_icon(facts.state)) }
                b.lead { (verdict(facts, now_ms)) }
                @if facts.is_flapping { (beside(ShownState::Flapping)) }
                @if let Some((id, state)) = facts.alert {
                    a.sub href={ "/alerts#a" (id) } { "alert " (state) }
                }
            }
            @if let Some(why) = &facts.why {
                p data-field="reason" { (why.sentence()) }
            }
            @if let Some((until_ms, note)) = &facts.planned {
                p.row {
                    (beside(ShownState::Maintenance))
                    span { "until " (text::moment(*until_ms, now_ms)) }
                    @if !note.is_empty() { span.muted { (note) } }
                }
            }
        }
    }
}

fn verdict(facts: &Service, now_ms: i64) -> Markup {
    let since = |preposition: &str| {
        html! {
            @if let Some(since_ms) = facts.since_ms {
                " " (preposition) " " span data-field="since" { (text::age(since_ms, now_ms)) }
            }
        }
    };
    html! {
        @match facts.state {
            ShownState::Up => { "Up" (since("for")) }
            ShownState::Down => { "Down" (since("for")) }
            ShownState::Unknown => { "Not watched" (since("for")) }
            ShownState::Pending => { "Waiting for the first result" }
            ShownState::Paused => { "Paused" }
            ShownState::Flapping | ShownState::Maintenance => { (facts.state.word()) }
        }
    }
}

fn actions(frame: &Frame, facts: &Service) -> Markup {
    let to = |verb: &str| format!("/services/{}/{verb}", facts.id);
    html! {
        @if frame.access.can_write {
            @if facts.has_probe { (post_button(&to("probe"), "probe", "Probe now", "")) }
            @if !facts.is_of_file {
                @if facts.is_enabled { (post_button(&to("pause"), "pause", "Pause", "")) }
                @else { (post_button(&to("resume"), "resume", "Resume", "")) }
                a.btn href=(to("edit")) { (icon("edit", "")) "Edit" }
            }
            a.btn href={ "/alerts?service=" (facts.id) "#silence" } { (icon("bell", "")) "Silence" }
        } @else if frame.access.can_sign_in {
            a href={ "/login?back=/services/" (facts.id) } { "Sign in to change" }
        }
    }
}

fn definition(frame: &Frame, facts: &Service) -> Markup {
    let now_ms = frame.now_ms;
    let left = |at_ms: i64| {
        html! {
            @if at_ms > now_ms {
                "expires in " (text::span((at_ms - now_ms).unsigned_abs())) ", on "
                (text::moment(at_ms, now_ms))
            } @else { span.s-down { "expired on " (text::moment(at_ms, now_ms)) } }
        }
    };
    html! {
        section.card #definition aria-labelledby="definition-title" {
            header {
                h2 #definition-title { "Definition" }
                @if facts.is_of_file {
                    span.sub { "from the services file; it can be changed only there" }
                }
            }
            div.in {
                dl.facts {
                    @if let Some(at_ms) = facts.certificate_ms {
                        dt { "Certificate" } dd { (left(at_ms)) }
                    }
                    @if let Some(at_ms) = facts.domain_ms { dt { "Domain" } dd { (left(at_ms)) } }
                    @for (name, value) in &facts.definition {
                        dt { (name) } dd.mono { (value) }
                    }
                }
            }
            @if frame.access.can_write && !facts.is_of_file {
                footer {
                    details {
                        summary { "Delete this service" }
                        form.row method="post" action={ "/services/" (facts.id) "/delete" } {
                            p { "Its probes stop. Its history stays in the store." }
                            button.btn.bad { "Delete " (facts.name) }
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
    use crate::domain::history::planned::Planned;
    use crate::domain::strip;
    use crate::ui::html::frame::Access;
    use crate::ui::html::service_history;

    const NOW_MS: i64 = 1_795_948_867_500;

    fn sample() -> Service {
        Service {
            id: 7,
            name: "pay".to_owned(),
            group: Some("core".to_owned()),
            url: "https://u:***@pay.example/".to_owned(),
            state: ShownState::Down,
            is_flapping: false,
            since_ms: Some(NOW_MS - 360_000),
            why: Some(Why { reason: "status".to_owned(), detail: "503".to_owned() }),
            planned: None,
            is_enabled: true,
            is_of_file: false,
            has_probe: true,
            days: strip::days(&[], Planned::NONE, 90, NOW_MS),
            windows: vec![("24 h", Totals { up_ms: 90, down_ms: 10, ..Totals::default() })],
            objective: None,
            response: service_history::tests::no_results(),
            events: Vec::new(),
            checks: Vec::new(),
            certificate_ms: Some(NOW_MS + 86_400_000 * 61),
            domain_ms: None,
            definition: vec![("interval".to_owned(), "15 s".to_owned())],
            alert: None,
        }
    }

    fn shown(facts: &Service, can_write: bool) -> String {
        let access = Access { can_write, can_sign_in: true, ..Access::default() };
        page(&Frame { now_ms: NOW_MS, access, ..Frame::default() }, facts).into_string()
    }

    #[test]
    fn the_verdict_says_since_when_and_why() {
        let page = shown(&sample(), true);
        for part in [
            "Down for ",
            ">6 min</time>",
            "data-field=\"reason\">503</p>",
            "90.00 %",
            "expires in 61 d, on ",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        for action in ["probe", "pause", "delete"] {
            assert!(page.contains(&format!("action=\"/services/7/{action}\"")), "{action}");
        }
    }

    #[test]
    fn a_service_of_the_file_can_only_be_probed() {
        let page = shown(&Service { is_of_file: true, ..sample() }, true);
        assert!(page.contains("/services/7/probe"));
        for action in ["/services/7/pause", "/services/7/edit", "/services/7/delete"] {
            assert!(!page.contains(action), "{action}");
        }
    }

    #[test]
    fn a_reader_without_rights_is_asked_to_sign_in() {
        let page = shown(&sample(), false);
        assert!(!page.contains("method=\"post\"") && page.contains("Sign in to change"));
    }
}
