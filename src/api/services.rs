//! `/v1/services`.

use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};

use super::views;
use super::{Api, guard, input};
use crate::actors::reader::Ask;
use crate::actors::writer::MakeChange;
use crate::api::error::ApiError;
use crate::api::parameters::{EventParams, PageParams};
use crate::api::responses::{BodyErrors, Missing, ReadErrors, WriteErrors};
use crate::api::views::{Event, EventsData, List, Service, ServiceData, ServicesData, Success};
use crate::clock::unix_ms;
use crate::domain::Origin;
use crate::storage::reader::{GetService, Query};
use crate::storage::writer::{Applied, Change};

type Answer = Result<HttpResponse, ApiError>;

impl Api {
    pub(super) async fn ask<Q: Query>(&self, query: Q) -> Result<Q::Answer, ApiError> {
        Ok(self.recorder.send(Ask(query)).await??)
    }

    async fn change(&self, change: Change) -> Result<Applied, ApiError> {
        Ok(self.recorder.send(MakeChange(change)).await??)
    }
}

/// The services, by id.
#[utoipa::path(get, path = "/v1/services", tag = "services",
    params(
        PageParams,
        ("status" = Option<String>, Query, description = "Only up, down, unknown, pending or paused ones"),
        ("q" = Option<String>, Query, description = "Part of the name or URL"),
        ("group" = Option<String>, Query, description = "Only this group; empty for those without one"),
        ("reason" = Option<String>, Query, description = "Only those whose newest event has this failure"),
    ),
    responses(
        (status = 200, description = "A page of services", body = Success<ServicesData>),
        ReadErrors,
    ))]
pub async fn list(api: web::Data<Api>, request: HttpRequest) -> Answer {
    let wanted = input::list_services(&request)?;
    // A dashboard that many look at costs one query for each write, and not one for each look.
    let (revision, question) = (api.revision.current(), request.query_string());
    // What is searched for differs from one to the next, and would take the places of the others.
    let is_searched = wanted.part.is_some();
    let make = async {
        let asked = wanted.page;
        let page = api.ask(wanted).await?;
        let services = List::new(asked, page, |record| Service::new(&record, &api.defaults));
        Ok(views::written(StatusCode::OK, ServicesData { services }))
    };
    let body =
        if is_searched { make.await? } else { api.answers.get(revision, question, make).await? };
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(body))
}

/// Adds a service; it is probed at once.
#[utoipa::path(post, path = "/v1/services", tag = "services", security((), ("token" = [])),
    request_body = super::openapi::NewService,
    responses(
        (status = 201, description = "The new service", body = Success<ServiceData>,
            headers(("Location" = String, description = "Path of the new service"))),
        WriteErrors,
        BodyErrors,
    ))]
pub async fn create(api: web::Data<Api>, request: HttpRequest, payload: web::Payload) -> Answer {
    guard::may_write(&request, &api.writes)?;
    input::no_params(&request)?;
    let object = input::json_object(&request, payload, api.body_limit).await?;
    let definition = input::definition(&object)?;
    let applied = api.change(Change::Create(Box::new(definition))).await?;
    let location = format!("/v1/services/{}", applied.id);
    let mut response = changed(&api, StatusCode::CREATED, applied)?;
    if let Ok(location) = location.parse() {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// One service.
#[utoipa::path(get, path = "/v1/services/{id}", tag = "services",
    params(("id" = i64, Path, description = "Key of the service", minimum = 1)),
    responses(
        (status = 200, description = "The service", body = Success<ServiceData>),
        ReadErrors,
        Missing,
    ))]
pub async fn get(api: web::Data<Api>, request: HttpRequest) -> Answer {
    let id = input::service_id(&request)?;
    input::no_params(&request)?;
    let record = api.ask(GetService(id)).await?;
    Ok(views::answer(StatusCode::OK, views::one_service(&record, &api.defaults)))
}

/// Changes a service from its next probe on; a field left out stays as it is.
#[utoipa::path(patch, path = "/v1/services/{id}", tag = "services", security((), ("token" = [])),
    params(("id" = i64, Path, description = "Key of the service", minimum = 1)),
    request_body = super::openapi::ServiceChange,
    responses(
        (status = 200, description = "The service as it is now", body = Success<ServiceData>),
        WriteErrors,
        BodyErrors,
        Missing,
    ))]
pub async fn patch(api: web::Data<Api>, request: HttpRequest, payload: web::Payload) -> Answer {
    guard::may_write(&request, &api.writes)?;
    let id = input::service_id(&request)?;
    input::no_params(&request)?;
    let object = input::json_object(&request, payload, api.body_limit).await?;
    let patch = input::patch(object)?;
    let before = api.ask(GetService(id)).await?;
    if before.origin == Origin::Api {
        input::patched(&before.definition, &patch)?;
    }
    let applied = api.change(Change::Update(id, patch)).await?;
    changed(&api, StatusCode::OK, applied)
}

/// Takes a service away: probing stops, its name is free again, its history stays in the store.
#[utoipa::path(delete, path = "/v1/services/{id}", tag = "services", security((), ("token" = [])),
    params(("id" = i64, Path, description = "Key of the service", minimum = 1)),
    responses(
        (status = 204, description = "It is gone"),
        WriteErrors,
        Missing,
    ))]
pub async fn delete(api: web::Data<Api>, request: HttpRequest) -> Answer {
    guard::may_write(&request, &api.writes)?;
    let id = input::service_id(&request)?;
    input::no_params(&request)?;
    api.change(Change::Delete(id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The events of a service, newest first.
#[utoipa::path(get, path = "/v1/services/{id}/events", tag = "services",
    params(
        ("id" = i64, Path, description = "Key of the service", minimum = 1),
        EventParams,
        PageParams,
    ),
    responses(
        (status = 200, description = "A page of events", body = Success<EventsData>),
        ReadErrors,
        Missing,
    ))]
pub async fn events(api: web::Data<Api>, request: HttpRequest) -> Answer {
    let wanted = input::list_events(&request, unix_ms())?;
    let asked = wanted.page;
    let found = api.ask(wanted).await?;
    let events = List::new(asked, found, |found| Event::new(&found.event));
    Ok(views::answer(StatusCode::OK, EventsData { events }))
}

/// The answer to a change that leaves a service behind.
fn changed(api: &Api, status: StatusCode, applied: Applied) -> Answer {
    let record = applied.record.ok_or_else(ApiError::not_found)?;
    Ok(views::answer(status, views::one_service(&record, &api.defaults)))
}
