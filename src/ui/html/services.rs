//! The list of services with its filters.

use maud::{Markup, html};

use crate::domain::shown_state::ShownState;
use crate::ui::html::events::reasons;
use crate::ui::html::frame::Frame;
use crate::ui::html::overview::Counts;
use crate::ui::html::paging::{Position, paging};
use crate::ui::html::parts::{icon, state_icon};
use crate::ui::html::rows::{self, Row};
use crate::ui::html::text;

/// Order of the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Trouble first, newest first.
    #[default]
    Attention,
    Name,
    /// Newest change of the state first.
    Since,
    /// Slowest newest result first.
    Response,
}

impl Sort {
    pub const ALL: [Self; 4] = [Self::Attention, Self::Name, Self::Since, Self::Response];

    pub fn word(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Name => "name",
            Self::Since => "since",
            Self::Response => "response",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.word() == word)
    }

    fn label(self) -> &'static str {
        match self {
            Self::Attention => "trouble first",
            Self::Name => "by name",
            Self::Since => "newest change first",
            Self::Response => "slowest first",
        }
    }
}

/// What the address of the page selects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub search: String,
    pub state: Option<ShownState>,
    /// `None` for all; empty for services without a group.
    pub group: Option<String>,
    /// Empty for all.
    pub reason: String,
    pub sort: Sort,
}

impl Filter {
    /// The address of a page with this filter.
    pub fn link(&self, page: u32) -> String {
        let mut query = Vec::new();
        if !self.search.is_empty() {
            query.push(format!("q={}", text::encoded(&self.search)));
        }
        query.extend(self.state.map(|state| format!("state={}", state.word())));
        query.extend(self.group.as_ref().map(|group| format!("group={}", text::encoded(group))));
        if !self.reason.is_empty() {
            query.push(format!("reason={}", text::encoded(&self.reason)));
        }
        if self.sort != Sort::default() {
            query.push(format!("sort={}", self.sort.word()));
        }
        if page > 1 {
            query.push(format!("page={page}"));
        }
        match query.is_empty() {
            true => "/services".to_owned(),
            false => format!("/services?{}", query.join("&")),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self { sort: self.sort, ..Self::default() }
    }
}

/// Facts of the list.
#[derive(Debug, Clone)]
pub struct Services {
    pub filter: Filter,
    pub rows: Vec<Row>,
    pub position: Position,
    /// Of all services.
    pub counts: Counts,
    /// Names of the groups; empty for services without one.
    pub groups: Vec<String>,
    pub reasons: Vec<&'static str>,
}

/// The list of services.
pub fn page(frame: &Frame, facts: &Services) -> Markup {
    let Services { filter, rows, position, .. } = facts;
    let content = html! {
        div.head {
            h1 { "Services" }
            @if frame.access.can_write {
                a.btn.go.end href="/services/new" { (icon("add", "")) "Add a service" }
            }
        }
        div #summary data-live { (states(facts)) }
        (filters(facts))
        section.card #rows data-live aria-label="Services" {
            @if rows.is_empty() {
                div.empty {
                    @if facts.counts.total() == 0 {
                        p {
                            "No service yet. "
                            @if frame.access.can_write {
                                a href="/services/new" { "Add the first one" } "."
                            }
                        }
                    } @else {
                        p { "No service matches. " a href="/services" { "Show all services" } "." }
                    }
                }
            } @else { (rows::table(rows, "Services", frame.now_ms)) }
            footer { (paging(*position, |page| filter.link(page))) }
        }
    };
    frame.page("Services", &content)
}

/// Links to the states; they keep the other filters.
fn states(facts: &Services) -> Markup {
    let link = |state| Filter { state, ..facts.filter.clone() }.link(1);
    let current = |state| (facts.filter.state == state).then_some("true");
    html! {
        nav.pills aria-label="Services by state" {
            a href=(link(None)) aria-current=[current(None)] {
                b { (text::count(facts.counts.total())) } "all"
            }
            @for (state, count) in facts.counts.by_state() {
                a href=(link(Some(state))) aria-current=[current(Some(state))] {
                    (state_icon(state))
                    b data-count=(state.word()) { (text::count(count)) }
                    (state.word())
                }
            }
        }
    }
}

fn filters(facts: &Services) -> Markup {
    let Filter { search, state, group, reason, sort } = &facts.filter;
    html! {
        form.filters action="/services" {
            @if let Some(state) = state { input type="hidden" name="state" value=(state.word()); }
            div.field {
                label for="q" { "Name or address" }
                input #q name="q" type="search" value=(search) autocomplete="off";
            }
            div.field {
                label for="group" { "Group" }
                select #group name="group" {
                    option value="*" { "all groups" }
                    @for name in &facts.groups {
                        option value=(name) selected[group.as_ref() == Some(name)] {
                            @if name.is_empty() { "without a group" } @else { (name) }
                        }
                    }
                }
            }
            (reasons(&facts.reasons, reason))
            div.field {
                label for="sort" { "Order" }
                select #sort name="sort" {
                    @for one in Sort::ALL {
                        option value=(one.word()) selected[one == *sort] { (one.label()) }
                    }
                }
            }
            button.btn { "Apply" }
            @if !facts.filter.is_empty() { a.btn href="/services" { "Clear" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::html::rows::tests::{NOW_MS, sample};

    fn facts(filter: Filter, rows: Vec<Row>) -> Services {
        let total = rows.len() as u64 * 30;
        Services {
            filter,
            rows,
            position: Position { page: 2, limit: 50, total },
            counts: Counts { up: 1_204, down: 3, ..Counts::default() },
            groups: vec![String::new(), "core & co".to_owned()],
            reasons: vec!["status"],
        }
    }

    #[test]
    fn the_address_has_every_filter_and_no_default() {
        assert_eq!(Filter::default().link(1), "/services");
        let filter = Filter {
            search: "pay &".to_owned(),
            state: Some(ShownState::Down),
            group: Some(String::new()),
            reason: "status".to_owned(),
            sort: Sort::Since,
        };
        let link = "/services?q=pay+%26&state=down&group=&reason=status&sort=since&page=3";
        assert_eq!(filter.link(3), link);
        for sort in Sort::ALL {
            assert_eq!(Sort::from_word(sort.word()), Some(sort));
        }
    }

    #[test]
    fn links_to_states_keep_the_other_filters() {
        let filter = Filter { search: "pay".to_owned(), ..Filter::default() };
        let rows = (1..=5).map(|id| sample(id, "pay")).collect();
        let frame = Frame { now_ms: NOW_MS, ..Frame::default() };
        let page = page(&frame, &facts(filter, rows)).into_string();
        assert!(page.contains("/services?q=pay&amp;state=down"));
        assert!(page.contains("rel=\"next\" href=\"/services?q=pay&amp;page=3\""), "{page}");
        assert!(page.contains("51 to 100 of 150") && page.contains("href=\"/services\">Clear"));
        assert!(page.contains("core &amp; co"));
    }

    #[test]
    fn a_search_without_result_leads_back() {
        let filter = Filter { search: "nothing".to_owned(), ..Filter::default() };
        let page = page(&Frame::default(), &facts(filter, Vec::new())).into_string();
        assert!(page.contains("No service matches.") && page.contains("Show all services"));
    }
}
