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
use crate::clock::unix_ms;
use crate::domain::Invalid;
use crate::domain::maintenance::MaintenanceDefinition;
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
pub async fn list(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let requested = input::alerting::page(&request)?;
    let found = page(requested, api.query(ListMaintenance).await?);
    let now_ms = unix_ms();
    let view = |record: MaintenanceRecord| Maintenance::new(&record, now_ms);
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
pub async fn create(api: web::Data<Api>, request: HttpRequest, payload: web::Payload) -> ApiResult {
    input::no_params(&request)?;
    let mut object = input::json_object(&request, payload, input::JSON, &api).await?;
    let retroactive = retroactive(&mut object)?;
    let definition = MaintenanceDefinition::read(&object).map_err(|problems| {
        let problems = problems.into_iter().map(|one| format!("{}: {}", one.key, one.problem));
        ApiError::unprocessable(problems.collect())
    })?;
    let record =
        changed(&api, MaintenanceChange::Create { definition, retroactive }, &request).await?;
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
pub async fn get(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let id = input::record_id(&request)?;
    input::no_params(&request)?;
    let record = api.query(GetMaintenance(id)).await?;
    Ok(success(StatusCode::OK, data(&record)))
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
pub async fn patch(api: web::Data<Api>, request: HttpRequest, payload: web::Payload) -> ApiResult {
    let id = input::record_id(&request)?;
    input::no_params(&request)?;
    let mut patch = input::json_object(&request, payload, input::MERGE_PATCH, &api).await?;
    let retroactive = retroactive(&mut patch)?;
    let record =
        changed(&api, MaintenanceChange::Update { id, patch, retroactive }, &request).await?;
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
pub async fn delete(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let id = input::record_id(&request)?;
    input::no_params(&request)?;
    api.change_maintenance(MaintenanceChange::Delete(id), api.source(&request)).await?;
    Ok(HttpResponse::NoContent().finish())
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
