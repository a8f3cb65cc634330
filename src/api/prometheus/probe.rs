//! `GET /probe`: one probe of a target that the request names, as blackbox_exporter answers it.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use url::form_urlencoded;

use crate::actors::messages::probing::{ProbeNow, RemoveService};
use crate::api::error::{ApiError, ApiResult, ErrorBody};
use crate::api::module_probes::{ModuleProbes, timeout};
use crate::api::state::Api;
use crate::clock::unix_ms;
use crate::domain::access::{Caller, Scope};
use crate::domain::{Definition, Failure, Invalid, Outcome, Reason, Requests, Service, Timeout};
use crate::metrics::{Format, module_families};
use crate::modules::{Module, TargetError, TlsRule};
use crate::spec;
use crate::spec::Form;

/// The module without a parameter.
const DEFAULT_MODULE: &str = "http_2xx";

/// The time after which Prometheus gives a scrape up.
const SCRAPE_TIMEOUT: &str = "X-Prometheus-Scrape-Timeout-Seconds";

/// Probes a target once with a module of `MODULES_FILE`, and returns the metrics of
/// blackbox_exporter. No result is stored.
#[utoipa::path(get, path = "/probe", tag = "operations",
    security((), ("token" = [])),
    params(
        ("target" = String, Query, description = "The target: a URL, or a host with or without \
            a port, as the module requires"),
        ("module" = Option<String>, Query, description = "Name of the module; `http_2xx` by \
            default"),
        ("hostname" = Option<String>, Query, description = "Name that is sent instead of the \
            host of the target"),
        ("debug" = Option<bool>, Query, description = "Whether the response is a text with the \
            detail of a failure and the module; requires the scope `admin`"),
    ),
    responses(
        (status = 200, description = "Metrics, `probe_success` among them",
            content_type = "text/plain; version=0.0.4; charset=utf-8", body = String),
        (status = 400, description = "No target, an unknown module, or an invalid timeout of the \
            scrape", body = ErrorBody),
        (status = 401, description = "The token is missing or wrong", body = ErrorBody),
        (status = 403, description = "The token lacks the scope, or the page is of another \
            origin", body = ErrorBody),
        (status = 404, description = "`MODULES_FILE` is not set", body = ErrorBody),
        (status = 503, description = "Too many such probes run", body = ErrorBody),
    ))]
pub async fn probe(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let Some(probes) = &api.module_probes else { return Err(ApiError::not_found()) };
    let parameters = Parameters::read(&request)?;
    if parameters.debug && !caller.may(Scope::Admin) {
        return Err(ApiError::missing_scope(Some(Scope::Admin), &caller.actor()));
    }
    let modules = probes.modules.get();
    let module = modules.get(&parameters.module).ok_or_else(|| {
        let invalid = Invalid::quoted(&parameters.module, "a module of MODULES_FILE");
        ApiError::bad_request(vec![invalid.of("module")])
    })?;
    let scrape = request.headers().get(SCRAPE_TIMEOUT);
    let scrape = scrape.map(|value| value.to_str().unwrap_or_default());
    let timeout = timeout(module.timeout, scrape).ok_or_else(|| {
        let invalid = Invalid::hidden("a number of seconds above 0");
        ApiError::bad_request(vec![invalid.of(SCRAPE_TIMEOUT)])
    })?;
    let (definition, outcome) = match module.definition(&parameters.target, parameters.hostname()) {
        Ok(definition) => {
            let definition = Definition {
                timeout: Timeout::from_seconds(timeout.as_secs_f64()).ok(),
                ..definition
            };
            let outcome = run(&api, probes, definition.clone()).await?;
            (definition, judged(module, outcome))
        }
        Err(TargetError::Hostname(own)) => {
            let invalid = Invalid::quoted(parameters.hostname, "the header Host of the module");
            let message = invalid.because(format_args!("it has {own:?}")).of("hostname");
            return Err(ApiError::bad_request(vec![message]));
        }
        Err(TargetError::Target(invalid)) => {
            let id = probes.id().ok_or_else(ApiError::not_found)?;
            let failure = Failure::new(Reason::Protocol, invalid.of("target"));
            let took = Duration::ZERO;
            let outcome = Outcome::without_details(id, unix_ms(), took, Some(failure));
            (module.template().clone(), outcome)
        }
    };
    let metrics = module_families(definition.target.kind(), &outcome);
    if parameters.debug {
        let text = debug_text(&definition, &outcome, &metrics);
        return Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(text));
    }
    let content_type = Format::Plain.content_type();
    Ok(HttpResponse::build(StatusCode::OK).content_type(content_type).body(metrics))
}

