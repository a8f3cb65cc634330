//! `/channels`: the list, a test, a new channel.

use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::alerting::{Kind, shown};
use crate::api::alerting::channel_tests::run;
use crate::api::error::ApiError;
use crate::api::input;
use crate::domain::Origin;
use crate::domain::alert;
use crate::domain::alert::MessageState;
use crate::storage::alerting::{AlertingApplied, AlertingChange, GetChannel, ListChannels};
use crate::ui::html::channels::{Channel, ChannelForm, Channels, Key, form_page, page};
use crate::ui::html::field::Form;
use crate::ui::html::frame::Section;
use crate::ui::html::parts::{Notice, Tone};
use crate::ui::html::text;
use crate::ui::pages::forms;
use crate::ui::pages::forms::Values;
use crate::ui::pages::respond::{PageResult, html, see};
use crate::ui::pages::service_form::problems;
use crate::ui::pages::viewer::Viewer;

/// The list of channels.
pub async fn show(viewer: Viewer) -> PageResult {
    listed(&viewer, None).await
}

async fn listed(viewer: &Viewer, notice: Option<Notice>) -> PageResult {
    let channels = viewer.api.query(ListChannels).await?;
    let mut frame = viewer.frame(Section::Alerts, 0);
    frame.notices.extend(notice);
    let channels = channels.iter().map(of_channel).collect();
    let facts = Channels { channels, base_url: viewer.base_url() };
    Ok(html(viewer, StatusCode::OK, page(&frame, &facts)))
}

/// Sends a test message and says what came of it.
pub async fn test(viewer: Viewer) -> PageResult {
    let id = viewer.record_id()?;
    let channel = viewer.api.query(GetChannel(id)).await?;
    let test = run(&viewer.api, id, MessageState::Firing).await?;
    let (name, took) = (&channel.name, text::response(test.took_ms() as f64));
    let notice = match test.error() {
        None => {
            let text = format!("{name}: the test message was delivered in {took}.");
            Notice::new(Tone::Good, text)
        }
        Some(error) => {
            let text = format!("{name}: the test message was not delivered: {error}");
            Notice::new(Tone::Bad, text)
        }
    };
    listed(&viewer, Some(notice)).await
}

/// Deletes a channel that no policy names.
pub async fn delete(viewer: Viewer) -> PageResult {
    let id = viewer.record_id()?;
    let _order = viewer.api.alerting_changes.lock().await;
    viewer.api.change_alerting(AlertingChange::DeleteChannel(id), viewer.source()).await?;
    see("/channels?done=deleted")
}

/// The form of a new channel of the chosen kind.
pub async fn new(viewer: Viewer) -> PageResult {
    let kind = viewer.query("kind").unwrap_or_default();
    form(&viewer, StatusCode::OK, &kind, Form::default())
}

/// Adds the channel of the form, or shows the form with what is wrong.
pub async fn create(mut viewer: Viewer) -> PageResult {
    let values = forms::values(viewer.form().await?);
    let kind = values.get("kind").cloned().unwrap_or_default();
    let object = channel_of(&values);
    let added = async {
        let channel = input::alerting::channel(&object)?;
        match viewer
            .api
            .change_alerting(AlertingChange::CreateChannel(channel), viewer.source())
            .await?
        {
            AlertingApplied::Channel(channel) => Ok(channel),
            _ => Err(ApiError::not_found()),
        }
    };
    match added.await {
        Ok(channel) => see(&format!("/channels?done=channel#c{}", channel.id)),
        Err(error) => {
            let form = Form { values, problems: problems(error)? };
            self::form(&viewer, StatusCode::UNPROCESSABLE_ENTITY, &kind, form)
        }
    }
}

fn form(viewer: &Viewer, status: StatusCode, kind: &str, form: Form) -> PageResult {
    let found = Kind::find(kind);
    let keys = found.iter().flat_map(|kind| kind.row.keys.iter());
    let keys = keys.map(|(name, key)| Key {
        name: name.clone(),
        is_required: key.required,
        is_secret: key.secret,
        expected: key.expected(),
    });
    let facts = ChannelForm {
        kinds: Kind::all().map(|kind| kind.name).collect(),
        kind: found.map_or("", |kind| kind.name).to_owned(),
        keys: keys.collect(),
        form,
    };
    let frame = viewer.frame(Section::Alerts, 0);
    Ok(html(viewer, status, form_page(&frame, &facts)))
}

/// The channel of a form as the JSON of the API. A key that is no text is written as JSON, or as a
/// list between commas.
fn channel_of(values: &Values) -> Map<String, Value> {
    let kind = values.get("kind").map_or("", String::as_str);
    let mut object = Map::new();
    for name in ["name", "kind"] {
        if let Some(text) = forms::filled(values, name) {
            object.insert(name.to_owned(), json!(text));
        }
    }
    let mut keys = Map::new();
    for (name, value) in values {
        let Some(key) = name.strip_prefix("keys.") else { continue };
        if value.trim().is_empty() {
            continue;
        }
        let known = Kind::find(kind).and_then(|kind| kind.row.keys.get(key));
        let value = match known.map(|key| key.value_type.as_str()) {
            Some("integer") => forms::number(value.trim()),
            Some("boolean") => json!(value.trim() == "true"),
            Some("list") => json!(forms::list(value)),
            Some("map") => serde_json::from_str(value).unwrap_or_else(|_| json!(value)),
            _ => json!(value),
        };
        keys.insert(key.to_owned(), value);
    }
    object.insert("keys".to_owned(), Value::Object(keys));
    object
}

fn of_channel(channel: &alert::Channel) -> Channel {
    let keys = shown(channel).keys.into_iter().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name, text)
    });
    Channel {
        id: channel.id,
        name: channel.name.clone(),
        kind: channel.kind.clone(),
        is_enabled: channel.enabled,
        is_of_file: channel.origin == Origin::File,
        failing_since_ms: channel.failing_since_ms,
        keys: keys.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_types_of_their_kind() {
        let values = [
            ("name", "ops"),
            ("kind", "webhook"),
            ("keys.url", "https://hooks.example/"),
            ("keys.empty", " "),
        ];
        let values: Values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let object = channel_of(&values);
        let keys = json!({"url": "https://hooks.example/"});
        let expected = json!({"name": "ops", "kind": "webhook", "keys": keys});
        assert_eq!(Value::Object(object), expected);
    }
}
