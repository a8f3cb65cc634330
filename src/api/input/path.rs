//! The `{id}` of a path.

use actix_web::HttpRequest;

use crate::api::error::ApiError;
use crate::api::input::params::whole_number;
use crate::domain::{Invalid, ServiceId};

/// The `{id}` of the path.
pub fn record_id(request: &HttpRequest) -> Result<i64, ApiError> {
    service_id(request).map(ServiceId::get)
}

/// The `{id}` of the path.
pub fn service_id(request: &HttpRequest) -> Result<ServiceId, ApiError> {
    let text = request.match_info().get("id").unwrap_or_default();
    whole_number(text).and_then(ServiceId::new).ok_or_else(|| {
        ApiError::bad_request(vec![Invalid::quoted(text, "a positive whole number").of("id")])
    })
}