/// Others are ignored, as in blackbox_exporter.
struct Parameters {
    target: String,
    module: String,
    hostname: String,
    debug: bool,
}

impl Parameters {
    fn read(request: &HttpRequest) -> Result<Self, ApiError> {
        let pairs = || form_urlencoded::parse(request.query_string().as_bytes());
        let first = |name: &str| {
            let found = pairs().find(|(known, _)| known == name);
            found.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
        };
        let target = first("target");
        let target =
            target.ok_or_else(|| ApiError::bad_request(vec!["target: required".to_owned()]))?;
        Ok(Self {
            target,
            module: first("module").unwrap_or_else(|| DEFAULT_MODULE.to_owned()),
            hostname: first("hostname").unwrap_or_default(),
            debug: first("debug").as_deref() == Some("true"),
        })
    }

    fn hostname(&self) -> Option<&str> {
        Some(self.hostname.as_str()).filter(|name| !name.is_empty())
    }
}

/// Probes with a slot of the pool. The place of the probe is taken until it ends, also when its
/// client has gone.
async fn run(
    api: &web::Data<Api>,
    probes: &ModuleProbes,
    definition: Definition,
) -> Result<Outcome, ApiError> {
    let busy = || {
        let message = "probe: all places are taken, a quarter of RUNNER_POOL_SIZE; a retry may \
                       succeed";
        ApiError::unavailable(vec![message.to_owned()])
    };
    let place = probes.place().ok_or_else(busy)?;
    let id = probes.id().ok_or_else(busy)?;
    let policy = probes.policy().map_err(|error| {
        ApiError::unavailable(vec![format!("probe: the addresses of this machine: {error}")])
    })?;
    let service = Arc::new(Service::new(id, definition, &api.defaults));
    let message = ProbeNow { service, records: false, policy: Some(policy) };
    let pool = api.pool.clone();
    let probe = actix_web::rt::spawn(async move {
        let outcome = pool.send(message).await;
        // The pool remembers services that do not answer.
        pool.do_send(RemoveService { id });
        drop(place);
        outcome
    });
    let ended = probe.await.map_err(|error| ApiError::unavailable(vec![error.to_string()]))?;
    ended?.map_err(|_| busy())
}

/// The outcome under the module's rule about TLS.
fn judged(module: &Module, mut outcome: Outcome) -> Outcome {
    let is_secured = outcome.details.tls_version.is_some();
    let broken = match module.tls_rule {
        Some(TlsRule::Required) if !is_secured => Some("fail_if_not_ssl: the response is in clear"),
        Some(TlsRule::Refused) if is_secured => Some("fail_if_ssl: the response is over TLS"),
        _ => None,
    };
    if let Some(detail) = broken {
        outcome.failure.get_or_insert_with(|| Failure::new(Reason::Protocol, detail));
    }
    outcome
}

fn debug_text(definition: &Definition, outcome: &Outcome, metrics: &str) -> String {
    let result = match &outcome.failure {
        None => "succeeded".to_owned(),
        Some(failure) => format!("failed: {}: {}", failure.reason.as_str(), failure.detail),
    };
    let address = outcome.details.address_text().unwrap_or_else(|| "none".to_owned());
    let module = json!(spec::write(definition, Form::Masked(Requests::Masked)));
    format!(
        "Probe {result}\nAddress: {address}\n\nMetrics that would have been returned:\n{metrics}\n\
         Fields of the service:\n{module:#}\n"
    )
}
