//! Handlers of `/v1/deliveries`.

use actix_web::{HttpRequest, web};

use crate::api::budget::Items;
use crate::api::error::ApiResult;
use crate::api::error_responses::ReadErrors;
use crate::api::input;
use crate::api::query_parameters::{DeliveryParams, PageParams};
use crate::api::state::Api;
use crate::api::views::alerting::delivery::{DeliveriesData, Delivery};
use crate::api::views::envelope::{List, Success, json};
use crate::storage::alerting::DeliveryRecord;

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
