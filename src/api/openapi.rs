//! `/openapi.json`, generated from the handlers, request bodies and views.

use std::sync::LazyLock;

use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse};
use utoipa::openapi::header::Header;
use utoipa::openapi::schema::{ArrayItems, Object, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, Ref, RefOr, Response, Schema};
use utoipa::{Modify, OpenApi};

use crate::api::access::{sessions, tokens};
use crate::api::alerting::{
    acknowledgements, alerts, channel_tests, channels, deliveries, maintenance, policies, silences,
};
use crate::api::error::{ApiResult, ErrorBody};
use crate::api::parameter_schemas::ParameterSchemas;
use crate::api::prometheus::{discovery, information, queries, remote_read};
use crate::api::views::alerting::alert::OpenAlert;
use crate::api::views::event::{Event, Failure};
use crate::api::views::probe::Probe;
use crate::api::views::service::{Metric, Service};
use crate::api::{audit, heartbeats, history, input, internal, live, probes, prometheus, services};

#[derive(OpenApi)]
#[openapi(
    paths(
        services::list,
        services::create,
        services::get,
        services::patch,
        services::delete,
        services::events,
        live::overview::overview,
        live::stream::stream,
        probes::probe,
        heartbeats::heartbeat,
        heartbeats::heartbeat_by_get,
        heartbeats::external,
        history::ticks,
        history::series,
        history::uptime,
        history::slo,
        history::all_uptime,
        history::all_events,
        channels::list,
        channels::create,
        channels::get,
        channels::patch,
        channels::delete,
        channel_tests::test,
        channels::kinds,
        policies::list,
        policies::create,
        policies::get,
        policies::patch,
        policies::delete,
        silences::list,
        silences::create,
        silences::get,
        silences::patch,
        silences::delete,
        alerts::list,
        alerts::get,
        acknowledgements::acknowledge,
        acknowledgements::unacknowledge,
        deliveries::list,
        deliveries::retry,
        maintenance::list,
        maintenance::create,
        maintenance::get,
        maintenance::patch,
        maintenance::delete,
        audit::list,
        tokens::list,
        tokens::create,
        tokens::revoke,
        sessions::get,
        sessions::create,
        sessions::delete,
        queries::query,
        queries::query_range,
        discovery::labels,
        discovery::label_values,
        discovery::series,
        information::metadata,
        information::build_information,
        information::exemplars,
        information::rules,
        information::alerts,
        remote_read::read,
        internal::health,
        internal::ready,
        internal::storage,
        internal::instances,
        internal::metrics,
        prometheus::probe::probe,
        document,
    ),
    components(schemas(Service, OpenAlert, Event, Failure, Metric, Probe)),
    tags(
        (name = "services", description = "Monitored services, their state and their events"),
        (name = "history", description = "Past results: ticks, events, series, uptime, objectives"),
        (name = "queries", description = "PromQL, with the paths and answers of Prometheus"),
        (name = "alerting", description = "Channels, policies, silences, alerts and deliveries"),
        (name = "maintenance", description = "Planned work on services"),
        (name = "access", description = "Tokens and sessions"),
        (name = "operations", description = "Audit, health, metrics and this document"),
    ),
    modifiers(&SecuritySchemes, &SharedSchemas, &ParameterSchemas, &Representations, &Examples),
)]
struct Document;

/// Adds the bearer tokens of writes and of heartbeats.
struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token with the scope of the route, or `API_TOKEN`"))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(bearer));
        let heartbeat = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The heartbeat token of the push service"))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("heartbeat", SecurityScheme::Http(heartbeat));
    }
}

/// Schemas of new records, of their changes, and the paths of the changes.
const CHANGES: [(&str, &str, &str); 5] = [
    ("NewService", "ServiceChange", "/v1/services/{id}"),
    ("NewChannel", "ChannelChange", "/v1/channels/{id}"),
    ("NewPolicy", "PolicyChange", "/v1/policies/{id}"),
    ("NewSilence", "SilenceChange", "/v1/silences/{id}"),
    ("NewMaintenance", "MaintenanceChange", "/v1/maintenance/{id}"),
];

/// Derives schemas: `Service` gets the properties of `NewService` that it lacks, and the schema of
/// each change is a copy without required properties ([`CHANGES`]).
struct SharedSchemas;

