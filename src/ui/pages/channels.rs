//! `/channels`: the list, a test, a new channel, a change.

use actix_web::http::StatusCode;

use crate::actors::messages::alerting::TestChannel;
use crate::alerting::{Kind, shown};
use crate::api::alerting::channel_tests::run;
use crate::api::alerting::channels::{change, writable, writable_fields};
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
use crate::ui::pages::channel_form;
use crate::ui::pages::forms;
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
    let (state, source) = (MessageState::Firing, viewer.source());
    let test = run(&viewer.api, TestChannel { channel_id: id, state, source }).await?;
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
    form(&viewer, StatusCode::OK, &kind, Form::default(), None)
}

/// Adds the channel of the form, or shows the form with what is wrong.
pub async fn create(mut viewer: Viewer) -> PageResult {
    let values = forms::values(viewer.form().await?);
    let kind = values.get("kind").cloned().unwrap_or_default();
    let added = async {
        let object = channel_form::object(&values, false).map_err(ApiError::unprocessable)?;
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
            let form = Form { problems: problems(error)?, values };
            self::form(&viewer, StatusCode::UNPROCESSABLE_ENTITY, &kind, form, None)
        }
    }
}

/// The form of a channel.
pub async fn edit(viewer: Viewer) -> PageResult {
    let channel = writable(&viewer.api, viewer.record_id()?).await?;
    let values = channel_form::values(&writable_fields(&channel));
    let form = Form { values, problems: Vec::new() };
    let named = Some((channel.id, channel.name.clone()));
    self::form(&viewer, StatusCode::OK, &channel.kind, form, named)
}

/// Changes the channel as the form says, or shows the form with what is wrong.
pub async fn save(mut viewer: Viewer) -> PageResult {
    let values = forms::values(viewer.form().await?);
    let channel = writable(&viewer.api, viewer.record_id()?).await?;
    let before = channel_form::values(&writable_fields(&channel));
    let saved = async {
        let before = channel_form::object(&before, true).unwrap_or_default();
        let after = channel_form::object(&values, true).map_err(ApiError::unprocessable)?;
        let patch = forms::change(&before, &after);
        change(&viewer.api, &viewer.request, channel.id, &patch).await
    };
    match saved.await {
        Ok(_) => see(&format!("/channels?done=changed#c{}", channel.id)),
        Err(error) => {
            let form = Form { problems: problems(error)?, values };
            let named = Some((channel.id, channel.name));
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            self::form(&viewer, status, &channel.kind, form, named)
        }
    }
}

fn form(
    viewer: &Viewer,
    status: StatusCode,
    kind: &str,
    form: Form,
    channel: Option<(i64, String)>,
) -> PageResult {
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
        channel,
    };
    let frame = viewer.frame(Section::Alerts, 0);
    Ok(html(viewer, status, form_page(&frame, &facts)))
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
