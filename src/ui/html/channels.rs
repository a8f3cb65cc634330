//! Channels of alerts: the list, a test, and the form of a new one.

use maud::{Markup, html};

use crate::domain::shown_state::ShownState;
use crate::ui::html::field::{Field, Form, Input, field, other_problems};
use crate::ui::html::frame::{Access, Frame, Section};
use crate::ui::html::parts::{command, icon, post_button, state_icon};
use crate::ui::html::text;

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    pub id: i64,
    pub name: String,
    pub kind: String,
    pub is_enabled: bool,
    pub is_of_file: bool,
    /// Unix milliseconds since when every delivery failed.
    pub failing_since_ms: Option<i64>,
    /// Keys with their masked values.
    pub keys: Vec<(String, String)>,
}

/// Facts of the list.
#[derive(Debug, Clone, Default)]
pub struct Channels {
    pub channels: Vec<Channel>,
    pub base_url: String,
}

/// A key of a kind of channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub name: String,
    pub is_required: bool,
    pub is_secret: bool,
    /// What is valid.
    pub expected: String,
}

/// Facts of the form.
#[derive(Debug, Clone, Default)]
pub struct ChannelForm {
    pub kinds: Vec<&'static str>,
    /// Empty until one is chosen.
    pub kind: String,
    pub keys: Vec<Key>,
    pub form: Form,
    /// Id and name of the channel that is changed; `None` for a new one.
    pub channel: Option<(i64, String)>,
}

const NAME: Field<'static> = Field {
    name: "name",
    label: "Name",
    help: "",
    placeholder: "ops",
    input: Input::Text,
    is_required: true,
};

const ENABLED: Field<'static> = Field {
    name: "enabled",
    label: "Deliver messages",
    placeholder: "",
    input: Input::Check,
    is_required: false,
    ..NAME
};

const MORE: Field<'static> = Field {
    name: "more",
    label: "Other fields",
    help: "Every other field of the API, as a JSON object.",
    placeholder: "{\"title\": \"[[ALERT_DESCRIPTION]]\"}",
    input: Input::Lines,
    is_required: false,
};

/// Links between the pages of alerting. Channels concern the whole monitor.
pub fn tabs(current: &str, access: Access) -> Markup {
    html! {
        @if !access.is_limited {
            nav.tabs aria-label="Alerting" {
                @for (href, word) in [("/alerts", "Alerts"), ("/channels", "Channels")] {
                    a href=(href) aria-current=[(href == current).then_some("page")] { (word) }
                }
            }
        }
    }
}

/// The list of channels.
pub fn page(frame: &Frame, facts: &Channels) -> Markup {
    let content = html! {
        div.head {
            h1 { "Channels" }
            (tabs("/channels", frame.access))
            @if frame.access.can_write {
                a.btn.go.end href="/channels/new" { (icon("add", "")) "Add a channel" }
            }
        }
        @if facts.channels.is_empty() { (empty(frame, facts)) }
        @else {
            section.card aria-label="Channels" {
                table {
                    caption.vh { "Channels" }
                    thead {
                        tr {
                            th scope="col" { "Channel" }
                            th scope="col" { "Kind" }
                            th scope="col" { "State" }
                            th scope="col" { "Settings" }
                            th scope="col" { span.vh { "Actions" } }
                        }
                    }
                    tbody { @for channel in &facts.channels { (row(frame, channel)) } }
                }
            }
        }
    };
    Frame { section: Section::Alerts, ..frame.clone() }.page("Channels", &content)
}

