//! Handlers of `/v1/services`.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value};

use crate::actors::messages::live::FindServices;
use crate::alerting::kept_secrets;
use crate::api::budget::Items;
use crate::api::error::{ApiError, ApiResult};
use crate::api::error_responses::{BodyErrors, NotFoundError, ReadErrors, WriteErrors};
use crate::api::input;
use crate::api::query_parameters::{EventParams, PageParams};
use crate::api::request_bodies::{NewService, ServiceChange};
use crate::api::service_texts::ServiceTexts;
use crate::api::state::{Api, Instances};
use crate::api::views::envelope::{List, Success, json, success};
use crate::api::views::event::{Event, EventsData};
use crate::api::views::service::{
    Service, ServiceContext, ServiceData, ServiceText, ServicesData, one_service,
};
use crate::api::visibility;
use crate::clock::unix_ms;
use crate::domain::access::Caller;
use crate::domain::alert::Alert;
use crate::domain::live::{ServiceList, ServiceOrder, ServiceVersion};
use crate::domain::{Definition, Origin, Page, ServiceEvent, ServiceId};
use crate::spec::Patch;
use crate::storage::alerting::query::GetServicesWithAlerts;
use crate::storage::alerting::{ListChannels, ListOpenAlerts};
use crate::storage::coordination::Duty;
use crate::storage::records::{Applied, Change, GetService, ListServices, ServiceRecord};

/// The services, ordered by id.
#[utoipa::path(get, path = "/v1/services", tag = "services",
    params(
        PageParams,
        ("status" = Option<String>, Query, 
            description = "Only services in this state"),
        ("q" = Option<String>, Query,
            description = "Substring of the name or of the masked URL; an empty one is ignored"),
        ("group" = Option<String>, Query, 
            description = "Only services of this group; empty: services without a group"),
        ("reason" = Option<String>, Query, 
            description = "Only services whose newest event has this failure reason"),
    ),
    responses(
        (status = 200, description = "A page of services", body = Success<ServicesData>),
        ReadErrors,
    ))]
pub async fn list(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let query = input::list_services(&request, &caller.groups)?;
    // The cache makes a dashboard cost one query per write, however many clients poll it.
    let (revision, key) = (api.revision.current(), request.query_string());
    // Searches rarely repeat and would fill the cache, so they bypass it; so do the lists of tokens
    // that are limited to groups.
    let is_cached = query.part.is_none() && !query.groups.is_limited();
    let compute = async {
        let (requested, context) = (query.page, api.service_context());
        let texts = Arc::clone(&api.service_texts);
        let view = move |page| {
            let text = |found: Found| found.text(&context, &texts);
            ServicesData { services: List::new(requested, page, text) }
        };
        let page = found(&api, query);
        api.text_of((Items::Services, requested.limit as usize), page, view).await
    };
    let text = if is_cached {
        api.response_cache.get_or_compute(revision, key, compute).await?
    } else {
        compute.await?
    };
    Ok(json(text))
}

/// A service of a list.
enum Found {
    Kept(ServiceText),
    /// As it is stored, with its open alerts, and its version before it was read.
    Read(Box<ServiceRecord>, Vec<Alert>, Option<ServiceVersion>),
}

impl Found {
    fn text(self, context: &ServiceContext, texts: &ServiceTexts) -> ServiceText {
        let (record, alerts, version) = match self {
            Self::Kept(text) => return text,
            Self::Read(record, alerts, version) => (record, alerts, version),
        };
        let service = Service::new(&record, &alerts, context);
        let text = ServiceText::of(&service);
        if let Some(version) = version.filter(|_| service.is_lasting()) {
            let recorded = record.tally.map_or(0, |tally| tally.recorded());
            texts.keep(record.id, version.number, recorded, text.clone());
        }
        text
    }
}

/// The services that match: their ids from the live state, and their texts that are kept; the rows
/// of the others, with their open alerts, from the store. A row that has changed meanwhile, and
/// does not match any more, is left out.
async fn found(api: &Api, list: ListServices) -> Result<Page<Found>, ApiError> {
    let (order, page) = (ServiceOrder::Id, list.page);
    let ServiceList { ids, versions, total, .. } =
        api.find(FindServices { filter: list.filter(), order, page }).await?;
    // Results of services of other owners, and alerts that another instance settles, change no
    // version here.
    let Instances { owned, duties, .. } = &api.instances;
    let settles = duties.has(Duty::Alerts);
    let versions: Vec<Option<ServiceVersion>> = ids
        .iter()
        .zip(versions)
        .map(|(id, version)| version.filter(|_| settles && owned.contains(*id)))
        .collect();
    let services = ids.iter().copied().zip(versions.iter().copied());
    // A kept text may be newer than the list, so that a state does not match any more.
    let kept = match list.has_state() {
        true => vec![None; ids.len()],
        false => {
            services.clone().map(|(id, version)| api.service_texts.get(id, &version?)).collect()
        }
    };
    let missing = services.zip(&kept).filter(|(_, kept)| kept.is_none());
    let missing: Vec<ServiceId> = missing.map(|((id, _), _)| id).collect();
    let read = match missing.is_empty() {
        true => Vec::new(),
        false => api.query(GetServicesWithAlerts(missing)).await?,
    };
    let mut read: HashMap<ServiceId, (ServiceRecord, Vec<Alert>)> =
        read.into_iter().map(|(record, alerts)| (record.id, (record, alerts))).collect();
    let found = ids.into_iter().zip(versions).zip(kept).filter_map(|((id, version), kept)| {
        if let Some(text) = kept {
            return Some(Found::Kept(text));
        }
        let (record, alerts) = read.remove(&id)?;
        list.matches_state(&record).then(|| Found::Read(Box::new(record), alerts, version))
    });
    Ok(Page { items: found.collect(), total })
}

