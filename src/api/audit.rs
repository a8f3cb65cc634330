//! Handler of `/v1/audit`.

use actix_web::{HttpRequest, web};

use crate::api::budget::Items;
use crate::api::error::ApiResult;
use crate::api::error_responses::{ConfidentialErrors, ReadErrors};
use crate::api::input;
use crate::api::query_parameters::AuditParams;
use crate::api::state::Api;
use crate::api::views::audit::{AuditData, Changes};
use crate::api::views::envelope::{Success, json};
use crate::clock::unix_ms;
use crate::storage::audit::ListAudit;

/// The changes of services, channels, policies, silences, maintenance, acknowledgements and tokens,
/// newest first.
#[utoipa::path(get, path = "/v1/audit", tag = "operations", security((), ("token" = [])),
    params(AuditParams),
    responses(
        (status = 200, description = "A page of changes", body = Success<AuditData>),
        ReadErrors,
        ConfidentialErrors,
    ))]
pub async fn list(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let query = input::list_audit(&request, unix_ms())?;
    let limit = query.limit as usize;
    // One more tells whether there is a next page.
    let query = ListAudit { limit: query.limit + 1, ..query };
    let view = move |records| AuditData { audit: Changes::new(limit, records) };
    let text = api.text((Items::Changes, limit + 1), query, view).await?;
    Ok(json(text))
}
