//! `/v1/services/{id}/probe` and `/v1/services/{id}/heartbeat`: results beside the slots.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::views;
use super::{Api, guard, input};
use crate::actors::pool::ProbeNow;
use crate::actors::recorder::{Admission, RecordOutcome};
use crate::actors::scheduler::HeartbeatSeen;
use crate::api::error::ApiError;
use crate::api::probe_view::Probe;
use crate::api::responses::{Missing, ReadErrors, WriteErrors};
use crate::api::views::{Fine, Success};
use crate::clock::unix_ms;
use crate::domain::service::options::Heartbeat;
use crate::domain::{Failure, Kind, Outcome, Reason, Service};
use crate::storage::reader::{GetService, ServiceRecord};

type Answer = Result<HttpResponse, ApiError>;

/// Probes a service now, beside its slots, and tells what was seen. Of an enabled service, the result is a tick like any other.
#[utoipa::path(post, path = "/v1/services/{id}/probe", tag = "services", security((), ("token" = [])),
    params(("id" = i64, Path, description = "Key of the service", minimum = 1)),
    responses(
        (status = 200, description = "What the probe saw", body = Success<ProbeData>),
        (status = 422, description = "A watched job (push) cannot be probed", body = super::error::ErrorBody),
        WriteErrors,
        Missing,
    ))]
pub async fn probe(api: web::Data<Api>, request: HttpRequest) -> Answer {
    guard::may_write(&request, &api.writes)?;
    let id = input::service_id(&request)?;
    input::no_params(&request)?;
    let record = api.ask(GetService(id)).await?;
    if record.definition.target.kind() == Kind::Push {
        let told = "url: a watched job (push) reports by itself and cannot be probed";
        return Err(ApiError::unprocessable(vec![told.to_owned()]));
    }
    let records = record.definition.enabled;
    let service = Arc::new(service(&api, record));
    let asked = ProbeNow { service: Arc::clone(&service), records };
    let told = "probe: none can begin now: one of this service is under way, or no prober is free";
    let outcome = api.pool.send(asked).await?.map_err(|_| ApiError::busy(told))?;
    let probe = views::One::new(Probe::new(&service, &outcome));
    Ok(views::answer(StatusCode::OK, ProbeData { probe }))
}

/// `data` of one probe.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct ProbeData {
    /// What the probe saw.
    probe: views::One<Probe>,
}

/// The heartbeat of a watched job (push), with the token of its service. `success=false` with an `error` reports a failure.
#[utoipa::path(post, path = "/v1/services/{id}/heartbeat", tag = "services", security(("heartbeat" = [])),
    params(
        ("id" = i64, Path, description = "Key of the service", minimum = 1),
        ("token" = Option<String>, Query, description = "The token, where no header can be sent"),
        ("success" = Option<bool>, Query, description = "Whether the job did well; true when not given"),
        ("error" = Option<String>, Query, description = "What went wrong"),
    ),
    responses(
        (status = 200, description = "It is taken", body = Fine),
        (status = 401, description = "Token missing or wrong", body = super::error::ErrorBody),
        (status = 422, description = "The service is no watched job (push)", body = super::error::ErrorBody),
        ReadErrors,
        Missing,
    ))]
pub async fn heartbeat(api: web::Data<Api>, request: HttpRequest) -> Answer {
    let id = input::service_id(&request)?;
    let beat = input::heartbeat(&request)?;
    let record = api.ask(GetService(id)).await?;
    let Some(expected) = &record.definition.options.heartbeat else {
        let told = "url: not a watched job (push)";
        return Err(ApiError::unprocessable(vec![told.to_owned()]));
    };
    let shown = guard::bearer(&request).map(str::to_owned).or(beat.token);
    if !is_token(&api, expected, shown.as_deref().unwrap_or_default()) {
        return Err(ApiError::wrong_heartbeat_token());
    }
    if !record.definition.enabled {
        return Ok(HttpResponse::Ok().json(Fine::ok()));
    }
    let failure = (!beat.success).then(|| Failure::new(Reason::Status, beat.error));
    let outcome = Outcome::without_details(id, unix_ms(), Duration::ZERO, failure);
    api.telemetry.probed(&outcome);
    match api.recorder.send(RecordOutcome { outcome }).await? {
        Admission::Kept => {}
        Admission::Dropped => {
            let told = "the store takes no writes and the buffer is full";
            return Err(ApiError::unavailable(vec![told.to_owned()]));
        }
    }
    api.scheduler.do_send(HeartbeatSeen(id));
    Ok(HttpResponse::Ok().json(Fine::ok()))
}

fn is_token(api: &Api, expected: &Heartbeat, shown: &str) -> bool {
    expected.token.fill(&api.variables).is_ok_and(|token| guard::is_same(shown, &token))
}

fn service(api: &Api, record: ServiceRecord) -> Service {
    Service::new(record.id, record.definition, &api.defaults)
}
