//! The wall display: a tile for each group, trouble first.

use maud::{Markup, html};

use crate::domain::shown_state::ShownState;
use crate::ui::html::frame::Frame;
use crate::ui::html::overview::{Counts, Group, headline};
use crate::ui::html::parts::{icon, state_icon};
use crate::ui::html::rows::Row;
use crate::ui::html::text;

/// Facts of the wall display.
#[derive(Debug, Clone, Default)]
pub struct Wall {
    pub counts: Counts,
    /// In trouble first.
    pub groups: Vec<Group>,
    /// Services in trouble, newest first.
    pub rows: Vec<Row>,
}

/// The wall display.
pub fn page(frame: &Frame, facts: &Wall) -> Markup {
    let content = html! {
        div.head {
            div #summary data-live { (headline(&facts.counts, true)) }
            p.fresh.end #fresh {
                span.dot {}
                span data-field="fresh" { "as of " (text::clock(frame.now_ms)) }
            }
            a.square href="/" title="To the overview" {
                (icon("logo", "")) span.vh { "To the overview" }
            }
        }
        div #banner data-live { (frame.banner()) }
        div.tiles #rows data-live {
            @for row in &facts.rows { (trouble(row, frame.now_ms)) }
            @for group in &facts.groups { (tile(group)) }
        }
    };
    frame.bare("Wall", "wall", &content)
}

fn trouble(row: &Row, now_ms: i64) -> Markup {
    let class = if row.state == ShownState::Down { "t-down" } else { "t-none" };
    let (href, id) = (format!("/services/{}", row.id), format!("s{}", row.id));
    html! {
        a class={ "tile " (class) } href=(href) id=(id) data-id=(row.id) {
            span { (state_icon(row.state)) b { (row.name) } }
            span.sub {
                (row.state.word())
                @if let Some(since_ms) = row.since_ms { " for " (text::age(since_ms, now_ms)) }
            }
            @if let Some(why) = &row.why { span.sub { (why.sentence()) } }
        }
    }
}

fn tile(group: &Group) -> Markup {
    let worst = group.counts.worst();
    let class = match worst {
        ShownState::Down => "t-down",
        ShownState::Up => "t-up",
        _ => "t-none",
    };
    html! {
        a class={ "tile " (class) } href={ "/services?group=" (text::encoded(&group.name)) } {
            span {
                (state_icon(worst))
                @if group.name.is_empty() { "without a group" } @else { (group.name) }
            }
            span {
                b { (text::count(group.counts.up)) }
                span.muted { "of " (text::count(group.counts.total())) " up" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_has_a_tile_for_each_group() {
        let counts = Counts { up: 39, down: 1, ..Counts::default() };
        let groups = vec![Group { name: "core".to_owned(), counts }];
        let facts = Wall { counts, groups, rows: Vec::new() };
        let page = page(&Frame::default(), &facts).into_string();
        assert!(page.contains("tile t-down") && page.contains("of 40 up"), "{page}");
        assert!(!page.contains("<nav"), "nothing but the state");
    }
}
