//! Handlers of `/v1/alerts/{id}/acknowledge`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};

use crate::actors::messages::alerting::Acknowledge;
use crate::api::alerting_bodies::NewAcknowledgement;
use crate::api::error::ApiResult;
use crate::api::error_responses::{BodyErrors, NotFoundError, WriteErrors};
use crate::api::input;
use crate::api::state::Api;
use crate::api::views::alerting::alert::{Alert, ChangedAlertData};
use crate::api::views::envelope::{One, Success, success};
use crate::api::visibility;
use crate::clock::unix_ms;
use crate::domain::access::Caller;

/// Acknowledges an open alert: no reminder and no escalation until it ends, or until `until`.
///
/// Its end is delivered. A second acknowledgement replaces the first.
#[utoipa::path(post, path = "/v1/alerts/{id}/acknowledge", tag = "alerting",
    security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the alert", minimum = 1)),
    request_body = NewAcknowledgement,
    responses(
        (status = 200, description = "The alert", body = Success<ChangedAlertData>),
        WriteErrors,
        BodyErrors,
        NotFoundError,
    ))]
pub async fn acknowledge(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult {
    let alert_id = input::only_record_id(&request)?;
    visibility::check_alert_id(&api, &caller, alert_id).await?;
    let object = input::json_object(&request, payload, input::JSON, &api).await?;
    let acknowledgement = Some(input::alerting::acknowledgement(&object, unix_ms())?);
    let source = api.source(&request);
    set_acknowledgement(&api, Acknowledge { alert_id, acknowledgement, source }).await
}

/// Takes an acknowledgement back.
#[utoipa::path(delete, path = "/v1/alerts/{id}/acknowledge", tag = "alerting",
    security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the alert", minimum = 1)),
    responses(
        (status = 200, description = "The alert", body = Success<ChangedAlertData>),
        WriteErrors,
        NotFoundError,
    ))]
pub async fn unacknowledge(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let alert_id = input::only_record_id(&request)?;
    visibility::check_alert_id(&api, &caller, alert_id).await?;
    let source = api.source(&request);
    set_acknowledgement(&api, Acknowledge { alert_id, acknowledgement: None, source }).await
}

async fn set_acknowledgement(api: &Api, command: Acknowledge) -> ApiResult {
    let alert = api.dispatcher.acknowledge.send(command).await??;
    let alert = One::new(Alert::new(&alert));
    Ok(success(StatusCode::OK, ChangedAlertData { alert }))
}
