//! The `{id}` of a path.

use actix_web::HttpRequest;
use actix_web::dev::{Path, ResourceDef, Url};

use crate::api::error::ApiError;
use crate::api::input::params::whole_number;
use crate::api::input::query::no_params;
use crate::domain::{Invalid, ServiceId};

/// The `{id}` of the path.
pub fn record_id(request: &HttpRequest) -> Result<i64, ApiError> {
    service_id(request).map(ServiceId::get)
}

/// The `{id}` of the path of a request without query parameters.
pub fn only_record_id(request: &HttpRequest) -> Result<i64, ApiError> {
    let id = record_id(request)?;
    no_params(request)?;
    Ok(id)
}

/// The `{id}` of the path.
pub fn service_id(request: &HttpRequest) -> Result<ServiceId, ApiError> {
    parse_id(request.match_info().get("id").unwrap_or_default())
}

/// The `{id}` of the path by the `pattern` that it matches, before the request is routed: a
/// middleware of the whole application knows no parameters yet.
pub fn service_id_before_routing(
    request: &HttpRequest,
    pattern: &str,
) -> Result<ServiceId, ApiError> {
    let mut path = Path::new(Url::new(request.uri().clone()));
    ResourceDef::new(pattern).capture_match_info(&mut path);
    parse_id(path.get("id").unwrap_or_default())
}

fn parse_id(text: &str) -> Result<ServiceId, ApiError> {
    whole_number(text).and_then(ServiceId::new).ok_or_else(|| {
        ApiError::bad_request(vec![Invalid::quoted(text, "a positive whole number").of("id")])
    })
}
