//! Gives each request a place, and its connection the knowledge of when it ends.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError};

use crate::api::error::ApiError;
use crate::api::transport::body::Body;
use crate::api::transport::connections::Connection;

/// Paths that are served without a place.
const WITHOUT_PLACE: [&str; 2] = ["/v1/_internal/health", "/v1/_internal/ready"];

/// Middleware: takes a place for the request, unless it is about health or readiness,
/// and sends the body of every response in slices.
pub async fn track(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Body>, actix_web::Error> {
    let connection = request.conn_data::<Arc<Connection>>().map(Arc::clone);
    let open = connection.as_ref().map(Connection::begin_request);
    let needs_place = !WITHOUT_PLACE.contains(&request.path().trim_end_matches('/'));
    if let Some(connection) = connection.filter(|_| needs_place)
        && !connection.take_place().await
    {
        let response = refuse();
        return Ok(request.into_response(response).map_body(|_, body| Body::new(body, open)));
    }
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| Body::new(body, open)))
}

/// 503 on a connection that is then closed.
fn refuse() -> HttpResponse {
    let mut response = ApiError::no_place().error_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
