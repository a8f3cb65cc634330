//! On-demand probes and heartbeats: results outside the schedule.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::actors::messages::probing::{HeartbeatReceived, ProbeNow};
use crate::actors::messages::recording::{RecordOutcome, RecordReply};
use crate::api::error::{ApiError, ApiResult, ErrorBody};
use crate::api::error_responses::{NotFoundError, ReadErrors, WriteErrors};
use crate::api::guard::bearer_token;
use crate::api::input;
use crate::api::state::Api;
use crate::api::views::envelope::{One, StatusOnly, Success, success};
use crate::api::views::probe::{Probe, ProbeData};
use crate::clock::unix_ms;
use crate::domain::{Failure, Kind, Outcome, Reason, Redactor, Service};
use crate::storage::records::GetService;

/// Probes a service immediately, outside its schedule, and returns the result. The result of an
/// enabled service is recorded as a tick.
#[utoipa::path(post, path = "/v1/services/{id}/probe", tag = "services",
    security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the service", minimum = 1)),
    responses(
        (status = 200, description = "The result of the probe", body = Success<ProbeData>),
        (status = 422, description = "A push service cannot be probed", body = ErrorBody),
        WriteErrors,
        NotFoundError,
    ))]
pub async fn probe(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let id = input::service_id(&request)?;
    input::no_params(&request)?;
    let revision = api.revision.current();
    let record = api.query(GetService(id)).await?;
    if record.definition.target.kind() == Kind::Push {
        let message = "url: a push service cannot be probed; it reports heartbeats";
        return Err(ApiError::unprocessable(vec![message.to_owned()]));
    }
    let records = record.definition.enabled;
    let service = Service::new(record.id, record.definition, &api.defaults).at_revision(revision);
    let service = Arc::new(service);
    let message = ProbeNow { service: Arc::clone(&service), records };
    let busy = "probe: cannot start: a probe of this service is running, or no prober is idle";
    let outcome = api.pool.send(message).await?.map_err(|_| ApiError::busy(busy))?;
    let probe = One::new(Probe::new(&service, &outcome, api.requests));
    Ok(success(StatusCode::OK, ProbeData { probe }))
}

/// Records the heartbeat of a push service; requires the token of the service. `success=false` with
/// an `error` reports a failure.
#[utoipa::path(post, path = "/v1/services/{id}/heartbeat", tag = "services",
    security(("heartbeat" = [])),
    params(
        ("id" = i64, Path, description = "Id of the service", minimum = 1),
        ("token" = Option<String>, Query, 
            description = "The token, for clients that cannot send the header"),
        ("success" = Option<bool>, Query, 
            description = "Whether the job succeeded; default true"),
        ("error" = Option<String>, Query, description = "Error message of a failed job"),
    ),
    responses(
        (status = 200, description = "Heartbeat recorded", body = StatusOnly),
        (status = 401, description = "Missing or wrong token", body = ErrorBody),
        (status = 422, description = "The service is not a push service", body = ErrorBody),
        ReadErrors,
        NotFoundError,
    ))]
pub async fn heartbeat(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let id = input::service_id(&request)?;
    let report = input::heartbeat(&request)?;
    let record = api.query(GetService(id)).await?;
    let Some(expected) = &record.definition.options.heartbeat else {
        let message = "url: not a push service";
        return Err(ApiError::unprocessable(vec![message.to_owned()]));
    };
    let token = bearer_token(&request).map(str::to_owned).or(report.token);
    // An unset variable is never right, and neither is an empty token.
    let expected = expected.token.fill(&api.variables).ok();
    api.guard.check_own_token(&request, token.as_deref(), expected.as_deref())?;
    if !record.definition.enabled {
        return Ok(HttpResponse::Ok().json(StatusOnly::ok()));
    }
    let failure = (!report.success).then(|| {
        let service = Service::new(id, record.definition.clone(), &api.defaults);
        let redactor = Redactor::new(&service, &api.variables, api.requests);
        Failure::new(Reason::Status, redactor.redact(&report.error))
    });
    let outcome = Outcome::without_details(id, unix_ms(), Duration::ZERO, failure);
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
