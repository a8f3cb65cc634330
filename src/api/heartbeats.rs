//! Results that watched jobs report: heartbeats, and results of the external endpoints of Gatus.

use std::slice::from_ref;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::actors::messages::probing::HeartbeatReceived;
use crate::actors::messages::recording::{RecordOutcome, RecordReply};
use crate::actors::messages::store::Ask;
use crate::api::error::{ApiError, ApiResult, ErrorBody};
use crate::api::error_responses::{NotFoundError, ReadErrors};
use crate::api::guard::bearer_token;
use crate::api::input;
use crate::api::input::Report;
use crate::api::state::Api;
use crate::api::views::envelope::StatusOnly;
use crate::clock::unix_ms;
use crate::domain::access::{Caller, Scope};
use crate::domain::{Failure, Group, Outcome, Reason, Redactor, Service};
use crate::storage::StorageError;
use crate::storage::records::{GetService, ServiceRecord};

/// Records the heartbeat of a push service; requires the token of the service, or a token with the
/// scope `heartbeat` in the header.
///
/// `success=false` with an `error` reports a failure; so does an `error` with a text alone, and the
/// `status=down` of Uptime Kuma. Parameters of other programs are ignored.
#[utoipa::path(post, path = "/v1/services/{id}/heartbeat", tag = "services",
    security(("heartbeat" = [])),
    params(
        ("id" = i64, Path, description = "Id of the service", minimum = 1),
        ("token" = Option<String>, Query,
            description = "The token, for clients that cannot send the header"),
        ("success" = Option<bool>, Query,
            description = "Whether the job succeeded; default true"),
        ("error" = Option<String>, Query, description = "Error message of a failed job"),
        ("duration" = Option<String>, Query,
            description = "Duration of the job as in Go, up to 720h; others are ignored"),
    ),
    responses(
        (status = 200, description = "Heartbeat recorded", body = StatusOnly),
        (status = 401, description = "Missing or wrong token", body = ErrorBody),
        (status = 403, description = "A page of another origin, or a prefetch", body = ErrorBody),
        (status = 422, description = "The service is not a push service", body = ErrorBody),
        ReadErrors,
        NotFoundError,
    ))]
pub async fn heartbeat(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let id = input::service_id(&request)?;
    let heartbeat = input::heartbeat(&request)?;
    let record = api.query(GetService(id)).await?;
    if record.definition.options.heartbeat.is_none() {
        let message = "url: not a push service";
        return Err(ApiError::unprocessable(vec![message.to_owned()]));
    }
    if !may_report(&caller) {
        let token = bearer_token(&request).map(str::to_owned).or(heartbeat.token);
        let expected = own_token(&api, &record);
        api.guard.check_own_token(&request, token.as_deref(), from_ref(&expected))?;
    }
    if request.method() != Method::POST && is_prefetch(&request) {
        return Err(ApiError::prefetch());
    }
    report(&api, record, heartbeat.report).await
}

/// As `POST`, for clients that can only fetch a URL. `HEAD` is a heartbeat too.
#[utoipa::path(get, path = "/v1/services/{id}/heartbeat", tag = "services",
    security(("heartbeat" = [])),
    params(
        ("id" = i64, Path, description = "Id of the service", minimum = 1),
        ("token" = Option<String>, Query,
            description = "The token, for clients that cannot send the header"),
        ("success" = Option<bool>, Query,
            description = "Whether the job succeeded; default true"),
        ("error" = Option<String>, Query, description = "Error message of a failed job"),
        ("duration" = Option<String>, Query,
            description = "Duration of the job as in Go, up to 720h; others are ignored"),
    ),
    responses(
        (status = 200, description = "Heartbeat recorded", body = StatusOnly),
        (status = 401, description = "Missing or wrong token", body = ErrorBody),
        (status = 403, description = "A page of another origin, or a prefetch", body = ErrorBody),
        (status = 422, description = "The service is not a push service", body = ErrorBody),
        ReadErrors,
        NotFoundError,
    ))]
pub async fn heartbeat_by_get(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
) -> ApiResult {
    heartbeat(api, caller, request).await
}

