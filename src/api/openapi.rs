//! `/openapi.json`, generated from the handlers and shapes themselves.

use std::collections::HashMap;
use std::sync::LazyLock;

use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::openapi::schema::ArrayItems;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, Ref, RefOr, Schema};
use utoipa::{Modify, OpenApi, ToSchema};

use super::{history, input, internal, probes, services, views};
use crate::api::error::{ApiError, ErrorBody};

/// The body of `POST /v1/services`. Unknown fields are refused, and so is what is not for the scheme of the URL.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewService {
    /// Unique among the living services.
    #[schema(min_length = 1, max_length = 255, example = "payment-gateway")]
    name: String,
    /// What is asked; the scheme says how: http, https, ws, wss, tcp, tls, starttls, dns, icmp, grpc, grpcs or push.
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
    /// The method of a request; GET when not given.
    #[schema(required = false, example = "POST")]
    method: Option<String>,
    /// Headers of a request; `Host`, `User-Agent` and `Accept` replace the probe's own.
    #[schema(required = false, example = json!({"Accept": "application/json"}))]
    headers: Option<HashMap<String, Option<String>>>,
    /// What is sent: the body of a request, the text over TCP or TLS, the message over a WebSocket.
    #[schema(required = false)]
    body: Option<String>,
    /// Credentials of a request.
    #[schema(required = false)]
    basic_auth: Option<BasicAuth>,
    /// The token of a request.
    #[schema(required = false)]
    bearer_token: Option<String>,
    /// Whether redirects are followed; true when not given.
    #[schema(required = false, default = true)]
    follow_redirects: Option<bool>,
    /// How many are followed.
    #[schema(required = false, default = 10, maximum = 100)]
    max_redirects: Option<u32>,
    /// The version of HTTP that must be spoken: `1.0`, `1.1` or `2`.
    #[schema(required = false, example = "1.1")]
    http_version: Option<String>,
    /// Most of a body that is read, in bytes: more is `too_large` when a condition needs it.
    #[schema(required = false, default = 1048576, minimum = 1, maximum = 67108864)]
    body_limit_bytes: Option<u32>,
    /// What TCP, TLS or a WebSocket must answer somewhere; `*` stands for anything.
    #[schema(required = false, example = "220 *ESMTP")]
    expect: Option<String>,
    /// Whether any certificate will do.
    #[schema(required = false, default = false)]
    insecure: Option<bool>,
    /// How TLS is spoken.
    #[schema(required = false)]
    tls: Option<Tls>,
    /// Which addresses of a name are used: `ip`, `ip4` or `ip6`.
    #[schema(required = false, default = "ip", pattern = "^ip[46]?$")]
    ip_family: Option<String>,
    /// The name server that is asked in place of the system's.
    #[schema(required = false, example = "udp://1.1.1.1:53")]
    resolver: Option<String>,
    /// What a name server is asked (dns).
    #[schema(required = false)]
    dns: Option<Dns>,
    /// The service that gRPC's health service is asked for (grpc, grpcs); the whole server when not given.
    #[schema(required = false)]
    grpc_service: Option<String>,
    /// How a watched job reports by itself (push).
    #[schema(required = false)]
    heartbeat: Option<Heartbeat>,
    /// Failures in a row that make a downtime.
    #[schema(required = false, default = 1, minimum = 1, maximum = 100)]
    failure_threshold: Option<u32>,
    /// Successes in a row that end one.
    #[schema(required = false, default = 1, minimum = 1, maximum = 100)]
    success_threshold: Option<u32>,
    /// Time until an unconfirmed failure is looked at again; a second when not given.
    #[schema(required = false, minimum = 0.1, maximum = 2592000)]
    confirm_interval_seconds: Option<f64>,
    /// What uptime was promised.
    #[schema(required = false)]
    slo: Option<Slo>,
}

