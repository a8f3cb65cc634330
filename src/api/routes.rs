//! Which handler serves which path and method.

use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Resource, Responder, guard, web};

use crate::api::access::{sessions, tokens};
use crate::api::alerting::{
    acknowledgements, alerts, channel_tests, channels, deliveries, maintenance, policies, silences,
};
use crate::api::error::ApiError;
use crate::api::guard::{EXTERNAL, HEARTBEAT, PROBE_TARGET};
use crate::api::services::{create, delete, events, get, list, patch};
use crate::api::{audit, heartbeats, history, internal, live, openapi, probes, prometheus};

/// Adds every route of the API to `config`.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(read(path("/v1/services", "GET, HEAD, POST"), list).route(web::post().to(create)))
        .service(
            read(path("/v1/services/{id}", "GET, HEAD, PATCH, DELETE"), get)
                .route(web::patch().to(patch))
                .route(web::delete().to(delete)),
        )
        .service(read(path("/v1/services/{id}/events", "GET, HEAD"), events))
        .service(read(path("/v1/services/{id}/ticks", "GET, HEAD"), history::ticks))
        .service(read(path("/v1/services/{id}/series", "GET, HEAD"), history::series))
        .service(read(path("/v1/services/{id}/uptime", "GET, HEAD"), history::uptime))
        .service(read(path("/v1/services/{id}/slo", "GET, HEAD"), history::slo))
        .service(read(path("/v1/overview", "GET, HEAD"), live::overview::overview))
        .service(read(path("/v1/stream", "GET, HEAD"), live::stream::stream))
        .service(read(path("/v1/uptime", "GET, HEAD"), history::all_uptime))
        .service(read(path("/v1/events", "GET, HEAD"), history::all_events))
        .service(
            read(path("/v1/maintenance", "GET, HEAD, POST"), maintenance::list)
                .route(web::post().to(maintenance::create)),
        )
        .service(
            read(path("/v1/maintenance/{id}", "GET, HEAD, PATCH, DELETE"), maintenance::get)
                .route(web::patch().to(maintenance::patch))
                .route(web::delete().to(maintenance::delete)),
        )
        .service(path("/v1/services/{id}/probe", "POST").route(web::post().to(probes::probe)))
        .service(
            read(path(HEARTBEAT, "GET, HEAD, POST"), heartbeats::heartbeat_by_get)
                .route(web::post().to(heartbeats::heartbeat)),
        )
        .service(queries("/api/v1/query", prometheus::query))
        .service(queries("/api/v1/query_range", prometheus::query_range))
        .service(queries("/api/v1/labels", prometheus::labels))
        .service(queries("/api/v1/series", prometheus::series))
        .service(queries("/api/v1/query_exemplars", prometheus::exemplars))
        .service(path("/api/v1/read", "POST").route(web::post().to(prometheus::read)))
        .service(read(path("/api/v1/label/{name}/values", "GET, HEAD"), prometheus::label_values))
        .service(read(path("/api/v1/metadata", "GET, HEAD"), prometheus::metadata))
        .service(read(path("/api/v1/rules", "GET, HEAD"), prometheus::rules))
        .service(read(path("/api/v1/alerts", "GET, HEAD"), prometheus::alerts))
        .service(read(path("/api/v1/status/buildinfo", "GET, HEAD"), prometheus::build_information))
        .service(path(EXTERNAL, "POST").route(web::post().to(heartbeats::external)))
        .service(
            read(path("/v1/channels", "GET, HEAD, POST"), channels::list)
                .route(web::post().to(channels::create)),
        )
        .service(
            read(path("/v1/channels/{id}", "GET, HEAD, PATCH, DELETE"), channels::get)
                .route(web::patch().to(channels::patch))
                .route(web::delete().to(channels::delete)),
        )
        .service(path("/v1/channels/{id}/test", "POST").route(web::post().to(channel_tests::test)))
        .service(read(path("/v1/channel-kinds", "GET, HEAD"), channels::kinds))
        .service(
            read(path("/v1/policies", "GET, HEAD, POST"), policies::list)
                .route(web::post().to(policies::create)),
        )
        .service(
            read(path("/v1/policies/{id}", "GET, HEAD, PATCH, DELETE"), policies::get)
                .route(web::patch().to(policies::patch))
                .route(web::delete().to(policies::delete)),
        )
        .service(
            read(path("/v1/silences", "GET, HEAD, POST"), silences::list)
                .route(web::post().to(silences::create)),
        )
        .service(
            read(path("/v1/silences/{id}", "GET, HEAD, PATCH, DELETE"), silences::get)
                .route(web::patch().to(silences::patch))
                .route(web::delete().to(silences::delete)),
        )
        .service(read(path("/v1/alerts", "GET, HEAD"), alerts::list))
        .service(read(path("/v1/alerts/{id}", "GET, HEAD"), alerts::get))
        .service(
            path("/v1/alerts/{id}/acknowledge", "POST, DELETE")
                .route(web::post().to(acknowledgements::acknowledge))
                .route(web::delete().to(acknowledgements::unacknowledge)),
        )
        .service(path("/v1/deliveries/{id}/retry", "POST").route(web::post().to(deliveries::retry)))
        .service(read(path("/v1/deliveries", "GET, HEAD"), deliveries::list))
        .service(read(path("/v1/audit", "GET, HEAD"), audit::list))
        .service(
            read(path("/v1/tokens", "GET, HEAD, POST"), tokens::list)
                .route(web::post().to(tokens::create)),
        )
        .service(path("/v1/tokens/{id}", "DELETE").route(web::delete().to(tokens::revoke)))
        .service(
            read(path("/v1/session", "GET, HEAD, POST, DELETE"), sessions::get)
                .route(web::post().to(sessions::create))
                .route(web::delete().to(sessions::delete)),
        )
        .service(read(path("/v1/_internal/health", "GET, HEAD"), internal::health))
        .service(read(path("/v1/_internal/ready", "GET, HEAD"), internal::ready))
        .service(read(path("/v1/_internal/storage", "GET, HEAD"), internal::storage))
        .service(read(path("/v1/_internal/instances", "GET, HEAD"), internal::instances))
        .service(read(path("/metrics", "GET, HEAD"), internal::metrics))
        .service(read(path(PROBE_TARGET, "GET, HEAD"), prometheus::probe::probe))
        .service(read(path("/openapi.json", "GET, HEAD"), openapi::document))
        .service(web::resource("/api/v1/{rest:.*}").to(prometheus::not_found));
}

/// A path that responds with 405 to every method that is not `allowed`.
pub fn path(path: &'static str, allowed: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move |method: Method| async move {
        Err::<&str, _>(ApiError::method_not_allowed(&method, allowed))
    }))
}

/// A path whose parameters are in the query string or in a form; it changes nothing.
fn queries<F, Args>(pattern: &'static str, handler: F) -> Resource
where
    F: Handler<Args> + Clone,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let resource = read(path(pattern, "GET, HEAD, POST"), handler.clone());
    resource.route(web::post().to(handler))
}

/// Adds a handler for GET and for HEAD, which is GET without the body.
pub fn read<F, Args>(resource: Resource, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let get_or_head = guard::Any(guard::Get()).or(guard::Head());
    resource.route(web::route().guard(get_or_head).to(handler))
}
