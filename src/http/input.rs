//! What a request says, read with every problem told at once.
//!
//! A path or query that cannot be used is 400; a body is 415, 413 or 400 before it is JSON, and 422 when it is JSON that
//! says something unacceptable (contract, "Envelope").

use std::time::Duration;

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{HttpMessage, HttpRequest, web};
use futures_util::StreamExt;
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::domain::fields::{self, Dialect, Problem};
use crate::domain::service::URL_MAX_CHARS;
use crate::domain::{Definition, Invalid, Options, Patch, Reason, ServiceId};
use crate::probe::tls;
use crate::storage::history::Window;
use crate::storage::history::events::ListEvents;
use crate::storage::reader::{ListServices, PageRequest, Status};

/// Items a page when nothing is said, and at most (contract, `limit`).
const PAGE_LIMIT: (u32, u32) = (100, 1_000);

/// Most parameters of a query string; whoever sends more means no good.
const PARAMS_LOOKED_AT: usize = 20;

/// Longest time in which a body must have come.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Most problems that one answer tells.
const PROBLEMS_TOLD: usize = 50;

/// The `{id}` of the path.
pub fn service_id(request: &HttpRequest) -> Result<ServiceId, ApiError> {
    let text = request.match_info().get("id").unwrap_or_default();
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let id = text.parse().ok().filter(|_| all_digits).and_then(ServiceId::new);
    id.ok_or_else(|| {
        let invalid = Invalid::new(format!("{text:?}"), "a positive whole number");
        ApiError::bad_request(vec![format!("id: {invalid}")])
    })
}

/// A query string under reading.
struct Params {
    pairs: Vec<(String, String)>,
    problems: Vec<String>,
}

impl Params {
    fn new(request: &HttpRequest, known: &[&str]) -> Self {
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
        let mut problems = Vec::new();
        for (nth, (name, value)) in pairs.iter().take(PARAMS_LOOKED_AT).enumerate() {
            if !known.contains(&name.as_str()) {
                let accepted = if known.is_empty() { "none".into() } else { known.join(", ") };
                problems.push(format!("{name:?}: unknown parameter; accepted are {accepted}"));
            } else if pairs[..nth].iter().any(|(earlier, _)| earlier == name) {
                problems.push(format!("{name}: given more than once"));
            } else if value.contains(['\0', char::REPLACEMENT_CHARACTER]) {
                problems.push(format!("{name}: not a text; accepted is UTF-8 without NUL"));
            }
        }
        if pairs.len() > PARAMS_LOOKED_AT {
            problems.push(format!("query: more than {PARAMS_LOOKED_AT} parameters"));
        }
        Self { pairs, problems }
    }

    fn get(&self, name: &str) -> Option<String> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn number(&mut self, name: &str, default: u32, most: u32) -> u32 {
        let Some(text) = self.get(name) else { return default };
        let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if all_digits && (1..=most).contains(&number) => number,
            _ => {
                let accepted = format!("accepted is a whole number from 1 to {most}");
                self.problems.push(format!("{name}: {text:?} is not accepted; {accepted}"));
                default
            }
        }
    }

    fn page(&mut self) -> PageRequest {
        PageRequest {
            page: self.number("page", 1, u32::MAX),
            limit: self.number("limit", PAGE_LIMIT.0, PAGE_LIMIT.1),
        }
    }

    fn part(&mut self) -> Option<String> {
        let part = self.get("q").filter(|part| !part.is_empty())?;
        if part.chars().count() > URL_MAX_CHARS {
            let accepted = format!("accepted are at most {URL_MAX_CHARS} characters");
            self.problems.push(format!("q: too long; {accepted}"));
        }
        Some(part)
    }

    fn status(&mut self) -> Option<Status> {
        let text = self.get("status")?;
        let status = Status::ALL.into_iter().find(|status| status.as_str() == text);
        if status.is_none() {
            let invalid = Invalid::new(format!("{text:?}"), "up, down, unknown, pending or paused");
            self.problems.push(format!("status: {invalid}"));
        }
        status
    }

    fn reason(&mut self) -> Option<Reason> {
        let text = self.get("reason")?;
        let reason = Reason::from_word(&text);
        if reason.is_none() {
            let words: Vec<&str> = Reason::all().map(Reason::as_str).collect();
            let told = format!("{text:?} is not accepted; accepted is one of {}", words.join(", "));
            self.problems.push(format!("reason: {told}"));
        }
        reason
    }

    fn done<T>(self, read: T) -> Result<T, ApiError> {
        if self.problems.is_empty() { Ok(read) } else { Err(ApiError::bad_request(self.problems)) }
    }
}

/// Which services are wanted.
pub fn list_services(request: &HttpRequest) -> Result<ListServices, ApiError> {
    let mut params = Params::new(request, &["page", "limit", "status", "q", "group", "reason"]);
    let wanted = ListServices {
        status: params.status(),
        part: params.part(),
        group: params.get("group"),
        reason: params.reason(),
        page: params.page(),
    };
    params.done(wanted)
}

/// Which events of a service are wanted.
pub fn list_events(request: &HttpRequest) -> Result<ListEvents, ApiError> {
    let service_id = service_id(request)?;
    let mut params = Params::new(request, &["page", "limit", "reason"]);
    let wanted = ListEvents { service_id: Some(service_id), window: Window::ALL, state: None, reason: params.reason(), page: params.page() };
    params.done(wanted)
}

