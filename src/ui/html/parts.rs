//! Pieces that several pages have.

use maud::{Markup, html};

use crate::domain::shown_state::ShownState;
use crate::ui::assets;

/// A symbol of `icons.svg`. Words stand beside it, so assistive technology skips it.
pub fn icon(id: &str, class: &str) -> Markup {
    let class = if class.is_empty() { "icon".to_owned() } else { format!("icon {class}") };
    html! {
        svg class=(class) aria-hidden="true" { use href={ (assets::url("icons.svg")) "#" (id) } {} }
    }
}

/// The icon of a state in its colour.
pub fn state_icon(state: ShownState) -> Markup {
    icon(state.icon(), &state_class(state))
}

/// The word of a state in its colour, explained by a tooltip.
pub fn state_word(state: ShownState) -> Markup {
    html! { span class=(state_class(state)) title=(state.explanation()) { (state.word()) } }
}

pub fn state_class(state: ShownState) -> String {
    format!("s-{}", state.colour())
}

/// A message of a page to its reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub tone: Tone,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Warning,
    Bad,
    Planned,
}

impl Notice {
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into() }
    }

    pub fn markup(&self) -> Markup {
        let (class, state, role) = match self.tone {
            Tone::Good => ("good", state_icon(ShownState::Up), "status"),
            Tone::Warning => ("warn", icon("warn", "s-degraded"), "status"),
            Tone::Bad => ("bad", icon("warn", "s-down"), "alert"),
            Tone::Planned => ("planned", state_icon(ShownState::Maintenance), "status"),
        };
        html! { div class={ "note " (class) } role=(role) { (state) p { (self.text) } } }
    }
}

/// A form with one button that posts to `action`.
pub fn post_button(action: &str, icon_id: &str, label: &str, class: &str) -> Markup {
    html! {
        form method="post" action=(action) {
            button class={ "btn " (class) } { (icon(icon_id, "")) (label) }
        }
    }
}

/// A command to copy, such as a call of curl.
pub fn command(text: &str) -> Markup {
    html! {
        div.copy {
            pre tabindex="0" { code { (text) } }
            button.btn.small type="button" data-copy hidden { "Copy" }
        }
    }
}
