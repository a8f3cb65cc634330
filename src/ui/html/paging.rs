//! Pages of a list.

use maud::{Markup, html};

use crate::ui::html::text;

/// Position of a page in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub page: u32,
    pub limit: u32,
    /// Items in the whole list.
    pub total: u64,
}

impl Position {
    fn pages(self) -> u64 {
        self.total.div_ceil(u64::from(self.limit.max(1)))
    }
}

/// `51 to 100 of 1,204`, and links to the pages beside. `link` writes the address of a page.
pub fn paging(position: Position, link: impl Fn(u32) -> String) -> Markup {
    let Position { page, limit, total } = position;
    let first = u64::from(page - 1) * u64::from(limit) + 1;
    let last = (first + u64::from(limit) - 1).min(total);
    html! {
        nav.pages aria-label="Pages" {
            @if page > 1 { a.btn.small rel="prev" href=(link(page - 1)) { "Previous page" } }
            @else { span {} }
            span.sub {
                @if first > total { "Nothing on page " (page) }
                @else {
                    (text::count(first)) " to " (text::count(last)) " of " (text::count(total))
                }
            }
            @if u64::from(page) < position.pages() {
                a.btn.small rel="next" href=(link(page + 1)) { "Next page" }
            } @else { span {} }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_links_to_its_neighbours() {
        let of = |page, total| {
            let position = Position { page, limit: 50, total };
            paging(position, |page| format!("/services?page={page}")).into_string()
        };
        let middle = of(2, 1_204);
        assert!(middle.contains("page=1") && middle.contains("page=3"));
        assert!(middle.contains("51 to 100 of 1,204"), "{middle}");
        assert!(!of(1, 50).contains("href"), "one page has no neighbours");
        assert!(of(25, 1_204).contains("1,201 to 1,204 of 1,204"));
        assert!(of(9, 50).contains("Nothing on page 9"));
    }
}
