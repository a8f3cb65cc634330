//! Handlers of `/v1/maintenance`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value};

use crate::api::alerting::{created, page};
use crate::api::error::{ApiError, ApiResult};
use crate::api::error_responses::{BodyErrors, NotFoundError, ReadErrors, WriteErrors};
use crate::api::input;
use crate::api::maintenance_bodies::{MaintenanceChange as Patch, NewMaintenance};
use crate::api::query_parameters::PageParams;
use crate::api::state::Api;
use crate::api::views::envelope::{List, One, Success, success};
use crate::api::views::maintenance::{Maintenance, MaintenanceData, MaintenancesData};
use crate::api::visible_plans;
use crate::api::visible_plans::VisibleMaintenance;
use crate::clock::unix_ms;
use crate::domain::Invalid;
use crate::domain::access::Caller;
use crate::domain::maintenance::{KeyProblem, MaintenanceDefinition, MaintenanceId};
use crate::storage::maintenance::{
    GetMaintenance, ListMaintenance, MaintenanceChange, MaintenanceRecord,
};

/// The maintenances, by id.
#[utoipa::path(get, path = "/v1/maintenance", tag = "maintenance",
    params(PageParams),
    responses(
        (status = 200, description = "A page of maintenances", body = Success<MaintenancesData>),
        ReadErrors,
    ))]
pub async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let requested = input::alerting::page(&request)?;
    let all = api.query(ListMaintenance).await?;
    let found = page(requested, visible_plans::maintenance(&api, &caller, all).await?);
    let now_ms = unix_ms();
    let view = |visible: VisibleMaintenance| Maintenance::new(&visible.record, now_ms);
    let maintenance = List::new(requested, found, view);
    Ok(success(StatusCode::OK, MaintenancesData { maintenance }))
}

/// Plans maintenance: notifications of its services are suppressed, and their time down or unknown
/// is planned.
#[utoipa::path(post, path = "/v1/maintenance", tag = "maintenance", security((), ("token" = [])),
    request_body = NewMaintenance,
    responses(
        (status = 201, description = "The new maintenance", body = Success<MaintenanceData>,
            headers(("Location" = String, description = "Path of the new maintenance"))),
        WriteErrors,
        BodyErrors,
    ))]
pub async fn create(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult {
    input::no_params(&request)?;
    let mut object = input::json_object(&request, payload, input::JSON, &api).await?;
    let retroactive = retroactive(&mut object)?;
    let record = plan(&api, &caller, &request, (&object, retroactive)).await?;
    Ok(created("/v1/maintenance", record.maintenance.id, data(&record)))
}

/// One maintenance.
#[utoipa::path(get, path = "/v1/maintenance/{id}", tag = "maintenance",
    params(("id" = i64, Path, description = "Id of the maintenance", minimum = 1)),
    responses(
        (status = 200, description = "The maintenance", body = Success<MaintenanceData>),
        ReadErrors,
        NotFoundError,
    ))]
pub async fn get(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let id = input::only_record_id(&request)?;
    let record = api.query(GetMaintenance(id)).await?;
    let visible = visible_plans::maintenance(&api, &caller, vec![record]).await?;
    let visible = visible.first().ok_or_else(ApiError::not_found)?;
    Ok(success(StatusCode::OK, data(&visible.record)))
}

/// Changes a maintenance from now on. An absent field stays unchanged, and null removes it. What
/// was in maintenance so far stays so.
#[utoipa::path(patch, path = "/v1/maintenance/{id}", tag = "maintenance",
    security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the maintenance", minimum = 1)),
    request_body = Patch,
    responses(
        (status = 200, description = "The changed maintenance", body = Success<MaintenanceData>),
        WriteErrors,
        BodyErrors,
        NotFoundError,
    ))]
pub async fn patch(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult {
    let id = input::only_record_id(&request)?;
    let mut patch = input::json_object(&request, payload, input::MERGE_PATCH, &api).await?;
    let retroactive = retroactive(&mut patch)?;
    let record = change(&api, &caller, &request, id, (patch, retroactive)).await?;
    Ok(success(StatusCode::OK, data(&record)))
}

/// Ends a maintenance and deletes it. What was in maintenance so far stays so.
#[utoipa::path(delete, path = "/v1/maintenance/{id}", tag = "maintenance",
    security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the maintenance", minimum = 1)),
    responses(
        (status = 204, description = "Deleted"),
        WriteErrors,
        NotFoundError,
    ))]
pub async fn delete(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let id = input::only_record_id(&request)?;
    end(&api, &caller, &request, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Plans maintenance within the groups of the caller: its written form, and whether it may begin
/// in the past.
pub async fn plan(
    api: &Api,
    caller: &Caller,
    request: &HttpRequest,
    (object, retroactive): (&Map<String, Value>, bool),
) -> Result<MaintenanceRecord, ApiError> {
    let definition = MaintenanceDefinition::read(object).map_err(invalid)?;
    visible_plans::check_new_scope(api, caller, None, &definition.scope).await?;
    changed(api, MaintenanceChange::Create { definition, retroactive }, request).await
}

/// Changes maintenance within the groups of the caller.
pub async fn change(
    api: &Api,
    caller: &Caller,
    request: &HttpRequest,
    id: MaintenanceId,
    (patch, retroactive): (Map<String, Value>, bool),
) -> Result<MaintenanceRecord, ApiError> {
    let _order = api.alerting_changes.lock().await;
    if caller.groups.is_limited() {
        let before = api.query(GetMaintenance(id)).await?.maintenance.definition;
        visible_plans::check_scope(api, caller, &before.scope).await?;
        let after = before.patched(&patch).map_err(invalid)?;
        visible_plans::check_new_scope(api, caller, Some(&before.scope), &after.scope).await?;
    }
    changed(api, MaintenanceChange::Update { id, patch, retroactive }, request).await
}

/// Ends and deletes maintenance within the groups of the caller.
pub async fn end(
    api: &Api,
    caller: &Caller,
    request: &HttpRequest,
    id: MaintenanceId,
) -> Result<(), ApiError> {
    let _order = api.alerting_changes.lock().await;
    if caller.groups.is_limited() {
        let before = api.query(GetMaintenance(id)).await?.maintenance.definition;
        visible_plans::check_scope(api, caller, &before.scope).await?;
    }
    api.change_maintenance(MaintenanceChange::Delete(id), api.source(request)).await?;
    Ok(())
}

fn invalid(problems: Vec<KeyProblem>) -> ApiError {
    let problems = problems.into_iter().map(|one| format!("{}: {}", one.key, one.problem));
    ApiError::unprocessable(problems.collect())
}

/// Takes `retroactive` out of a body.
fn retroactive(object: &mut Map<String, Value>) -> Result<bool, ApiError> {
    match object.remove("retroactive") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(retroactive)) => Ok(retroactive),
        Some(other) => {
            let invalid = Invalid::new(other, "true or false");
            Err(ApiError::unprocessable(vec![invalid.of("retroactive")]))
        }
    }
}

async fn changed(
    api: &Api,
    change: MaintenanceChange,
    request: &HttpRequest,
) -> Result<MaintenanceRecord, ApiError> {
    let applied = api.change_maintenance(change, api.source(request)).await?;
    applied.record.ok_or_else(ApiError::not_found)
}

fn data(record: &MaintenanceRecord) -> MaintenanceData {
    MaintenanceData { maintenance: One::new(Maintenance::new(record, unix_ms())) }
}
