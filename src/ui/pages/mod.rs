//! Handlers of the pages. They ask the same actors as the API, and change what it changes.

mod alerts;
mod assets;
mod changes;
mod channel_form;
mod channels;
mod events;
mod facts;
mod forms;
mod instances;
mod maintenance;
mod maintenance_form;
mod overview;
mod respond;
mod service;
mod service_form;
mod services;
mod session;
mod viewer;
mod wall;

use actix_web::web;

pub use respond::refusal;

use crate::api::routes::{path, read};
use respond::page;

/// Adds every page to `config`.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(read(path("/", "GET, HEAD"), page(overview::show)))
        .service(read(path("/services", "GET, HEAD"), page(services::show)))
        .service(
            read(path("/services/new", "GET, HEAD, POST"), page(service_form::new))
                .route(web::post().to(page(service_form::create))),
        )
        .service(read(path("/services/{id}", "GET, HEAD"), page(service::show)))
        .service(
            read(path("/services/{id}/edit", "GET, HEAD, POST"), page(service_form::edit))
                .route(web::post().to(page(service_form::change))),
        )
        .service(post("/services/{id}/pause", changes::pause))
        .service(post("/services/{id}/resume", changes::resume))
        .service(post("/services/{id}/probe", changes::probe))
        .service(post("/services/{id}/delete", changes::delete))
        .service(read(path("/events", "GET, HEAD"), page(events::show)))
        .service(read(path("/alerts", "GET, HEAD"), page(alerts::show)))
        .service(post("/alerts/{id}/acknowledge", alerts::acknowledge))
        .service(post("/alerts/{id}/unacknowledge", alerts::unacknowledge))
        .service(post("/silences", alerts::silence))
        .service(post("/silences/{id}/delete", alerts::end_silence))
        .service(read(path("/channels", "GET, HEAD"), page(channels::show)))
        .service(
            read(path("/channels/new", "GET, HEAD, POST"), page(channels::new))
                .route(web::post().to(page(channels::create))),
        )
        .service(
            read(path("/channels/{id}/edit", "GET, HEAD, POST"), page(channels::edit))
                .route(web::post().to(page(channels::save))),
        )
        .service(post("/channels/{id}/test", channels::test))
        .service(post("/channels/{id}/delete", channels::delete))
        .service(
            read(path("/maintenance", "GET, HEAD, POST"), page(maintenance::show))
                .route(web::post().to(page(maintenance::create))),
        )
        .service(
            read(path("/maintenance/{id}/edit", "GET, HEAD, POST"), page(maintenance::edit))
                .route(web::post().to(page(maintenance::save))),
        )
        .service(post("/maintenance/{id}/delete", maintenance::delete))
        .service(read(path("/instances", "GET, HEAD"), page(instances::show)))
        .service(read(path("/wall", "GET, HEAD"), page(wall::show)))
        .service(read(path("/theme", "GET, HEAD"), page(session::theme)))
        .service(
            read(path("/login", "GET, HEAD, POST"), page(session::login))
                .route(web::post().to(page(session::sign_in))),
        )
        .service(post("/logout", session::sign_out))
        .service(read(path("/assets/{name}", "GET, HEAD"), assets::serve));
}

/// A path that takes the forms of a page.
fn post<F, Fut>(pattern: &'static str, handler: F) -> actix_web::Resource
where
    F: Fn(viewer::Viewer) -> Fut + Clone + 'static,
    Fut: Future<Output = respond::PageResult> + 'static,
{
    path(pattern, "POST").route(web::post().to(page(handler)))
}
