//! Events: as a list beside other content, and as a page.

use maud::{Markup, html};

use crate::domain::shown_state::ShownState;
use crate::ui::html::frame::Frame;
use crate::ui::html::paging::{Position, paging};
use crate::ui::html::parts::{state_icon, state_word};
use crate::ui::html::rows::Why;
use crate::ui::html::text;

/// A period in which the state of a service did not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: i64,
    pub service_id: i64,
    pub service_name: String,
    pub state: ShownState,
    pub why: Option<Why>,
    /// Unix milliseconds.
    pub from_ms: i64,
    /// `None` while it lasts.
    pub to_ms: Option<i64>,
}

impl Event {
    fn lasted(&self, now_ms: i64) -> String {
        let ms = self.to_ms.unwrap_or(now_ms).saturating_sub(self.from_ms);
        text::span(u64::try_from(ms).unwrap_or_default())
    }

    /// The event as the end of a sentence about its service.
    fn clause(&self) -> &'static str {
        match (self.state, self.to_ms) {
            (ShownState::Up, _) => "is up",
            (ShownState::Down, None) => "is down",
            (ShownState::Down, Some(_)) => "was down",
            (ShownState::Paused, None) => "is paused",
            (ShownState::Paused, Some(_)) => "was paused",
            (_, None) => "is not watched",
            (_, Some(_)) => "was not watched",
        }
    }
}

/// The newest events in few words.
pub fn feed(events: &[Event], now_ms: i64) -> Markup {
    html! {
        @if events.is_empty() { div.in { p.muted { "Nothing has happened yet." } } }
        ul.feed {
            @for event in events {
                li {
                    (state_icon(event.state))
                    div {
                        a href={ "/services/" (event.service_id) } { (event.service_name) }
                        " " (event.clause())
                        @if event.to_ms.is_some() || event.state == ShownState::Down {
                            " for " (event.lasted(now_ms))
                        }
                        @if let Some(why) = &event.why { div.sub { (why.sentence()) } }
                    }
                    span.sub.nowrap { (text::age(event.from_ms, now_ms)) }
                }
            }
        }
    }
}

/// Facts of the page of events.
#[derive(Debug, Clone)]
pub struct Events {
    pub events: Vec<Event>,
    pub position: Position,
    /// Only events of this state.
    pub state: Option<ShownState>,
    /// Only events with this failure reason; empty for all.
    pub reason: String,
    /// Id and name of the one service whose events are listed.
    pub service: Option<(i64, String)>,
    /// Reasons to choose from.
    pub reasons: Vec<&'static str>,
}

/// States of events, as filters.
pub const STATES: [ShownState; 4] =
    [ShownState::Down, ShownState::Up, ShownState::Unknown, ShownState::Paused];

/// The page of events.
pub fn page(frame: &Frame, facts: &Events) -> Markup {
    let link = |page: u32| {
        let mut query = vec![format!("page={page}")];
        query.extend(facts.state.map(|state| format!("state={}", state.word())));
        if !facts.reason.is_empty() {
            query.push(format!("reason={}", text::encoded(&facts.reason)));
        }
        query.extend(facts.service.as_ref().map(|(id, _)| format!("service={id}")));
        format!("/events?{}", query.join("&"))
    };
    let content = html! {
        div.head {
            h1 { "Events" }
            @if let Some((id, name)) = &facts.service {
                p {
                    "of " a href={ "/services/" (id) } { (name) } " "
                    a.sub href="/events" { "(all)" }
                }
            }
        }
        form.filters action="/events" {
            @if let Some((id, _)) = &facts.service {
                input type="hidden" name="service" value=(id);
            }
            div.field {
                label for="state" { "State" }
                select #state name="state" {
                    option value="" { "any" }
                    @for state in STATES {
                        option value=(state.word()) selected[facts.state == Some(state)] {
                            (state.word())
                        }
                    }
                }
            }
            (reasons(&facts.reasons, &facts.reason))
            button.btn { "Filter" }
        }
        section.card #rows data-live aria-label="Events" {
            @if facts.events.is_empty() {
                div.in { p.muted { "No event matches." } }
            } @else { (table(&facts.events, facts.service.is_none(), frame.now_ms)) }
            footer { (paging(facts.position, link)) }
        }
    };
    frame.page("Events", &content)
}

/// The choice of a failure reason.
pub fn reasons(all: &[&'static str], current: &str) -> Markup {
    html! {
        div.field {
            label for="reason" { "Reason" }
            select #reason name="reason" {
                option value="" { "any" }
                @for reason in all {
                    option value=(reason) selected[*reason == current] {
                        (reason.replace('_', " "))
                    }
                }
            }
        }
    }
}

/// A row for each event.
pub fn table(events: &[Event], has_names: bool, now_ms: i64) -> Markup {
    html! {
        table {
            caption.vh { "Events, newest first" }
            thead {
                tr {
                    @if has_names { th scope="col" { "Service" } }
                    th scope="col" { "State" }
                    th scope="col" { "Why" }
                    th scope="col" { "Since" }
                    th.num scope="col" { "Lasted" }
                }
            }
            tbody {
                @for event in events {
                    tr {
                        @if has_names {
                            th.all scope="row" {
                                a.plain href={ "/services/" (event.service_id) } {
                                    (event.service_name)
                                }
                            }
                        }
                        td {
                            span.row.nowrap { (state_icon(event.state)) (state_word(event.state)) }
                        }
                        td.all.muted {
                            @if let Some(why) = &event.why { (why.sentence()) }
                        }
                        td.nowrap data-label="Since" { (text::moment(event.from_ms, now_ms)) }
                        td.num data-label="Lasted" {
                            span {
                                (event.lasted(now_ms))
                                @if event.to_ms.is_none() { span.sub { " so far" } }
                            }
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

    const NOW_MS: i64 = 1_795_948_867_500;

    fn event(state: ShownState, to_ms: Option<i64>) -> Event {
        let why = Why { reason: "status".to_owned(), detail: String::new() };
        Event {
            id: 1,
            service_id: 7,
            service_name: "pay".to_owned(),
            state,
            why: Some(why),
            from_ms: NOW_MS - 7_200_000,
            to_ms,
        }
    }

    #[test]
    fn an_event_is_a_sentence() {
        let ended = event(ShownState::Down, Some(NOW_MS - 6_840_000));
        let feed = feed(&[ended, event(ShownState::Up, None)], NOW_MS).into_string();
        assert!(feed.contains("</a> was down for 6 min"), "{feed}");
        assert!(feed.contains("</a> is up<") && feed.contains(">2 h</time>"), "{feed}");
        assert!(feed.contains("<div class=\"sub\">status</div>"));
    }

    #[test]
    fn a_page_keeps_its_filters_in_its_links() {
        let facts = Events {
            events: vec![event(ShownState::Down, None)],
            position: Position { page: 1, limit: 50, total: 100 },
            state: Some(ShownState::Down),
            reason: "status".to_owned(),
            service: Some((7, "pay".to_owned())),
            reasons: vec!["status", "timeout"],
        };
        let page = page(&Frame { now_ms: NOW_MS, ..Frame::default() }, &facts).into_string();
        let link = "/events?page=2&amp;state=down&amp;reason=status&amp;service=7";
        assert!(page.contains(link), "{page}");
        assert!(page.contains("<option value=\"status\" selected>"));
        assert!(page.contains("2 h<span class=\"sub\"> so far</span>"), "{page}");
    }
}
