//! Handlers of `/v1/channels` and `/v1/channel-kinds`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value};

use crate::alerting::{Kind, shown};
use crate::api::alerting::{created, fields, page};
use crate::api::alerting_bodies::{ChannelChange, NewChannel};
use crate::api::error::{ApiError, ApiResult};
use crate::api::error_responses::{
    BodyErrors, ConfidentialErrors, NotFoundError, ReadErrors, WriteErrors,
};
use crate::api::input;
use crate::api::query_parameters::PageParams;
use crate::api::state::Api;
use crate::api::views::alerting::channel::{
    Channel, ChannelData, ChannelKind, ChannelKindsData, ChannelsData,
};
use crate::api::views::envelope::{List, One, Success, success};
use crate::domain::{Origin, alert};
use crate::spec;
use crate::storage::alerting::{AlertingApplied, AlertingChange, GetChannel, ListChannels};

/// Fields of a channel that no request writes.
const READ_ONLY: [&str; 3] = ["id", "origin", "failing_since"];

/// The channels, by name. Requires the token when one is configured.
#[utoipa::path(get, path = "/v1/channels", tag = "alerting", security((), ("token" = [])),
    params(PageParams),
    responses(
        (status = 200, description = "A page of channels", body = Success<ChannelsData>),
        ReadErrors,
        ConfidentialErrors,
    ))]
pub async fn list(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let requested = input::alerting::page(&request)?;
    let found = page(requested, api.query(ListChannels).await?);
    let channels = List::new(requested, found, |channel| view(&channel));
    Ok(success(StatusCode::OK, ChannelsData { channels }))
}

/// Adds a channel.
#[utoipa::path(post, path = "/v1/channels", tag = "alerting", security((), ("token" = [])),
    request_body = NewChannel,
    responses(
        (status = 201, description = "The new channel", body = Success<ChannelData>,
            headers(("Location" = String, description = "Path of the new channel"))),
        WriteErrors,
        BodyErrors,
    ))]
pub async fn create(api: web::Data<Api>, request: HttpRequest, payload: web::Payload) -> ApiResult {
    input::no_params(&request)?;
    let object = input::json_object(&request, payload, input::JSON, &api).await?;
    let channel = input::alerting::channel(&object)?;
    let channel = changed(&api, AlertingChange::CreateChannel(channel), &request).await?;
    Ok(created("/v1/channels", channel.id, data(&channel)))
}

/// One channel. Requires the token when one is configured.
#[utoipa::path(get, path = "/v1/channels/{id}", tag = "alerting", security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the channel", minimum = 1)),
    responses(
        (status = 200, description = "The channel", body = Success<ChannelData>),
        ReadErrors,
        ConfidentialErrors,
        NotFoundError,
    ))]
pub async fn get(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let id = input::only_record_id(&request)?;
    let channel = api.query(GetChannel(id)).await?;
    Ok(success(StatusCode::OK, data(&channel)))
}

/// Changes a channel. An absent field stays unchanged.
///
/// A mask (`***`) keeps the stored secret. A change of where messages go, or of who can read them,
/// is rejected unless it gives or removes the stored secrets.
#[utoipa::path(patch, path = "/v1/channels/{id}", tag = "alerting", security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the channel", minimum = 1)),
    request_body = ChannelChange,
    responses(
        (status = 200, description = "The changed channel", body = Success<ChannelData>),
        WriteErrors,
        BodyErrors,
        NotFoundError,
    ))]
pub async fn patch(api: web::Data<Api>, request: HttpRequest, payload: web::Payload) -> ApiResult {
    let id = input::only_record_id(&request)?;
    let patch = input::json_object(&request, payload, input::MERGE_PATCH, &api).await?;
    let channel = change(&api, &request, id, &patch).await?;
    Ok(success(StatusCode::OK, data(&channel)))
}

/// Changes a channel by a patch (RFC 7396).
pub async fn change(
    api: &Api,
    request: &HttpRequest,
    id: i64,
    patch: &Map<String, Value>,
) -> Result<alert::Channel, ApiError> {
    let _order = api.alerting_changes.lock().await;
    let before = writable(api, id).await?;
    let channel = input::alerting::changed_channel(&before, &merged(&before, patch), patch)?;
    changed(api, AlertingChange::UpdateChannel(id, channel), request).await
}

/// The channel, unless the services file defines it.
pub async fn writable(api: &Api, id: i64) -> Result<alert::Channel, ApiError> {
    let channel = api.query(GetChannel(id)).await?;
    match channel.origin {
        Origin::Api => Ok(channel),
        Origin::File => Err(ApiError::of_the_file("channel", id, &channel.name)),
    }
}

/// Deletes a channel that no policy names. Its deliveries stay in the store.
#[utoipa::path(delete, path = "/v1/channels/{id}", tag = "alerting", security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the channel", minimum = 1)),
    responses(
        (status = 204, description = "Deleted"),
        WriteErrors,
        NotFoundError,
    ))]
pub async fn delete(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let id = input::only_record_id(&request)?;
    let _order = api.alerting_changes.lock().await;
    api.change_alerting(AlertingChange::DeleteChannel(id), api.source(&request)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The kinds of channels with their keys, by name.
#[utoipa::path(get, path = "/v1/channel-kinds", tag = "alerting",
    params(PageParams),
    responses(
        (status = 200, description = "A page of kinds", body = Success<ChannelKindsData>),
        ReadErrors,
    ))]
pub async fn kinds(request: HttpRequest) -> ApiResult {
    let requested = input::alerting::page(&request)?;
    let found = page(requested, Kind::all().collect());
    let channel_kinds = List::new(requested, found, ChannelKind::new);
    Ok(success(StatusCode::OK, ChannelKindsData { channel_kinds }))
}

async fn changed(
    api: &Api,
    change: AlertingChange,
    request: &HttpRequest,
) -> Result<alert::Channel, ApiError> {
    match api.change_alerting(change, api.source(request)).await? {
        AlertingApplied::Channel(channel) => Ok(channel),
        _ => Err(ApiError::not_found()),
    }
}

fn view(channel: &alert::Channel) -> Channel {
    Channel::new(channel, shown(channel))
}

/// The fields of a channel that can be changed, with masked secrets.
pub fn writable_fields(channel: &alert::Channel) -> Map<String, Value> {
    fields(&view(channel), &READ_ONLY)
}

fn data(channel: &alert::Channel) -> ChannelData {
    ChannelData { channel: One::new(view(channel)) }
}

/// The fields of `channel`, with its secrets, after `change` (RFC 7396).
fn merged(channel: &alert::Channel, change: &Map<String, Value>) -> Map<String, Value> {
    let view = Channel::new(channel, channel.options.clone());
    let mut fields = fields(&view, &READ_ONLY);
    spec::merge(&mut fields, change);
    fields
}