/// Basic authentication.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// Who; no colon. Needed with a password.
    #[schema(required = false)]
    username: String,
    /// Masked in every answer. Needed with a username.
    #[schema(required = false)]
    password: String,
}

/// How TLS is spoken. Certificates and keys are texts in PEM.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The only authorities that are trusted, in place of the system's.
    ca: Option<String>,
    /// The certificate that is shown to the target, with its chain.
    certificate: Option<String>,
    /// Its key; masked in every answer.
    private_key: Option<String>,
    /// The name that the target's certificate must be for, in place of the host.
    server_name: Option<String>,
    /// The least version: `1.2` or `1.3`.
    #[schema(pattern = "^1\\.[23]$")]
    min_version: Option<String>,
}

/// A question to a name server.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// The name that is asked for. Needed.
    #[schema(required = false, example = "example.org")]
    query_name: String,
    /// The type of its records: A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT or CAA. Needed.
    #[schema(required = false, example = "A")]
    query_type: String,
    /// What must be answered, in any order.
    #[schema(max_items = 50)]
    expected: Option<Vec<String>>,
}

/// How a watched job reports by itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// What the job shows; masked in every answer. Needed.
    #[schema(required = false)]
    token: String,
    /// How long after its interval it counts as late.
    #[schema(default = 0, minimum = 0, maximum = 2592000)]
    grace_seconds: Option<f64>,
}

/// A service level objective.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Slo {
    /// The least uptime, in percent. Needed.
    #[schema(required = false, exclusive_minimum = 0, exclusive_maximum = 100, example = 99.9)]
    target: f64,
    /// How far back it is looked at, from `1h` to `366d`; a duration as in Go, with days (`d`), weeks (`w`) or years (`y`)
    /// before it or alone.
    #[schema(default = "30d", example = "30d")]
    window: Option<String>,
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
        probes::probe,
        probes::heartbeat,
        history::ticks,
        history::series,
        history::uptime,
        history::slo,
        history::all_uptime,
        history::all_events,
        internal::health,
        internal::ready,
        internal::storage,
        internal::metrics,
        document,
    ),
    components(schemas(views::Service, views::Event, views::Failure, views::Metric, super::probe_view::Probe)),
    tags(
        (name = "services", description = "What is watched, and what was seen"),
        (name = "history", description = "What was, at any time"),
        (name = "operations", description = "For operators and their tools"),
    ),
    modifiers(&Token, &Shared, &Examples),
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
        let heartbeat = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The token of the watched job itself"))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("heartbeat", SecurityScheme::Http(heartbeat));
    }
}

/// What schemas share: a change may say whatever a new service may, and an answer shows what was said.
struct Shared;

impl Modify for Shared {
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
        let told = "The body of `PATCH /v1/services/{id}`. Unknown fields are refused; what is left out stays, null sets back to \
                    the default, and objects are merged (RFC 7396).";
        let mut change = new;
        change.required.clear();
        change.description = Some(told.to_owned());
        components.schemas.insert("ServiceChange".to_owned(), Schema::Object(change).into());
    }
}

/// Has the shapes of one service and of a list of them name the service's own, which utoipa copies into them as it was before.
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

/// Answers of a real service, by path; a test holds their shapes against those of real answers.
const EXAMPLES: [(&str, &str); 8] = [
    ("/v1/services/{id}/ticks", include_str!("examples/ticks.json")),
    ("/v1/services/{id}/series", include_str!("examples/series.json")),
    ("/v1/services/{id}/uptime", include_str!("examples/uptime.json")),
    ("/v1/services/{id}/slo", include_str!("examples/slo.json")),
    ("/v1/services/{id}/events", include_str!("examples/events.json")),
    ("/v1/uptime", include_str!("examples/all_uptime.json")),
    ("/v1/events", include_str!("examples/all_events.json")),
    ("/v1/_internal/storage", include_str!("examples/storage.json")),
];

/// Shows each answer of the history by an example.
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

/// Stands for the schema that [`Shared`] makes.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceChange {}

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
