//! On-demand probes: results outside the schedule.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};

use crate::actors::messages::probing::ProbeNow;
use crate::api::error::{ApiError, ApiResult, ErrorBody};
use crate::api::error_responses::{NotFoundError, WriteErrors};
use crate::api::input;
use crate::api::state::Api;
use crate::api::views::envelope::{One, Success, success};
use crate::api::views::probe::{Probe, ProbeData};
use crate::domain::{Kind, Outcome, Service};
use crate::storage::records::{GetService, ServiceRecord};

/// Probes a service immediately, outside its schedule, and returns the result. The result of an
/// enabled service is recorded as a tick.
#[utoipa::path(post, path = "/v1/services/{id}/probe", tag = "services",
    security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the service", minimum = 1)),
    responses(
        (status = 200, description = "The result of the probe", body = Success<ProbeData>),
        (status = 422, description = "A push service cannot be probed", body = ErrorBody),
        WriteErrors,
        NotFoundError,
    ))]
pub async fn probe(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let id = input::service_id(&request)?;
    input::no_params(&request)?;
    let revision = api.revision.current();
    let record = api.query(GetService(id)).await?;
    let (service, outcome) = probe_now(&api, record, revision).await?;
    let probe = One::new(Probe::new(&service, &outcome, api.requests));
    Ok(success(StatusCode::OK, ProbeData { probe }))
}

/// Probes the service of a record, which was read after `revision`.
pub async fn probe_now(
    api: &Api,
    record: ServiceRecord,
    revision: u64,
) -> Result<(Arc<Service>, Outcome), ApiError> {
    if record.definition.target.kind() == Kind::Push {
        let message = "url: a push service cannot be probed; it reports heartbeats";
        return Err(ApiError::unprocessable(vec![message.to_owned()]));
    }
    let records = record.definition.enabled;
    let service = Service::new(record.id, record.definition, &api.defaults).at_revision(revision);
    let service = Arc::new(service);
    let message = ProbeNow { service: Arc::clone(&service), records, policy: None };
    let busy = "probe: cannot start: a probe of this service is running, or no prober is idle";
    let outcome = api.pool.send(message).await?.map_err(|_| ApiError::busy(busy))?;
    Ok((service, outcome))
}
