//! The first page: what is wrong, or that nothing is.

use maud::{Markup, html};

use crate::domain::shown_state::ShownState;
use crate::ui::html::events::{Event, feed};
use crate::ui::html::frame::Frame;
use crate::ui::html::maintenance::{Maintenance, near};
use crate::ui::html::parts::{command, icon, state_icon};
use crate::ui::html::rows::{self, Row};
use crate::ui::html::service_form::{ServiceForm, simple_form};
use crate::ui::html::text;

/// Number of services in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub up: u64,
    pub down: u64,
    pub unknown: u64,
    pub pending: u64,
    pub paused: u64,
}

impl Counts {
    pub fn total(&self) -> u64 {
        self.up + self.down + self.unknown + self.pending + self.paused
    }

    pub fn by_state(&self) -> [(ShownState, u64); 5] {
        [
            (ShownState::Down, self.down),
            (ShownState::Unknown, self.unknown),
            (ShownState::Up, self.up),
            (ShownState::Pending, self.pending),
            (ShownState::Paused, self.paused),
        ]
    }

    /// The state that a set of services is shown with: the worst one.
    pub fn worst(&self) -> ShownState {
        match self {
            Self { down: 1.., .. } => ShownState::Down,
            Self { unknown: 1.., .. } => ShownState::Unknown,
            Self { up: 1.., .. } => ShownState::Up,
            Self { pending: 1.., .. } => ShownState::Pending,
            _ => ShownState::Paused,
        }
    }
}

/// A group with its services by state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Empty for services without a group.
    pub name: String,
    pub counts: Counts,
}

/// Facts of the first page.
#[derive(Debug, Clone, Default)]
pub struct Overview {
    pub counts: Counts,
    /// Services in trouble, newest first; or all of a small installation.
    pub rows: Vec<Row>,
    /// Whether `rows` are all services.
    pub has_all: bool,
    /// In trouble first.
    pub groups: Vec<Group>,
    /// All maintenance.
    pub planned: Vec<Maintenance>,
    /// The newest events.
    pub events: Vec<Event>,
    /// For the form of an empty installation.
    pub form: ServiceForm,
    /// Address of this installation for the example of the API.
    pub base_url: String,
}

/// The first page.
pub fn page(frame: &Frame, facts: &Overview) -> Markup {
    if facts.counts.total() == 0 {
        return frame.page("Welcome", &welcome(frame, facts));
    }
    let counts = &facts.counts;
    let trouble = counts.down + counts.unknown;
    let content = html! {
        div.summary #summary data-live { (headline(counts, false)) (pills(counts, None)) }
        div.notes #planned data-live { (near(&facts.planned, frame.now_ms)) }
        @if !facts.rows.is_empty() {
            section.card #rows data-live aria-labelledby="rows-title" {
                header {
                    h2 #rows-title {
                        @if facts.has_all { "Services" } @else { "Trouble" }
                    }
                    @if !facts.has_all && trouble > facts.rows.len() as u64 {
                        span.sub {
                            "newest " (facts.rows.len()) " of " (text::count(trouble))
                        }
                    }
                    a.end href="/services" { "All services" }
                    @if frame.access.can_write { a href="/services/new" { "Add a service" } }
                }
                (rows::table(&facts.rows, "Services", frame.now_ms))
            }
        }
        div.cols {
            section.card #groups data-live aria-labelledby="groups-title" {
                header { h2 #groups-title { "Groups" } span.sub { (facts.groups.len()) } }
                div.in { (groups(&facts.groups)) }
            }
            section.card #recent data-live aria-labelledby="recent-title" {
                header { h2 #recent-title { "Recently" } a.end href="/events" { "All events" } }
                (feed(&facts.events, frame.now_ms))
            }
        }
    };
    frame.page("Overview", &content)
}

/// One sentence about all services, and the numbers of the other states `has_rest`.
pub fn headline(counts: &Counts, has_rest: bool) -> Markup {
    let (state, title) = match counts {
        Counts { down: 1, .. } => (ShownState::Down, "1 service is down".to_owned()),
        Counts { down: down @ 2.., .. } => {
            (ShownState::Down, format!("{} services are down", text::count(*down)))
        }
        Counts { unknown: unknown @ 1.., .. } => {
            let verb = if *unknown == 1 { "is" } else { "are" };
            let title = format!("{} {verb} not watched", text::counted(*unknown, "service"));
            (ShownState::Unknown, title)
        }
        Counts { up: 0, .. } => (counts.worst(), "No service is watched yet".to_owned()),
        Counts { up: 1, pending: 0, .. } => (ShownState::Up, "1 service is up".to_owned()),
        Counts { up, pending: 0, .. } => {
            (ShownState::Up, format!("All {} services are up", text::count(*up)))
        }
        Counts { up, .. } => (ShownState::Up, format!("{} are up", text::counted(*up, "service"))),
    };
    let rest = counts.by_state().into_iter().filter(|(other, count)| *count > 0 && *other != state);
    let rest: Vec<String> =
        rest.map(|(state, count)| format!("{} {}", text::count(count), state.word())).collect();
    html! {
        div.verdict {
            (state_icon(state))
            div {
                h1 { (title) }
                @if has_rest && !rest.is_empty() { p { (rest.join(", ")) } }
            }
        }
    }
}

/// Links to the services of each state; `current` is marked.
pub fn pills(counts: &Counts, current: Option<ShownState>) -> Markup {
    html! {
        nav.pills aria-label="Services by state" {
            @for (state, count) in counts.by_state() {
                @if count > 0 || matches!(state, ShownState::Up | ShownState::Down) {
                    a href={ "/services?state=" (state.word()) }
                        aria-current=[(current == Some(state)).then_some("true")] {
                        (state_icon(state))
                        b data-count=(state.word()) { (text::count(count)) }
                        (state.word())
                    }
                }
            }
        }
    }
}

