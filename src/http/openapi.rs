//! `/openapi.json`, generated from the handlers and shapes themselves.

use std::sync::LazyLock;

use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use super::error::{ApiError, ErrorBody};
use super::{input, internal, services, views};

/// The body of `POST /v1/services`. Unknown fields are refused.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewService {
    /// Unique among the living services.
    #[schema(min_length = 1, max_length = 255, example = "payment-gateway")]
    name: String,
    /// What is asked: http or https.
    #[schema(max_length = 2083, example = "https://pay.example.org/health")]
    url: String,
    /// Where it is shown.
    #[schema(required = false)]
    group: Option<String>,
    /// Whether it is probed; true when not given.
    #[schema(required = false, default = true)]
    enabled: bool,
    /// Time between its probes; null or left out for the default.
    #[schema(required = false, minimum = 0.1, maximum = 2592000)]
    interval_seconds: Option<f64>,
    /// Longest time a probe of it may take; null or left out for the default.
    #[schema(required = false, minimum = 0.001, maximum = 3600)]
    timeout_seconds: Option<f64>,
    /// What its answers must fulfil, in Gatus's language; null or an empty list for the plain rule.
    #[schema(required = false, max_items = 50, example = json!(["[STATUS] == 200", "[RESPONSE_TIME] < 500"]))]
    conditions: Option<Vec<String>>,
}

/// The body of `PATCH /v1/services/{id}`. Unknown fields are refused; null sets a field back to its default.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceChange {
    /// The new name.
    #[schema(required = false, min_length = 1, max_length = 255)]
    name: String,
    /// The new URL.
    #[schema(required = false, max_length = 2083)]
    url: String,
    /// The new group; null for none.
    #[schema(required = false)]
    group: Option<String>,
    /// Whether it is probed from now on.
    #[schema(required = false)]
    enabled: bool,
    /// The new interval; null for the default.
    #[schema(required = false, minimum = 0.1, maximum = 2592000)]
    interval_seconds: Option<f64>,
    /// The new timeout; null for the default.
    #[schema(required = false, minimum = 0.001, maximum = 3600)]
    timeout_seconds: Option<f64>,
    /// What its answers must fulfil, in Gatus's language; null or an empty list for the plain rule.
    #[schema(required = false, max_items = 50, example = json!(["[STATUS] == 200", "[RESPONSE_TIME] < 500"]))]
    conditions: Option<Vec<String>>,
}

#[derive(OpenApi)]
#[openapi(
    paths(
        services::list,
        services::create,
        services::get,
        services::patch,
        services::delete,
        services::events,
        internal::health,
        internal::ready,
        internal::metrics,
        document,
    ),
    components(schemas(views::Service, views::Event, views::Failure, views::Metric)),
    tags(
        (name = "services", description = "What is watched, and what was seen"),
        (name = "operations", description = "For operators and their tools"),
    ),
    modifiers(&Token),
)]
struct Api;

/// The bearer token of writes.
struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("`API_TOKEN`; writes need it when it is configured"))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| Api::openapi().to_json().unwrap_or_else(|error| unreachable!("{error}")));

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "operations",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = Object),
        (status = 400, description = "An unknown parameter", body = ErrorBody),
    ))]
pub async fn document(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    input::no_params(&request)?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(DOCUMENT.as_str()))
}
