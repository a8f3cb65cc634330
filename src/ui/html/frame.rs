//! What every page has: head, header, navigation, freshness, footer.

use std::time::Duration;

use maud::{DOCTYPE, Markup, html};

use crate::ui::assets;
use crate::ui::html::parts::{Notice, Tone, icon};
use crate::ui::html::text;

/// A part of the navigation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Section {
    Overview,
    Services,
    Events,
    Alerts,
    Maintenance,
    /// Beside the navigation.
    #[default]
    None,
}

const NAVIGATION: [(Section, &str, &str); 5] = [
    (Section::Overview, "/", "Overview"),
    (Section::Services, "/services", "Services"),
    (Section::Events, "/events", "Events"),
    (Section::Alerts, "/alerts", "Alerts"),
    (Section::Maintenance, "/maintenance", "Maintenance"),
];

/// The colours that a reader has chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system has it.
    #[default]
    Auto,
    Light,
    Dark,
}

impl Theme {
    pub const ALL: [Self; 3] = [Self::Auto, Self::Light, Self::Dark];

    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.word() == word)
    }

    fn next(self) -> Self {
        match self {
            Self::Auto => Self::Dark,
            Self::Dark => Self::Light,
            Self::Light => Self::Auto,
        }
    }
}

/// What the reader may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Access {
    pub can_write: bool,
    /// Whether a session can be ended.
    pub has_session: bool,
    /// Whether a token gives more rights.
    pub can_sign_in: bool,
    /// Whether the token is limited to groups: what concerns the whole monitor is left out.
    pub is_limited: bool,
}

/// The stream that updates a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Path and query of `GET /v1/stream`.
    pub url: String,
    /// Id of the newest change that the page shows; empty when it is not known.
    pub since: String,
}

/// What a page has besides its own content.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// Name of this installation.
    pub name: String,
    pub section: Section,
    pub theme: Theme,
    /// Unix milliseconds at which the page was made.
    pub now_ms: i64,
    /// Path and query of the page.
    pub path: String,
    /// Text in the field of the search.
    pub search: String,
    /// Services that are down; stands in the title.
    pub down: u64,
    /// Alerts that are open.
    pub alerts: u64,
    pub access: Access,
    pub stream: Option<Stream>,
    pub notices: Vec<Notice>,
    /// Unix milliseconds since when the monitor itself has no network.
    pub cut_off_since_ms: Option<i64>,
    /// How long the oldest due probe waits.
    pub late: Duration,
}

/// A monitor that is late by this is doubtful.
const LATE: Duration = Duration::from_secs(5);

impl Frame {
    /// The whole page.
    pub fn page(&self, title: &str, content: &Markup) -> Markup {
        let content = html! {
            (self.header())
            main.wrap #main tabindex="-1" {
                div #banner data-live { (self.banner()) }
                div #notices {@for notice in &self.notices { (notice.markup()) }}
                (content)
            }
            (self.footer())
        };
        self.document(title, "", &content)
    }

    /// A page without header and footer.
    pub fn bare(&self, title: &str, class: &str, content: &Markup) -> Markup {
        let content = html! { main #main class=(class) tabindex="-1" { (content) } };
        self.document(title, class, &content)
    }

    fn document(&self, title: &str, class: &str, content: &Markup) -> Markup {
        let count = if self.down > 0 { format!("({}) ", self.down) } else { String::new() };
        let favicon = if self.down > 0 { "favicon-down.svg" } else { "favicon.svg" };
        let theme = Some(self.theme.word()).filter(|_| self.theme != Theme::Auto);
        let (url, since) = match &self.stream {
            Some(stream) => (Some(&stream.url), Some(&stream.since)),
            None => (None, None),
        };
        html! {
            (DOCTYPE)
            html lang="en" dir="ltr" data-theme=[theme] {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (count) (title) " · " (self.name) }
                    link rel="icon" type="image/svg+xml" href=(assets::url(favicon));
                    link rel="stylesheet" href=(assets::url("app.css"));
                    @for module in ["time.js", "live.js", "chart.js"] {
                        script type="module" src=(assets::url(module)) {}
                    }
                }
                body class=(class) data-made=(self.now_ms) data-stream=[url] data-since=[since] {
                    (content)
                    p.vh #said role="status" {}
                    (help())
                }
            }
        }
    }

    /// What makes the whole page doubtful.
    pub fn banner(&self) -> Markup {
        html! {
            @if let Some(since_ms) = self.cut_off_since_ms {
                div.note.bad role="alert" {
                    (icon("warn", "s-down"))
                    p {
                        "The network of this monitor has been unreachable since "
                        // Not in the zone of the reader: a text that the script changes would be
                        // replaced, and announced, with each refresh.
                        (text::rfc3339(since_ms)[11..16]) " UTC: what stands here is from before."
                    }
                }
            }
            @if self.late >= LATE {
                (Notice::new(
                    Tone::Warning,
                    format!(
                        "Probes are late by {}: the machine or the pool of probers is overloaded.",
                        text::span(u64::try_from(self.late.as_millis()).unwrap_or(u64::MAX)),
                    ),
                ).markup())
            }
        }
    }

    fn header(&self) -> Markup {
        let back = text::encoded(&self.path);
        let next = self.theme.next().word();
        html! {
            a.skip href="#main" { "Skip to content" }
            header.top {
                div.wrap {
                    a.brand href="/" { (icon("logo", "")) (self.name) }
                    nav aria-label="Main" {
                        @for (section, href, word) in NAVIGATION {
                            @let current = (section == self.section).then_some("page");
                            a href=(href) aria-current=[current] {
                                (word)
                                @if section == Section::Alerts { (self.open_alerts()) }
                            }
                        }
                    }
                    form.find role="search" action="/services" {
                        (icon("search", ""))
                        input type="search" name="q" value=(self.search) id="search"
                            placeholder="Search services" aria-label="Search services"
                            aria-keyshortcuts="/" autocomplete="off";
                    }
                    p.fresh #fresh {
                        span.dot {}
                        span data-field="fresh" { "as of " (text::clock(self.now_ms)) }
                    }
                    a.square href={ "/theme?to=" (next) "&back=" (back) } rel="nofollow"
                        title={ "Colours: " (self.theme.word()) ". Change to " (next) } {
                        (icon("theme", "")) span.vh { "Change colours to " (next) }
                    }
                }
            }
        }
    }

    /// The number of open alerts, which the script keeps fresh.
    fn open_alerts(&self) -> Markup {
        html! {
            span #open data-live {
                @if self.alerts > 0 {
                    b.s-down data-field="open" { (text::count(self.alerts)) } span.vh { " open" }
                }
            }
        }
    }

    fn footer(&self) -> Markup {
        html! {
            footer.foot {
                div.wrap {
                    span { "Version " (env!("CARGO_PKG_VERSION")) }
                    span #zone { "Times are UTC" }
                    span.printed { "As of " (text::moment(self.now_ms, self.now_ms)) }
                    a href="/wall" { "Wall display" }
                    a href="/instances" { "Instances" }
                    a href="/openapi.json" { "API" }
                    button type="button" data-help hidden { "Keyboard" }
                    span.end {}
                    @if self.access.has_session {
                        form method="post" action="/logout" { button { "Sign out" } }
                    } @else if self.access.can_sign_in {
                        a href={ "/login?back=" (text::encoded(&self.path)) } { "Sign in" }
                    }
                }
            }
        }
    }
}

