//! What every request and response passes: the guard, and the headers for browsers.

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{ConnectionType, Version};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, ResponseError, web};

use crate::api::error::ApiError;
use crate::api::prometheus;
use crate::api::state::Api;
use crate::api::visibility;

/// On every response that has no other value. Browsers may neither render, embed nor store the
/// responses of the API; pages have headers of their own.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Passes requests on that the guard lets through, with their
/// [`Caller`](crate::domain::access::Caller).
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let api = request.app_data::<web::Data<Api>>();
    let checked = match api {
        Some(api) => api.guard.check(request.request()),
        None => Err(ApiError::unauthorized()),
    };
    let checked = match (checked, api) {
        (Ok(caller), Some(api)) => {
            api.uses.note(api.guard.note_use(&caller), &api.recorder);
            let is_visible = visibility::check_route(api, &caller, request.request()).await;
            is_visible.map(|()| caller)
        }
        (checked, _) => checked,
    };
    match checked {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            Ok(next.call(request).await?.map_into_left_body())
        }
        Err(error) => {
            let page = api.and_then(|api| (api.pages.refusal)(request.request(), &error));
            let response = page.or_else(|| prometheus::refusal(request.request(), &error));
            let response = response.unwrap_or_else(|| error.error_response());
            Ok(request.into_response(response).map_into_right_body())
        }
    }
}

/// Adds [`HEADERS`] where they are missing, also to errors. HTTP/1.0 knows no chunks (RFC 9112,
/// section 6.1): there, the end of the connection is the end of a body without a length.
pub async fn response_headers(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    for (name, value) in HEADERS {
        if !response.headers().contains_key(&name) {
            response.headers_mut().insert(name, value);
        }
    }
    let is_stream = matches!(response.response().body().size(), BodySize::Stream);
    if is_stream && response.request().version() < Version::HTTP_11 {
        let head = response.response_mut().head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
