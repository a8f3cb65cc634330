//! What a caller that is limited to groups sees: everything else does not exist.

use actix_web::HttpRequest;

use crate::api::error::ApiError;
use crate::api::guard::OF_SERVICE;
use crate::api::input;
use crate::api::state::Api;
use crate::domain::access::Caller;
use crate::domain::alert::Alert;
use crate::domain::{Definition, Group, Invalid, ServiceId};
use crate::storage::alerting::GetAlerts;
use crate::storage::records::GetService;

/// 404 for a route of one service that the caller does not see, 400 for an invalid id.
pub async fn check_route(
    api: &Api,
    caller: &Caller,
    request: &HttpRequest,
) -> Result<(), ApiError> {
    let pattern = request.match_pattern().unwrap_or_default();
    let is_below = |prefix: &str| {
        pattern.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_of_service = OF_SERVICE.into_iter().any(is_below);
    if !is_of_service || !caller.groups.is_limited() {
        return Ok(());
    }
    let id = input::service_id_before_routing(request, &pattern)?;
    check_service(api, caller, id).await
}

/// 404 for a service that the caller does not see.
pub async fn check_service(api: &Api, caller: &Caller, id: ServiceId) -> Result<(), ApiError> {
    if !caller.groups.is_limited() {
        return Ok(());
    }
    let record = api.query(GetService(id)).await?;
    let group = record.definition.group.as_ref().map(Group::as_str);
    if caller.sees(group) { Ok(()) } else { Err(ApiError::not_found()) }
}

/// 422 for a definition whose group the caller does not see: it may neither take services from
/// other groups nor give services to them.
pub fn check_group(caller: &Caller, definition: &Definition) -> Result<(), ApiError> {
    let group = definition.group.as_ref().map(Group::as_str);
    let Some(names) = caller.groups.names().filter(|_| !caller.sees(group)) else { return Ok(()) };
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    let expected = format!("a group of this token: {}", names.join(", "));
    let invalid = Invalid::quoted(group.unwrap_or_default(), expected);
    Err(ApiError::unprocessable(vec![invalid.of("group")]))
}

/// 404 for an alert that the caller does not see.
pub fn check_alert(caller: &Caller, alert: &Alert) -> Result<(), ApiError> {
    let is_visible = !caller.groups.is_limited()
        || (alert.service_id.is_some() && caller.sees(alert.facts.group.as_deref()));
    if is_visible { Ok(()) } else { Err(ApiError::not_found()) }
}

/// As [`check_alert`], by the id.
pub async fn check_alert_id(api: &Api, caller: &Caller, id: i64) -> Result<(), ApiError> {
    if !caller.groups.is_limited() {
        return Ok(());
    }
    let found = api.query(GetAlerts(vec![id])).await?;
    found.first().map_or(Err(ApiError::not_found()), |alert| check_alert(caller, alert))
}