/// The keys of the page; the script opens it.
fn help() -> Markup {
    html! {
        dialog #help aria-labelledby="help-title" {
            form.form method="dialog" {
                h2 #help-title { "Keyboard" }
                p { kbd { "/" } " search" }
                p {
                    kbd { "j" } " " kbd { "k" } " next and previous row, " kbd { "Enter" }
                    " opens it"
                }
                p { kbd { "?" } " this help" }
                label.check { input type="checkbox"; "Single keys are on" }
                div { button.btn { "Close" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_counts_trouble_first() {
        let frame = Frame { name: "monitor".to_owned(), down: 3, ..Frame::default() };
        let page = frame.page("Services", &html! {}).into_string();
        assert!(page.contains("<title>(3) Services · monitor</title>"), "{page}");
        assert!(page.contains("favicon-down"));
        let calm = Frame { down: 0, ..frame }.page("Services", &html! {}).into_string();
        assert!(calm.contains("<title>Services · monitor</title>"));
    }

    #[test]
    fn open_alerts_are_counted_in_the_navigation() {
        let page = |alerts| Frame { alerts, ..Frame::default() }.page("x", &html! {}).into_string();
        let link = "Alerts<span id=\"open\" data-live>";
        let counted = "<b class=\"s-down\" data-field=\"open\">1,204</b>";
        assert!(page(1_204).contains(&format!("{link}{counted}")), "{}", page(1_204));
        assert!(page(0).contains(&format!("{link}</span>")));
    }

    #[test]
    fn a_page_has_no_inline_style_or_script() {
        let stream = Stream { url: "/v1/stream?services=1".to_owned(), since: "a-1".to_owned() };
        let path = "/?a=\"<b>".to_owned();
        let frame = Frame { stream: Some(stream), path, ..Frame::default() };
        let page = frame.page("x", &html! { p { "<script>" } }).into_string();
        assert!(!page.contains("style=") && !page.contains("<script>"));
        assert!(![" onclick=", " onload=", " onerror="].iter().any(|it| page.contains(it)));
        assert!(page.contains("data-stream=\"/v1/stream?services=1\" data-since=\"a-1\""));
        assert!(page.contains("back=%2F%3Fa%3D%22%3Cb%3E"), "{page}");
    }

    #[test]
    fn a_monitor_that_is_cut_off_or_late_says_so() {
        let page = |cut_off_since_ms| {
            Frame { cut_off_since_ms, ..Frame::default() }.page("x", &html! {}).into_string()
        };
        let since = page(Some(36_120_000));
        assert!(since.contains("monitor has been unreachable since 10:02 UTC: what"), "{since}");
        assert!(page(None).contains("<div id=\"banner\" data-live></div>"));
        let late = |seconds| {
            let late = Duration::from_secs(seconds);
            Frame { late, ..Frame::default() }.banner().into_string()
        };
        assert!(late(75).contains("Probes are late by 1 min:") && late(4).is_empty());
    }

    #[test]
    fn the_chosen_colours_stand_in_the_page() {
        for theme in Theme::ALL {
            assert_eq!(Theme::from_word(theme.word()), Some(theme));
            let page = Frame { theme, ..Frame::default() }.page("x", &html! {}).into_string();
            let expected = match theme {
                Theme::Auto => "<html lang=\"en\" dir=\"ltr\">".to_owned(),
                _ => format!("data-theme=\"{}\"", theme.word()),
            };
            assert!(page.contains(&expected), "{page}");
        }
    }
}