impl Modify for SharedSchemas {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let Some(components) = &mut document.components else { return };
        let Some(RefOr::T(Schema::Object(new))) = components.schemas.get("NewService").cloned()
        else {
            return;
        };
        if let Some(RefOr::T(Schema::Object(service))) = components.schemas.get_mut("Service") {
            for (name, property) in &new.properties {
                service.properties.entry(name.clone()).or_insert_with(|| property.clone());
            }
        }
        refer_to_services(components);
        for (new, change, path) in CHANGES {
            let Some(RefOr::T(Schema::Object(new))) = components.schemas.get(new) else { continue };
            let mut object = new.clone();
            object.required.clear();
            object.description = Some(format!(
                "The body of `PATCH {path}`. Unknown fields are rejected. An absent field stays \
                 unchanged, null restores the default, and objects are merged (RFC 7396)."
            ));
            components.schemas.insert(change.to_owned(), Schema::Object(object).into());
        }
    }
}

/// Makes `One_Service` and `List_Service` refer to `Service`. utoipa inlines a copy into them, made
/// before [`SharedSchemas`] adds the further properties.
fn refer_to_services(components: &mut Components) {
    let service = || RefOr::Ref(Ref::from_schema_name("Service"));
    for (name, schema) in &mut components.schemas {
        let RefOr::T(Schema::Object(object)) = schema else { continue };
        match (name.as_str(), object.properties.get_mut("data")) {
            ("One_Service", Some(data)) => *data = service(),
            ("List_Service", Some(RefOr::T(Schema::Array(list)))) => {
                list.items = ArrayItems::RefOrSchema(Box::new(service()));
            }
            _ => {}
        }
    }
}

/// Adds 304 to each GET under `/v1` that responds with JSON.
struct Representations;

impl Modify for Representations {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut document.paths.paths {
            let Some(get) = item.get.as_mut().filter(|_| path.starts_with("/v1/")) else {
                continue;
            };
            let responses = &mut get.responses.responses;
            let Some(RefOr::T(ok)) = responses.get_mut("200") else { continue };
            if !ok.content.contains_key("application/json") {
                continue;
            }
            let text = Schema::Object(Object::with_type(Type::String));
            let tag = Header::new(RefOr::T(text));
            ok.headers.insert("ETag".to_owned(), tag.clone());
            let mut known =
                Response::new("The client has the response: `If-None-Match` has its tag");
            known.headers.insert("ETag".to_owned(), tag);
            responses.insert("304".to_owned(), RefOr::T(known));
        }
    }
}

/// Example responses by path, recorded from a running service; a test compares their shapes with
/// those of current responses.
const EXAMPLES: [(&str, &str); 9] = [
    ("/v1/services/{id}/ticks", include_str!("examples/ticks.json")),
    ("/v1/services/{id}/series", include_str!("examples/series.json")),
    ("/v1/services/{id}/uptime", include_str!("examples/uptime.json")),
    ("/v1/services/{id}/slo", include_str!("examples/slo.json")),
    ("/v1/services/{id}/events", include_str!("examples/events.json")),
    ("/v1/uptime", include_str!("examples/all_uptime.json")),
    ("/v1/events", include_str!("examples/all_events.json")),
    ("/v1/_internal/storage", include_str!("examples/storage.json")),
    ("/v1/_internal/instances", include_str!("examples/instances.json")),
];

/// Adds [`EXAMPLES`] to the successful responses.
struct Examples;

impl Modify for Examples {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (path, text) in EXAMPLES {
            let get = document.paths.paths.get_mut(path).and_then(|item| item.get.as_mut());
            let ok = get.and_then(|get| get.responses.responses.get_mut("200"));
            let Some(RefOr::T(response)) = ok else { continue };
            for content in response.content.values_mut() {
                content.example = serde_json::from_str(text).ok();
            }
        }
    }
}

static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| Document::openapi().to_json().unwrap_or_else(|error| unreachable!("{error}")));

/// The document as JSON.
#[cfg(test)]
pub fn text() -> &'static str {
    DOCUMENT.as_str()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operations",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = Object),
        (status = 400, description = "Unknown query parameter", body = ErrorBody),
    ))]
pub async fn document(request: HttpRequest) -> ApiResult {
    input::no_params(&request)?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(DOCUMENT.as_str()))
}
