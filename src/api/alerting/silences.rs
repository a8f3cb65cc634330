//! Handlers of `/v1/silences`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value};

use crate::api::alerting::{created, fields, page};
use crate::api::alerting_bodies::{NewSilence, SilenceChange};
use crate::api::error::{ApiError, ApiResult};
use crate::api::error_responses::{BodyErrors, NotFoundError, ReadErrors, WriteErrors};
use crate::api::input;
use crate::api::query_parameters::PageParams;
use crate::api::state::Api;
use crate::api::views::alerting::silence::{Silence, SilenceData, SilencesData};
use crate::api::views::envelope::{List, One, Success, success};
use crate::api::visible_plans;
use crate::clock::unix_ms;
use crate::domain::access::Caller;
use crate::domain::alert;
use crate::spec;
use crate::storage::alerting::{AlertingApplied, AlertingChange, GetSilence, ListSilences};

/// The silences, by id; past ones for as long as alerts are stored.
#[utoipa::path(get, path = "/v1/silences", tag = "alerting",
    params(PageParams),
    responses(
        (status = 200, description = "A page of silences", body = Success<SilencesData>),
        ReadErrors,
    ))]
pub async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let requested = input::alerting::page(&request)?;
    let all = visible_plans::silences(&caller, api.query(ListSilences).await?);
    let found = page(requested, all);
    let now_ms = unix_ms();
    let silences = List::new(requested, found, |silence| Silence::new(&silence, now_ms));
    Ok(success(StatusCode::OK, SilencesData { silences }))
}

/// Suppresses the notifications of matching alerts for a time.
///
/// The end of an alert whose begin was delivered is delivered all the same.
#[utoipa::path(post, path = "/v1/silences", tag = "alerting", security((), ("token" = [])),
    request_body = NewSilence,
    responses(
        (status = 201, description = "The new silence", body = Success<SilenceData>,
            headers(("Location" = String, description = "Path of the new silence"))),
        WriteErrors,
        BodyErrors,
    ))]
pub async fn create(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult {
    input::no_params(&request)?;
    let object = input::json_object(&request, payload, input::JSON, &api).await?;
    let silence = add(&api, &caller, &request, &object).await?;
    Ok(created("/v1/silences", silence.id, data(&silence)))
}

/// One silence.
#[utoipa::path(get, path = "/v1/silences/{id}", tag = "alerting",
    params(("id" = i64, Path, description = "Id of the silence", minimum = 1)),
    responses(
        (status = 200, description = "The silence", body = Success<SilenceData>),
        ReadErrors,
        NotFoundError,
    ))]
pub async fn get(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let id = input::only_record_id(&request)?;
    let silence = visible_plans::silence(&caller, api.query(GetSilence(id)).await?)?;
    Ok(success(StatusCode::OK, data(&silence)))
}

/// Changes a silence. An absent field stays unchanged.
#[utoipa::path(patch, path = "/v1/silences/{id}", tag = "alerting", security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the silence", minimum = 1)),
    request_body = SilenceChange,
    responses(
        (status = 200, description = "The changed silence", body = Success<SilenceData>),
        WriteErrors,
        BodyErrors,
        NotFoundError,
    ))]
pub async fn patch(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult {
    let id = input::only_record_id(&request)?;
    let change = input::json_object(&request, payload, input::MERGE_PATCH, &api).await?;
    let _order = api.alerting_changes.lock().await;
    let before = api.query(GetSilence(id)).await?;
    visible_plans::check_silence(&caller, &before.matcher)?;
    let now_ms = unix_ms();
    let mut fields = fields(&Silence::new(&before, now_ms), &["id", "state"]);
    spec::merge(&mut fields, &change);
    let silence = input::alerting::silence(&fields, now_ms)?;
    visible_plans::check_new_silence(&caller, &silence.matcher)?;
    let silence = changed(&api, AlertingChange::UpdateSilence(id, silence), &request).await?;
    Ok(success(StatusCode::OK, data(&silence)))
}

/// Ends a silence and deletes it.
#[utoipa::path(delete, path = "/v1/silences/{id}", tag = "alerting", security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the silence", minimum = 1)),
    responses(
        (status = 204, description = "Deleted"),
        WriteErrors,
        NotFoundError,
    ))]
pub async fn delete(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let id = input::only_record_id(&request)?;
    end(&api, &caller, &request, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Adds a silence within the groups of the caller.
pub async fn add(
    api: &Api,
    caller: &Caller,
    request: &HttpRequest,
    object: &Map<String, Value>,
) -> Result<alert::Silence, ApiError> {
    let silence = input::alerting::silence(object, unix_ms())?;
    visible_plans::check_new_silence(caller, &silence.matcher)?;
    changed(api, AlertingChange::CreateSilence(silence), request).await
}

/// Deletes a silence within the groups of the caller.
pub async fn end(
    api: &Api,
    caller: &Caller,
    request: &HttpRequest,
    id: i64,
) -> Result<(), ApiError> {
    let _order = api.alerting_changes.lock().await;
    let silence = api.query(GetSilence(id)).await?;
    visible_plans::check_silence(caller, &silence.matcher)?;
    api.change_alerting(AlertingChange::DeleteSilence(id), api.source(request)).await?;
    Ok(())
}

async fn changed(
    api: &Api,
    change: AlertingChange,
    request: &HttpRequest,
) -> Result<alert::Silence, ApiError> {
    match api.change_alerting(change, api.source(request)).await? {
        AlertingApplied::Silence(silence) => Ok(silence),
        _ => Err(ApiError::not_found()),
    }
}

fn data(silence: &alert::Silence) -> SilenceData {
    SilenceData { silence: One::new(Silence::new(silence, unix_ms())) }
}
