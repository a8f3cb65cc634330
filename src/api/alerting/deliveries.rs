//! Handlers of `/v1/deliveries`.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::actors::messages::alerting::RetryNotification;
use crate::api::budget::Items;
use crate::api::error::ApiResult;
use crate::api::error_responses::{NotFoundError, ReadErrors, WriteErrors};
use crate::api::input;
use crate::api::query_parameters::{DeliveryParams, PageParams};
use crate::api::state::Api;
use crate::api::views::alerting::delivery::{DeliveriesData, Delivery};
use crate::api::views::envelope::{List, StatusOnly, Success, json};
use crate::storage::alerting::{DeliveryRecord, GetDelivery};

/// The attempts to deliver notifications, newest first; of the last `DELIVERY_RETENTION_DAYS`.
#[utoipa::path(get, path = "/v1/deliveries", tag = "alerting",
    params(DeliveryParams, PageParams),
    responses(
        (status = 200, description = "A page of deliveries", body = Success<DeliveriesData>),
        ReadErrors,
    ))]
pub async fn list(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let query = input::alerting::list_deliveries(&request)?;
    let requested = query.page;
    let view = move |page| {
        let view = |found: DeliveryRecord| Delivery::new(&found.delivery, found.channel_id);
        DeliveriesData { deliveries: List::new(requested, page, view) }
    };
    let text = api.text((Items::Deliveries, requested.limit as usize), query, view).await?;
    Ok(json(text))
}

/// Tries the notification of a delivery again, now; also one that was given up.
///
/// The response does not wait for the attempt.
#[utoipa::path(post, path = "/v1/deliveries/{id}/retry", tag = "alerting",
    security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the delivery", minimum = 1)),
    responses(
        (status = 200, description = "The next attempt is due", body = StatusOnly),
        WriteErrors,
        NotFoundError,
    ))]
pub async fn retry(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let id = input::only_record_id(&request)?;
    let found = api.query(GetDelivery(id)).await?;
    let command = RetryNotification {
        delivery_id: id,
        notification_id: found.delivery.notification_id,
        source: api.source(&request),
    };
    api.dispatcher.retry.send(command).await??;
    Ok(HttpResponse::Ok().json(StatusOnly::ok()))
}
