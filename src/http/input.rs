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
use crate::domain::service::{CONDITIONS_MAX, URL_MAX_CHARS};
use crate::domain::{
    Condition, Definition, Group, Interval, Invalid, Name, Patch, ServiceId, Target, Timeout,
};
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
            let invalid = Invalid::new(format!("{text:?}"), "up, down, pending or paused");
            self.problems.push(format!("status: {invalid}"));
        }
        status
    }

    fn done<T>(self, read: T) -> Result<T, ApiError> {
        if self.problems.is_empty() { Ok(read) } else { Err(ApiError::bad_request(self.problems)) }
    }
}

/// Which services are wanted.
pub fn list_services(request: &HttpRequest) -> Result<ListServices, ApiError> {
    let mut params = Params::new(request, &["page", "limit", "status", "q", "group"]);
    let wanted = ListServices {
        status: params.status(),
        part: params.part(),
        group: params.get("group"),
        page: params.page(),
    };
    params.done(wanted)
}

/// Which page of a list is wanted.
pub fn page(request: &HttpRequest) -> Result<PageRequest, ApiError> {
    let mut params = Params::new(request, &["page", "limit"]);
    let page = params.page();
    params.done(page)
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

/// The fields a client may write (contract, "Service").
const WRITABLE: [&str; 7] =
    ["name", "url", "group", "enabled", "interval_seconds", "timeout_seconds", "conditions"];

/// A body under reading: each field is taken once, problems gather.
struct Fields {
    object: Map<String, Value>,
    problems: Vec<String>,
}

impl Fields {
    fn new(object: Map<String, Value>) -> Self {
        let accepted = WRITABLE.join(", ");
        let problems = object
            .keys()
            .filter(|name| !WRITABLE.contains(&name.as_str()))
            .take(PROBLEMS_TOLD)
            .map(|name| format!("{name}: unknown or read-only field; accepted are {accepted}"))
            .collect();
        Self { object, problems }
    }

    /// The field `name` as `parse` takes it; `None` when it is not there or was refused.
    fn take<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, Invalid>,
    ) -> Option<T> {
        let value = self.object.get(name)?;
        match parse(value) {
            Ok(taken) => Some(taken),
            Err(invalid) => {
                self.problems.push(format!("{name}: {invalid}"));
                None
            }
        }
    }

    fn patch(&mut self) -> Patch {
        Patch {
            name: self.take("name", |value| Name::parse(text(value, "a string")?)),
            target: self.take("url", |value| Target::parse(text(value, "a string")?)),
            group: self.take("group", |value| match value {
                Value::Null => Ok(None),
                other => Group::parse(text(other, "a string or null")?),
            }),
            enabled: self.take("enabled", |value| {
                value.as_bool().ok_or_else(|| Invalid::new(value, "true or false"))
            }),
            interval: self.take("interval_seconds", |value| {
                seconds(value)?.map(Interval::from_seconds).transpose()
            }),
            timeout: self.take("timeout_seconds", |value| {
                seconds(value)?.map(Timeout::from_seconds).transpose()
            }),
            conditions: self.take("conditions", conditions),
        }
    }

    fn done<T>(self, read: Option<T>) -> Result<T, ApiError> {
        match read {
            Some(read) if self.problems.is_empty() => Ok(read),
            _ => Err(ApiError::unprocessable(self.problems)),
        }
    }
}

fn conditions(value: &Value) -> Result<Vec<Condition>, Invalid> {
    const ACCEPTED: &str = "null or a list of at most 50 conditions";
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) if items.len() <= CONDITIONS_MAX => items
            .iter()
            .map(|item| Condition::parse(text(item, "a condition as a string")?))
            .collect(),
        other => Err(Invalid::new(other, ACCEPTED)),
    }
}

fn text<'a>(value: &'a Value, accepted: &'static str) -> Result<&'a str, Invalid> {
    value.as_str().ok_or_else(|| Invalid::new(value, accepted))
}

fn seconds(value: &Value) -> Result<Option<f64>, Invalid> {
    match value {
        Value::Null => Ok(None),
        other => {
            let number = other.as_f64();
            number.map(Some).ok_or_else(|| Invalid::new(other, "a number of seconds or null"))
        }
    }
}

/// The body of a POST: a whole definition.
pub fn definition(object: Map<String, Value>) -> Result<Definition, ApiError> {
    let mut fields = Fields::new(object);
    for required in ["name", "url"] {
        if !fields.object.contains_key(required) {
            fields.problems.push(format!("{required}: missing"));
        }
    }
    let patch = fields.patch();
    let definition = match (patch.name, patch.target) {
        (Some(name), Some(target)) => Some(Definition {
            name,
            target,
            group: patch.group.flatten(),
            enabled: patch.enabled.unwrap_or(true),
            interval: patch.interval.flatten(),
            timeout: patch.timeout.flatten(),
            conditions: patch.conditions.unwrap_or_default(),
        }),
        _ => None,
    };
    fields.done(definition)
}

/// The body of a PATCH: what is to change.
pub fn patch(object: Map<String, Value>) -> Result<Patch, ApiError> {
    let mut fields = Fields::new(object);
    let patch = fields.patch();
    fields.done(Some(patch))
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
        let told = errors_of(definition(object(&json!({
            "name": "", "interval_seconds": 0.01, "timeout_seconds": "soon", "id": 7, "enabled": null
        }))));
        for field in
            ["name:", "interval_seconds:", "timeout_seconds:", "id:", "enabled:", "url: missing"]
        {
            assert!(told.contains(field), "{field} in {told}");
        }
    }

    #[test]
    fn null_sets_back_to_the_default() {
        let patch = patch(object(&json!({"group": null, "interval_seconds": null}))).unwrap();
        assert_eq!(patch.group, Some(None));
        assert_eq!(patch.interval, Some(None));
        assert_eq!(patch.timeout, None);
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