/// Adds a service. Its first probe starts immediately.
#[utoipa::path(post, path = "/v1/services", tag = "services", security((), ("token" = [])),
    request_body = NewService,
    responses(
        (status = 201, description = "The new service", body = Success<ServiceData>,
            headers(("Location" = String, description = "Path of the new service"))),
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
    let object = input::json_object(&request, payload, input::JSON, &api).await?;
    let definition = check_new(&api, &caller, &object).await?;
    let applied = api.change(Change::Create(Box::new(definition)), api.source(&request)).await?;
    let location = format!("/v1/services/{}", applied.id);
    let mut response = changed(&api, StatusCode::CREATED, applied).await?;
    if let Ok(location) = location.parse() {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// One service.
#[utoipa::path(get, path = "/v1/services/{id}", tag = "services",
    params(("id" = i64, Path, description = "Id of the service", minimum = 1)),
    responses(
        (status = 200, description = "The service", body = Success<ServiceData>),
        ReadErrors,
        NotFoundError,
    ))]
pub async fn get(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let id = input::service_id(&request)?;
    input::no_params(&request)?;
    let record = api.query(GetService(id)).await?;
    shown(&api, StatusCode::OK, &record).await
}

/// Changes a service from its next probe on. An absent field stays unchanged.
///
/// A mask (`***`) keeps the stored secret. A change of where the request goes, or of who can read
/// it, is rejected unless it gives or removes the stored secrets.
#[utoipa::path(patch, path = "/v1/services/{id}", tag = "services", security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the service", minimum = 1)),
    request_body = ServiceChange,
    responses(
        (status = 200, description = "The changed service", body = Success<ServiceData>),
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
    let id = input::service_id(&request)?;
    input::no_params(&request)?;
    let object = input::json_object(&request, payload, input::MERGE_PATCH, &api).await?;
    let patch = input::patch(object)?;
    let before = api.query(GetService(id)).await?;
    check_change(&api, &caller, &before, &patch).await?;
    let applied = api.change(Change::Update(id, patch), api.source(&request)).await?;
    changed(&api, StatusCode::OK, applied).await
}

/// Deletes a service. Its probes stop, its name becomes available, and its history stays in the
/// store.
#[utoipa::path(delete, path = "/v1/services/{id}", tag = "services", security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the service", minimum = 1)),
    responses(
        (status = 204, description = "Deleted"),
        WriteErrors,
        NotFoundError,
    ))]
pub async fn delete(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let id = input::service_id(&request)?;
    input::no_params(&request)?;
    api.change(Change::Delete(id), api.source(&request)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The events of a service, newest first.
#[utoipa::path(get, path = "/v1/services/{id}/events", tag = "services",
    params(
        ("id" = i64, Path, description = "Id of the service", minimum = 1),
        EventParams,
        PageParams,
    ),
    responses(
        (status = 200, description = "A page of events", body = Success<EventsData>),
        ReadErrors,
        NotFoundError,
    ))]
pub async fn events(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let query = input::list_events(&request, unix_ms())?;
    let requested = query.page;
    let view = move |page| {
        let view = |found: ServiceEvent| Event::new(&found.event);
        EventsData { events: List::new(requested, page, view) }
    };
    let text = api.text((Items::Events, requested.limit as usize), query, view).await?;
    Ok(json(text))
}

/// The definition of a new service.
pub async fn check_new(
    api: &Api,
    caller: &Caller,
    object: &Map<String, Value>,
) -> Result<Definition, ApiError> {
    let definition = input::definition(object, api.has_plugins)?;
    visibility::check_group(caller, &definition)?;
    check_overrides(api, &definition).await?;
    Ok(definition)
}

/// Checks a change of a service.
pub async fn check_change(
    api: &Api,
    caller: &Caller,
    before: &ServiceRecord,
    patch: &Patch,
) -> Result<(), ApiError> {
    if before.origin == Origin::Api {
        let patched = input::patched(&before.definition, patch, api.has_plugins)?;
        visibility::check_group(caller, &patched)?;
        check_overrides(api, &patched).await?;
    }
    Ok(())
}

/// Rejects overrides of alerts that would send secrets of a channel to another receiver: a client
/// that may write must not learn the secrets that it cannot read.
async fn check_overrides(api: &Api, definition: &Definition) -> Result<(), ApiError> {
    let rules = definition.options.alerts.iter().flat_map(|rules| rules.iter()).enumerate();
    let rules: Vec<_> = rules.filter(|(_, rule)| !rule.overrides.is_empty()).collect();
    if rules.is_empty() {
        return Ok(());
    }
    let channels = api.query(ListChannels).await?;
    let mut problems = Vec::new();
    for (nth, rule) in rules {
        let channel = channels.iter().find(|channel| channel.name == rule.channel);
        if let Some(found) = channel.and_then(|it| kept_secrets::redirected(it, &rule.overrides)) {
            let (causes, secrets) = (found.causes.join(", "), found.secrets.join(", "));
            problems.push(format!(
                "alerts.{nth}.provider_override: {causes} may send secrets of the channel \
                 elsewhere, expected {secrets} too"
            ));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(ApiError::unprocessable(problems)) }
}

/// The response to a change that returns the changed service.
async fn changed(api: &Api, status: StatusCode, applied: Applied) -> ApiResult {
    let record = applied.record.ok_or_else(ApiError::not_found)?;
    shown(api, status, &record).await
}

async fn shown(api: &Api, status: StatusCode, record: &ServiceRecord) -> ApiResult {
    let alerts = api.query(ListOpenAlerts(vec![record.id])).await?;
    Ok(success(status, one_service(record, &alerts, &api.service_context())))
}