fn row(frame: &Frame, channel: &Channel) -> Markup {
    let (state, words) = match channel {
        Channel { is_enabled: false, .. } => (ShownState::Paused, "disabled"),
        Channel { failing_since_ms: Some(_), .. } => (ShownState::Down, "failing for"),
        _ => (ShownState::Up, "works"),
    };
    html! {
        tr id={ "c" (channel.id) } {
            th.all scope="row" {
                (channel.name)
                @if channel.is_of_file { " " span.sub { "from the services file" } }
            }
            td data-label="Kind" { (channel.kind) }
            td {
                span.row.nowrap {
                    (state_icon(state)) (words)
                    @if state == ShownState::Down {
                        @if let Some(since_ms) = channel.failing_since_ms {
                            (text::age(since_ms, frame.now_ms))
                        }
                    }
                }
            }
            td.all {
                ul.mono.muted { @for (name, value) in &channel.keys { li { (name) ": " (value) } } }
            }
            td.num {
                @if frame.access.can_write {
                    div.row.ends {
                        (post_button(&format!("/channels/{}/test", channel.id), "bell",
                            "Send a test", "small"))
                        @if !channel.is_of_file {
                            a.btn.small href={ "/channels/" (channel.id) "/edit" }
                                aria-label={ "Edit " (channel.name) } { "Edit" }
                            details {
                                summary { "Delete" }
                                form method="post" action={ "/channels/" (channel.id) "/delete" } {
                                    button.btn.small.bad { "Delete " (channel.name) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn empty(frame: &Frame, facts: &Channels) -> Markup {
    let body = "{\"name\": \"ops\", \"kind\": \"webhook\", \"keys\": {\"url\": \"https://…\"}}";
    let curl = format!(
        "curl {}/v1/channels \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'",
        facts.base_url
    );
    html! {
        section.card {
            div.empty {
                div {
                    h2 { "No channel yet" }
                    p { "A channel delivers alerts: mail, chat, paging, a webhook. All kinds of "
                        "Gatus are built in. Then “Send a test” shows whether it works." }
                }
                @if frame.access.can_write {
                    div { a.btn.go href="/channels/new" { (icon("add", "")) "Add a channel" } }
                }
                div.field {
                    h3 { "By the API" }
                    (command(&curl))
                }
                div.field {
                    h3 { "From a file" }
                    p { "Or keep the " code { "alerting" } " section of your Gatus file." }
                }
            }
        }
    }
}

/// The form of a channel: of a new one, first its kind, and then the keys of the kind.
pub fn form_page(frame: &Frame, facts: &ChannelForm) -> Markup {
    let title = match &facts.channel {
        Some((_, name)) => format!("Edit {name}"),
        None => "Add a channel".to_owned(),
    };
    let content = html! {
        div {
            p.crumbs { a href="/channels" { "Channels" } }
            h1 { (title) }
        }
        @if facts.channel.is_none() { (kinds(facts)) }
        @if !facts.kind.is_empty() { (form(facts)) }
    };
    Frame { section: Section::Alerts, ..frame.clone() }.page(&title, &content)
}

fn kinds(facts: &ChannelForm) -> Markup {
    html! {
        form.filters action="/channels/new" {
            div.field {
                label for="kind" { "Kind" }
                select #kind name="kind" {
                    @for kind in &facts.kinds {
                        option value=(kind) selected[*kind == facts.kind] { (kind) }
                    }
                }
            }
            button.btn { "Choose" }
        }
    }
}

fn form(facts: &ChannelForm) -> Markup {
    let form = &facts.form;
    let key_field = |key: &Key| {
        let (name, is_required) = (format!("keys.{}", key.name), key.is_required);
        // A URL with a mask shows what is no secret.
        let is_masked = form.value(&name).ends_with("/***");
        let input = if key.is_secret && !is_masked { Input::Secret } else { Input::Text };
        let (label, help) = (&key.name, &key.expected);
        field(&Field { name: &name, label, help, placeholder: "", input, is_required }, form)
    };
    let names: Vec<String> = facts.keys.iter().map(|key| format!("keys.{}", key.name)).collect();
    let names = names.iter().map(String::as_str).chain(["name", "enabled", "more"]);
    let names: Vec<&str> = names.collect();
    let (required, optional): (Vec<_>, Vec<_>) = facts.keys.iter().partition(|key| key.is_required);
    let is_used = |name: &str| !form.value(name).is_empty() || !form.errors(name).is_empty();
    let is_open =
        is_used("more") || optional.iter().any(|key| is_used(&format!("keys.{}", key.name)));
    let action = match &facts.channel {
        Some((id, _)) => format!("/channels/{id}/edit"),
        None => "/channels/new".to_owned(),
    };
    html! {
        (other_problems(form, &names))
        form.form method="post" action=(action) {
            input type="hidden" name="kind" value=(facts.kind);
            (field(&NAME, form))
            @if facts.channel.is_some() {
                p.help { "A channel of the kind " (facts.kind) ". The value *** keeps a secret." }
                (field(&ENABLED, form))
            }
            @for one in required { (key_field(one)) }
            details open[is_open] {
                summary { "More settings" }
                div.form {
                    @for one in optional { (key_field(one)) }
                    (field(&MORE, form))
                }
            }
            div.row {
                button.btn.go {
                    @if facts.channel.is_some() { "Save" } @else { "Add the channel" }
                }
                a.btn href="/channels" { "Cancel" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_key_is_a_password_field() {
        let key = |name: &str, is_required, is_secret| Key {
            name: name.to_owned(),
            is_required,
            is_secret,
            expected: "a text".to_owned(),
        };
        let facts = ChannelForm {
            kinds: vec!["slack", "webhook"],
            kind: "slack".to_owned(),
            keys: vec![key("webhook-url", true, true), key("channel", false, false)],
            form: Form::default(),
            channel: None,
        };
        let page = form_page(&Frame::default(), &facts).into_string();
        assert!(page.contains("name=\"keys.webhook-url\" type=\"password\""), "{page}");
        assert!(page.contains("<details><summary>More settings") && page.contains("keys.channel"));
        assert!(!page.contains("name=\"enabled\""), "a new channel delivers");
        let values = [("keys.channel", "#ops"), ("keys.webhook-url", "https://hooks.example/***")];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let form = Form { values, problems: vec!["keys.channel: invalid value".to_owned()] };
        let channel = Some((5, "ops".to_owned()));
        let edit = form_page(&Frame::default(), &ChannelForm { form, channel, ..facts });
        let edit = edit.into_string();
        for part in [
            "<h1>Edit ops</h1>",
            "action=\"/channels/5/edit\"",
            "name=\"enabled\" type=\"checkbox\"",
            "<details open>",
            "value=\"#ops\"",
            "type=\"text\" value=\"https://hooks.example/***\"",
            "keys.channel: invalid value</p>",
        ] {
            assert!(edit.contains(part), "{part} in {edit}");
        }
        assert!(!edit.contains("<select"), "the kind stays");
    }

    #[test]
    fn a_token_that_is_limited_to_groups_sees_no_link_to_channels() {
        let tabs =
            |is_limited| tabs("/alerts", Access { is_limited, ..Access::default() }).into_string();
        assert!(tabs(false).contains("href=\"/channels\"") && tabs(true).is_empty());
    }

    #[test]
    fn a_channel_of_the_file_can_be_tested_but_not_deleted() {
        let channel = Channel {
            id: 5,
            name: "ops".to_owned(),
            kind: "slack".to_owned(),
            is_enabled: true,
            is_of_file: true,
            failing_since_ms: None,
            keys: vec![("webhook-url".to_owned(), "https://hooks/***".to_owned())],
        };
        let access = Access { can_write: true, ..Access::default() };
        let facts = Channels { channels: vec![channel], ..Channels::default() };
        let page = page(&Frame { access, ..Frame::default() }, &facts).into_string();
        assert!(page.contains("/channels/5/test") && !page.contains("/channels/5/delete"));
    }
}