fn groups(groups: &[Group]) -> Markup {
    html! {
        ul.groups {
            @for group in groups {
                @let Counts { up, down, .. } = group.counts;
                @let total = group.counts.total();
                li {
                    a href={ "/services?group=" (text::encoded(&group.name)) } {
                        (state_icon(group.counts.worst()))
                        span {
                            @if group.name.is_empty() { "without a group" }
                            @else { (group.name) }
                        }
                        span.muted.nowrap {
                            @if down > 0 { b.s-down { (text::count(down)) " down" } " of " }
                            @else if up < total { (text::count(up)) " up of " }
                            (text::count(total))
                        }
                        (share(&group.counts))
                    }
                }
            }
        }
    }
}

/// The states of a group as one line.
pub fn share(counts: &Counts) -> Markup {
    let total = counts.total().max(1) as f64;
    // A single service in trouble is visible among thousands.
    let width = |count: u64| if count == 0 { 0.0 } else { (200.0 * count as f64 / total).max(3.0) };
    let (down, up) = (width(counts.down), width(counts.up));
    let none = (200.0 - down - up).max(0.0);
    html! {
        svg.share viewBox="0 0 200 4" preserveAspectRatio="none" aria-hidden="true" {
            @for (class, x, width) in
                [("f-up", down, up), ("f-none", down + up, none), ("f-down", 0.0, down)]
            {
                @if width > 0.0 {
                    rect class=(class) x=(format!("{x:.1}")) width=(format!("{width:.1}"))
                        height="4" {}
                }
            }
        }
    }
}

/// The first page of an installation without services.
fn welcome(frame: &Frame, facts: &Overview) -> Markup {
    let body = "{\"name\": \"example\", \"url\": \"https://example.org/\"}";
    let curl = format!(
        "curl {}/v1/services \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'",
        facts.base_url
    );
    html! {
        div.verdict {
            (icon("pending", "s-none"))
            div {
                h1 { "Add your first service" }
                p { "It is probed at once, and its first result stands here a moment later." }
            }
        }
        div.cols.even {
            section.card aria-labelledby="form-title" {
                header { h2 #form-title { "In the browser" } }
                div.in {
                    @if frame.access.can_write { (simple_form(&facts.form)) }
                    @else { p { a href="/login?back=/" { "Sign in" } " to add a service." } }
                }
            }
            section.card aria-labelledby="other-title" {
                header { h2 #other-title { "Or another way" } }
                div.in.form {
                    div.field {
                        h3 { "By the API" }
                        (command(&curl))
                        p.help {
                            a href="/openapi.json" { "The OpenAPI document" } " has every field."
                        }
                    }
                    div.field {
                        h3 { "From a file" }
                        p { "Or point " code { "SERVICES_FILE" } " at your Gatus file:" }
                        (command("endpoints:\n  - name: example\n    url: https://example.org/"))
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::html::rows::tests::{NOW_MS, sample};

    fn headline(up: u64, down: u64, unknown: u64, pending: u64, paused: u64) -> String {
        super::headline(&Counts { up, down, unknown, pending, paused }, true).into_string()
    }

    #[test]
    fn the_headline_says_trouble_first() {
        for (counts, title, rest) in [
            ((1_204, 0, 0, 0, 3), "All 1,204 services are up", "<p>3 paused</p>"),
            ((1_201, 3, 0, 0, 0), "3 services are down", "<p>1,201 up</p>"),
            ((9, 1, 2, 0, 0), "1 service is down", "<p>2 unknown, 9 up</p>"),
            ((9, 0, 2, 0, 0), "2 services are not watched", "<p>9 up</p>"),
            ((9, 0, 0, 1, 0), "9 services are up", "<p>1 pending</p>"),
            ((1, 0, 0, 0, 0), "1 service is up", ""),
            ((0, 0, 0, 2, 0), "No service is watched yet", ""),
        ] {
            let (up, down, unknown, pending, paused) = counts;
            let markup = headline(up, down, unknown, pending, paused);
            assert!(markup.contains(&format!("<h1>{title}</h1>")), "{title} in {markup}");
            assert!(markup.contains(rest), "{rest} in {markup}");
        }
    }

    #[test]
    fn an_empty_installation_teaches() {
        let access = crate::ui::html::frame::Access { can_write: true, ..Default::default() };
        let frame = Frame { access, ..Frame::default() };
        let base_url = "http://127.0.0.1:9999".to_owned();
        let facts = Overview { base_url, ..Overview::default() };
        let page = page(&frame, &facts).into_string();
        for part in [
            "method=\"post\"",
            "name=\"url\"",
            "curl http://127.0.0.1:9999/v1/services",
            "SERVICES_FILE",
        ] {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn a_group_in_trouble_counts_what_is_down() {
        let counts = Counts { up: 39_999, down: 1, ..Counts::default() };
        let facts = Overview {
            counts,
            rows: vec![sample(1, "pay")],
            groups: vec![Group { name: "a&b".to_owned(), counts }],
            ..Overview::default()
        };
        let page = page(&Frame { now_ms: NOW_MS, ..Frame::default() }, &facts).into_string();
        assert!(page.contains("/services?group=a%26b") && page.contains("1 down</b> of 40,000"));
        assert!(page.contains("<rect class=\"f-down\" x=\"0.0\" width=\"3.0\""), "{page}");
    }
}