/// Records the result of an external endpoint, as Gatus does; requires the bearer token of the
/// push service with this key.
///
/// The key is group and name in lower case, with a dash for each of the characters ` /_,.#+&`,
/// joined by an underscore: `core_pay-api`. A failure may have its error message in the query, in
/// the field `error` of a JSON body, or in both.
#[utoipa::path(post, path = "/api/v1/endpoints/{key}/external", tag = "services",
    security(("heartbeat" = [])),
    params(
        ("key" = String, Path, description = "Key of the service"),
        ("success" = bool, Query, description = "Whether it succeeded"),
        ("error" = Option<String>, Query, description = "Error message of a failure"),
        ("duration" = Option<String>, Query, description = "Duration as in Go, up to 720h"),
    ),
    responses(
        (status = 200, description = "Result recorded", body = StatusOnly),
        (status = 401, description = "Missing or wrong token", body = ErrorBody),
        (status = 403, description = "A page of another origin", body = ErrorBody),
        (status = 409, description = "Several services have this key and token", body = ErrorBody),
        (status = 413, description = "Body too large", body = ErrorBody),
        ReadErrors,
        NotFoundError,
    ))]
pub async fn external(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult {
    // In the order of Gatus: success, header, key, token, duration.
    let reported = input::external(&request)?;
    let token = bearer_token(&request);
    if token.is_none() && !may_report(&caller) {
        api.guard.check_own_token(&request, None, &[])?;
    }
    let key = request.match_info().get("key").unwrap_or_default();
    let mut records = services_with_key(&api, key).await?;
    records.retain(|record| caller.sees(record.definition.group.as_ref().map(Group::as_str)));
    if records.is_empty() {
        if may_report(&caller) {
            return Err(ApiError::not_found());
        }
        // Counted, so that keys cannot be tried faster than tokens.
        return Err(api.guard.wrong_token(&request, ApiError::not_found()));
    }
    let expected: Vec<Option<String>> =
        records.iter().map(|record| own_token(&api, record)).collect();
    let matching = match may_report(&caller) {
        true => (0..records.len()).collect(),
        false => api.guard.check_own_token(&request, token, &expected)?,
    };
    let reported = reported?;
    if matching.len() > 1 {
        let ids: Vec<_> = matching.iter().map(|nth| records[*nth].id).collect();
        return Err(ApiError::ambiguous_key(&ids));
    }
    let nth = matching.first().copied().unwrap_or_default();
    let record = records.into_iter().nth(nth).ok_or_else(ApiError::not_found)?;
    let message = match &reported.failure {
        Some(_) => input::error_message(&request, payload, &api).await?,
        None => None,
    };
    report(&api, record, reported.with_body(message)).await
}

/// Whether the caller needs no token of a service.
fn may_report(caller: &Caller) -> bool {
    caller.has_token() && caller.may(Scope::Heartbeat)
}

/// The push services with this key.
async fn services_with_key(api: &Api, key: &str) -> Result<Vec<ServiceRecord>, ApiError> {
    let mut records = Vec::new();
    for id in api.push_keys.ids(key) {
        match api.recorder.send(Ask(GetService(id))).await? {
            Ok(record) => records.push(record),
            // Deleted meanwhile.
            Err(StorageError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(records)
}

/// The token of a push service. An unset variable is never right, and neither is an empty token.
fn own_token(api: &Api, record: &ServiceRecord) -> Option<String> {
    record.definition.options.heartbeat.as_ref()?.token.fill(&api.variables).ok()
}

/// Whether a browser fetches a URL that its user may open later.
fn is_prefetch(request: &HttpRequest) -> bool {
    ["sec-purpose", "purpose", "x-moz"].into_iter().any(|name| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.to_ascii_lowercase().contains("prefetch"))
    })
}

/// Records a result and responds once it is committed. A service that is not enabled records
/// nothing.
async fn report(api: &Api, record: ServiceRecord, report: Report) -> ApiResult {
    let ServiceRecord { id, definition, .. } = record;
    if !definition.enabled {
        return Ok(HttpResponse::Ok().json(StatusOnly::ok()));
    }
    let failure = report.failure.map(|message| {
        let service = Service::new(id, definition, &api.defaults);
        let redactor = Redactor::new(&service, &api.variables, api.requests);
        Failure::new(Reason::Status, redactor.redact(&message))
    });
    let outcome = Outcome::without_details(id, unix_ms(), report.duration, failure);
    api.telemetry.probed(&outcome);
    api.scheduler.do_send(HeartbeatReceived(id));
    let unavailable = |message: &str| Err(ApiError::unavailable(vec![message.to_owned()]));
    match api.recorder.send(RecordOutcome { outcome }).await? {
        RecordReply::Recorded => {}
        // 404 if the service was deleted meanwhile; a paused one records nothing.
        RecordReply::Orphaned => drop(api.query(GetService(id)).await?),
        RecordReply::Buffered => {
            return unavailable(
                "store: unavailable; the heartbeat is kept in memory and recorded when the store \
                 takes writes again",
            );
        }
        RecordReply::Dropped => return unavailable("store: the heartbeat was not recorded"),
    }
    Ok(HttpResponse::Ok().json(StatusOnly::ok()))
}
