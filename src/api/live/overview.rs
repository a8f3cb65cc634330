//! Handler of `/v1/overview`.

use actix_web::{HttpRequest, web};

use crate::actors::messages::live::{GetOverview, Overview};
use crate::api::budget::Items;
use crate::api::error::ApiResult;
use crate::api::error_responses::ReadErrors;
use crate::api::input;
use crate::api::state::Api;
use crate::api::views::envelope::{One, Success, json};
use crate::api::views::overview::{OverviewData, OverviewView};
use crate::domain::access::Caller;
use crate::storage::alerting::query::GetServicesWithAlerts;

/// Numbers of services by state, in all and by group, and the services that need attention.
#[utoipa::path(get, path = "/v1/overview", tag = "services",
    params(("limit" = Option<u32>, Query, description = "Most services in `trouble`")),
    responses(
        (status = 200, description = "The overview", body = Success<OverviewData>),
        ReadErrors,
    ))]
pub async fn overview(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let trouble = input::overview(&request)?;
    let (revision, key) = (api.revision.current(), format!("overview?limit={trouble}"));
    let groups = caller.groups.clone();
    let compute = async {
        let context = api.service_context();
        let answer = async {
            let overview = api.overview(GetOverview { trouble, groups }).await?;
            let ids = overview.trouble.clone();
            Ok((overview, api.query(GetServicesWithAlerts(ids)).await?))
        };
        let view = move |(overview, trouble): (Overview, Vec<_>)| {
            let overview = OverviewView::new(&overview, &trouble, &context);
            OverviewData { overview: One::new(overview) }
        };
        api.text_of((Items::Services, trouble as usize), answer, view).await
    };
    // Those of tokens that are limited to groups are not cached.
    Ok(json(if caller.groups.is_limited() {
        compute.await?
    } else {
        api.response_cache.get_or_compute(revision, &key, compute).await?
    }))
}
