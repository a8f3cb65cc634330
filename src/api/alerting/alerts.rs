//! Handlers of `/v1/alerts`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};

use crate::api::budget::Items;
use crate::api::error::ApiResult;
use crate::api::error_responses::{NotFoundError, ReadErrors};
use crate::api::input;
use crate::api::query_parameters::{AlertParams, PageParams};
use crate::api::state::Api;
use crate::api::views::alerting::alert::{Alert, AlertData, AlertDetails, AlertsData};
use crate::api::views::envelope::{List, One, Success, json, success};
use crate::api::visibility;
use crate::domain::access::Caller;
use crate::domain::alert;
use crate::storage::alerting::GetAlertHistory;

/// The alerts, newest first; closed ones for as long as events are stored.
#[utoipa::path(get, path = "/v1/alerts", tag = "alerting",
    params(AlertParams, PageParams),
    responses(
        (status = 200, description = "A page of alerts", body = Success<AlertsData>),
        ReadErrors,
    ))]
pub async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let query = input::alerting::list_alerts(&request, &caller.groups)?;
    let requested = query.page;
    let view = move |page| {
        let view = |alert: alert::Alert| Alert::new(&alert);
        AlertsData { alerts: List::new(requested, page, view) }
    };
    let text = api.text((Items::Alerts, requested.limit as usize), query, view).await?;
    Ok(json(text))
}

/// One alert with its notifications and deliveries.
#[utoipa::path(get, path = "/v1/alerts/{id}", tag = "alerting",
    params(("id" = i64, Path, description = "Id of the alert", minimum = 1)),
    responses(
        (status = 200, description = "The alert", body = Success<AlertData>),
        ReadErrors,
        NotFoundError,
    ))]
pub async fn get(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let id = input::only_record_id(&request)?;
    let mut history = api.query(GetAlertHistory(id)).await?;
    visibility::check_alert(&caller, &history.alert)?;
    if caller.groups.is_limited() {
        // A message may be about other alerts too.
        history.notifications.clear();
        history.deliveries.clear();
    }
    let alert = One::new(AlertDetails::new(&history));
    Ok(success(StatusCode::OK, AlertData { alert }))
}
