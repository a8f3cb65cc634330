//! Handlers for operators: health, readiness, storage usage, metrics.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::actors::messages::probing::GetLateness;
use crate::actors::messages::recording::{GetObservationFailure, GetStoreFailure};
use crate::api::error::{ApiError, ApiResult, ErrorBody};
use crate::api::error_responses::ReadErrors;
use crate::api::input;
use crate::api::state::Api;
use crate::api::views::envelope::{One, Ready, StatusOnly, Success, success};
use crate::api::views::instances::{Instance, InstanceList, InstancesData};
use crate::api::views::storage::{Storage, StorageData};
use crate::clock::unix_ms;
use crate::domain::Group;
use crate::domain::access::{Caller, Scope};
use crate::metrics::{Format, Telemetry};
use crate::storage::records::GetUsage;

/// The service is not ready when the scheduler is later than this.
const MAX_LATENESS: Duration = Duration::from_secs(1);

/// The service is not ready when an actor does not respond within this time; below a second, within
/// which a probe of readiness must have its response.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(900);

/// An instance that only serves the API is not ready when its newest look at the others is older.
const MAX_LOOK_AGE: Duration = Duration::from_secs(5);

/// Liveness: responds with 200 while the process serves requests.
#[utoipa::path(get, path = "/v1/_internal/health", tag = "operations",
    responses(
        (status = 200, description = "The process serves requests", body = StatusOnly),
        (status = 400, description = "Unknown query parameter", body = ErrorBody),
    ))]
pub async fn health(request: HttpRequest) -> ApiResult {
    input::no_params(&request)?;
    Ok(HttpResponse::Ok().json(StatusOnly::ok()))
}

/// Readiness: responds with 200 while the store accepts writes, the scheduler is on time, and at
/// least half of the services can be probed. Where reads require a token, a response without one
/// says the status alone.
#[utoipa::path(get, path = "/v1/_internal/ready", tag = "operations",
    responses(
        (status = 200, description = "Ready", body = Ready),
        (status = 400, description = "Unknown query parameter", body = ErrorBody),
        (status = 503, description = "Not ready; `errors` names the store, the scheduler \
            or the fault of the probes",
            body = ErrorBody),
    ))]
pub async fn ready(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    input::no_params(&request)?;
    let mut errors = Vec::new();
    let (failure, lateness) = tokio::join!(
        api.recorder.send(GetStoreFailure).timeout(RESPONSE_TIMEOUT),
        api.scheduler.send(GetLateness).timeout(RESPONSE_TIMEOUT)
    );
    match failure {
        Ok(None) => {}
        Ok(Some(error)) => errors.push(format!("store: unavailable: {error}")),
        Err(_) => errors.push("store: the recorder does not respond".to_owned()),
    }
    match lateness {
        Ok(lateness) if lateness <= MAX_LATENESS => {}
        Ok(lateness) => {
            errors.push(format!("scheduler: {:.1} s late", lateness.as_secs_f64()));
        }
        Err(_) => errors.push("scheduler: does not respond".to_owned()),
    }
    errors.extend(roster_failure(&api));
    // A recorder that does not respond is reported above.
    let probes = api.recorder.send(GetObservationFailure).timeout(RESPONSE_TIMEOUT).await;
    if let Ok(Some(error)) = probes {
        errors.push(format!("probes: {error}"));
    }
    if errors.is_empty() {
        let now_s = unix_ms().div_euclid(1_000);
        let warning = api.certificate.as_ref().and_then(|current| current.warning(now_s));
        let warning = warning.filter(|_| caller.may(Scope::Read));
        Ok(HttpResponse::Ok().json(Ready::new(warning.into_iter().collect())))
    } else if caller.may(Scope::Read) && !caller.groups.is_limited() {
        Err(ApiError::unavailable(errors))
    } else {
        Err(ApiError::unavailable(vec![
            "not ready; a token with the scope read shows why".to_owned(),
        ]))
    }
}

/// Size and row counts of the store.
#[utoipa::path(get, path = "/v1/_internal/storage", tag = "operations",
    responses(
        (status = 200, description = "Sizes and row counts", body = Success<StorageData>),
        ReadErrors,
    ))]
pub async fn storage(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    input::no_params(&request)?;
    let usage = api.query(GetUsage).await?;
    let storage = One::new(Storage::new(&usage));
    Ok(success(StatusCode::OK, StorageData { storage }))
}

/// The living instances on the same store: their roles, their shares, and how old their newest
/// commits are. They are at most a few seconds old.
#[utoipa::path(get, path = "/v1/_internal/instances", tag = "operations",
    responses(
        (status = 200, description = "The instances, by id", body = Success<InstancesData>),
        ReadErrors,
    ))]
pub async fn instances(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    input::no_params(&request)?;
    let instances = InstanceList::new(instances_of(&api));
    Ok(success(StatusCode::OK, InstancesData { instances }))
}

/// The living instances; this one alone while the store is a file.
pub fn instances_of(api: &Api) -> Vec<Instance> {
    match api.instances.roster.get() {
        Some((roster, _)) => Instance::all(&roster),
        None => vec![Instance::only(&api.name, api.instances.role.as_str())],
    }
}

/// Why an instance that owns nothing is not ready: it has not seen the others for too long.
fn roster_failure(api: &Api) -> Option<String> {
    if !api.instances.has_several || api.instances.role.owns() {
        return None;
    }
    match api.instances.roster.get() {
        None => Some("instances: not seen yet".to_owned()),
        Some((_, at)) if at.elapsed() > MAX_LOOK_AGE => {
            Some(format!("instances: seen {} s ago", at.elapsed().as_secs()))
        }
        Some(_) => None,
    }
}

/// All metrics, in the Prometheus text format or OpenMetrics. A token that is limited to groups
/// receives those of its services alone.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses(
        (status = 200, description = "Prometheus text exposition", body = String,
            content_type = "text/plain"),
        (status = 503, description = "The service is shutting down", body = ErrorBody),
    ))]
pub async fn metrics(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let (results, telemetry) = (api.last_results.clone(), api.telemetry.clone());
    let format = negotiate_format(&request);
    let text = if caller.groups.is_limited() {
        let compute = move || {
            let mut results = results.all();
            results.retain(|service| caller.sees(service.group.as_ref().map(Group::as_str)));
            Telemetry::expose_services(results, format)
        };
        api.scrapes.own_text(compute).await?
    } else {
        api.scrapes.text(format, move || telemetry.expose(results.all(), format)).await?
    };
    let content_type = format.content_type();
    Ok(HttpResponse::Ok().content_type(content_type).body(text.into_bytes()))
}

/// OpenMetrics for a client whose `Accept` header names it, as Prometheus does; otherwise the plain
/// text format.
fn negotiate_format(request: &HttpRequest) -> Format {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    match accept {
        Some(accept) if accept.contains("application/openmetrics-text") => Format::OpenMetrics,
        _ => Format::Plain,
    }
}