/// What the query of a heartbeat says.
pub struct Beat {
    /// The token, where no header could be sent.
    pub token: Option<String>,
    /// Whether the job did well.
    pub success: bool,
    /// What went wrong.
    pub error: String,
}

/// Reads the query of a heartbeat.
pub fn heartbeat(request: &HttpRequest) -> Result<Beat, ApiError> {
    let mut params = Params::new(request, &["token", "success", "error"]);
    let success = match params.get("success").as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(other) => {
            let invalid = Invalid::new(format!("{other:?}"), "true or false");
            params.problems.push(format!("success: {invalid}"));
            false
        }
    };
    let error = params.get("error").unwrap_or_else(|| "the job reported a failure".to_owned());
    let beat = Beat { token: params.get("token"), success, error };
    params.done(beat)
}

/// Refuses every query parameter.
pub fn no_params(request: &HttpRequest) -> Result<(), ApiError> {
    Params::new(request, &[]).done(())
}

/// The body as a JSON object of at most `limit` bytes.
pub async fn json_object(
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
) -> Result<Map<String, Value>, ApiError> {
    if !request.content_type().eq_ignore_ascii_case("application/json") {
        let found = request.headers().get(CONTENT_TYPE).map(|value| value.as_bytes());
        let found = String::from_utf8_lossy(found.unwrap_or_default());
        return Err(ApiError::unsupported_media_type(&found));
    }
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|length| length.parse::<usize>().ok()).is_some_and(|n| n > limit) {
        return Err(ApiError::too_large(limit));
    }
    let body = tokio::time::timeout(BODY_WITHIN, read_body(payload, limit))
        .await
        .map_err(|_elapsed| ApiError::request_timeout(BODY_WITHIN))??;
    match serde_json::from_slice(&body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::unprocessable(vec!["body: not a JSON object".to_owned()])),
        // Well-formed JSON, which only Rust's numbers cannot hold.
        Err(error) if error.to_string().starts_with("number out of range") => {
            Err(ApiError::unprocessable(vec![format!("body: {error}")]))
        }
        Err(error) => Err(ApiError::bad_request(vec![format!("body: malformed JSON: {error}")])),
    }
}

async fn read_body(mut payload: web::Payload, limit: usize) -> Result<web::BytesMut, ApiError> {
    let mut body = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| ApiError::bad_request(vec![format!("body: {error}")]))?;
        if body.len() + chunk.len() > limit {
            return Err(ApiError::too_large(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The body of a POST: a whole definition.
pub fn definition(object: &Map<String, Value>) -> Result<Definition, ApiError> {
    let definition = fields::read(object, Dialect::Api).map_err(refused)?;
    check_tls(&definition.options)?;
    Ok(definition)
}

/// The definition that a change would leave, as far as it can be told before the store has it.
pub fn patched(definition: &Definition, patch: &Patch) -> Result<Definition, ApiError> {
    let patched = definition.patched(patch).map_err(refused)?;
    check_tls(&patched.options)?;
    Ok(patched)
}

/// The body of a PATCH: what is to change.
pub fn patch(object: Map<String, Value>) -> Result<Patch, ApiError> {
    Patch::new(object).map_err(refused)
}

/// Refuses certificates and keys that TLS cannot be spoken with.
fn check_tls(options: &Options) -> Result<(), ApiError> {
    tls::check(&options.tls).map_err(|why| ApiError::unprocessable(vec![format!("tls.{why}")]))
}

fn refused(problems: Vec<Problem>) -> ApiError {
    let told = problems.into_iter().take(PROBLEMS_TOLD);
    ApiError::unprocessable(told.map(|problem| problem.to_string()).collect())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use serde_json::json;

    use super::*;

    fn errors_of<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
        result.unwrap_err().to_string()
    }

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn every_problem_of_a_body_is_told_at_once() {
        let told = errors_of(definition(&object(&json!({
            "name": "", "interval_seconds": 0.01, "timeout_seconds": "soon", "id": 7, "enabled": null
        }))));
        for field in
            ["name:", "interval_seconds:", "timeout_seconds:", "id:", "enabled:", "url: missing"]
        {
            assert!(told.contains(field), "{field} in {told}");
        }
    }

    #[test]
    fn a_query_is_refused_for_each_parameter_that_cannot_be_used() {
        for bad in [
            "page=0",
            "page=-1",
            "limit=1001",
            "limit=x",
            "page=99999999999",
            "paeg=1",
            "page=1&page=2",
            "status=ill",
            "q=%ff",
            "q=a%00b",
            "=1",
            "limit=%2B5",
        ] {
            let request = TestRequest::with_uri(&format!("/v1/services?{bad}")).to_http_request();
            assert!(list_services(&request).is_err(), "{bad}");
        }
        let request =
            TestRequest::with_uri("/v1/services?page=2&limit=1000&status=up&q=a%20b&group=")
                .to_http_request();
        let wanted = list_services(&request).unwrap();
        assert_eq!(wanted.page, PageRequest { page: 2, limit: 1_000 });
        assert_eq!((wanted.status, wanted.part.as_deref()), (Some(Status::Up), Some("a b")));
        assert_eq!(wanted.group.as_deref(), Some(""));
    }
}
