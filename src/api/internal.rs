//! What operators and their tools ask: health, readiness, metrics.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, web};

use super::views;
use super::{Api, input};
use crate::actors::recorder::{GetResults, GetTrouble};
use crate::actors::scheduler::GetLateness;
use crate::api::error::{ApiError, ErrorBody};
use crate::api::responses::ReadErrors;
use crate::api::views::storage::{Storage, StorageData};
use crate::api::views::{Fine, One, Success};
use crate::metrics::Format;
use crate::storage::history::usage::GetUsage;

/// A slot that waits longer than this for the scheduler makes the service not ready.
const LATE_AFTER: Duration = Duration::from_secs(1);

/// An actor that does not answer in this time is not well.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Whether the process serves.
#[utoipa::path(get, path = "/v1/_internal/health", tag = "operations",
    responses(
        (status = 200, description = "It does", body = Fine),
        (status = 400, description = "An unknown parameter", body = ErrorBody),
    ))]
pub async fn health(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    input::no_params(&request)?;
    Ok(HttpResponse::Ok().json(Fine::ok()))
}

/// Whether the store takes writes and the scheduler is on time.
#[utoipa::path(get, path = "/v1/_internal/ready", tag = "operations",
    responses(
        (status = 200, description = "Both", body = Fine),
        (status = 400, description = "An unknown parameter", body = ErrorBody),
        (status = 503, description = "One of them is not; `errors` says which", body = ErrorBody),
    ))]
pub async fn ready(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    input::no_params(&request)?;
    let mut errors = Vec::new();
    match api.recorder.send(GetTrouble).timeout(ANSWER_WITHIN).await {
        Ok(None) => {}
        Ok(Some(why)) => errors.push(format!("store: takes no writes: {why}")),
        Err(_) => errors.push("store: the recorder does not answer".to_owned()),
    }
    match api.scheduler.send(GetLateness).timeout(ANSWER_WITHIN).await {
        Ok(late) if late <= LATE_AFTER => {}
        Ok(late) => errors.push(format!("scheduler: {:.1} s late", late.as_secs_f64())),
        Err(_) => errors.push("scheduler: does not answer".to_owned()),
    }
    if errors.is_empty() {
        Ok(HttpResponse::Ok().json(Fine::ok()))
    } else {
        Err(ApiError::unavailable(errors))
    }
}

/// How much there is in the store, and what room it takes.
#[utoipa::path(get, path = "/v1/_internal/storage", tag = "operations",
    responses(
        (status = 200, description = "Sizes and rows", body = Success<StorageData>),
        ReadErrors,
    ))]
pub async fn storage(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    input::no_params(&request)?;
    let usage = api.ask(GetUsage).await?;
    let storage = One::new(Storage::new(&usage));
    Ok(views::answer(StatusCode::OK, StorageData { storage }))
}

/// Everything the program counts, in Prometheus's text format.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses(
        (status = 200, description = "Prometheus text exposition", body = String,
            content_type = "text/plain"),
        (status = 503, description = "The service is shutting down", body = ErrorBody),
    ))]
pub async fn metrics(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let _turn = api.scrapes.acquire().await;
    let results = api.recorder.send(GetResults).await?;
    let telemetry = api.telemetry.clone();
    let format = Format::accepted(&request);
    // A hundred thousand services take a while to write out; the other requests of this thread go on meanwhile.
    let text = web::block(move || telemetry.expose(results, format)).await;
    let text = text.map_err(|error| ApiError::unavailable(vec![error.to_string()]))?;
    let text = text.map_err(|error| ApiError::unavailable(vec![error.to_string()]))?;
    Ok(HttpResponse::build(StatusCode::OK).content_type(format.content_type()).body(text))
}

impl Format {
    /// OpenMetrics for a scraper that names it, as Prometheus does, and the plain text format for everyone else.
    fn accepted(request: &HttpRequest) -> Self {
        let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Plain,
        }
    }
}
