//! What each route requires. A test compares the table with the OpenAPI document.

use actix_web::http::Method;

use crate::domain::access::Scope;

/// The routes with tokens of their own, which their handlers judge. Each request is a change,
/// whatever its method.
pub const HEARTBEAT: &str = "/v1/services/{id}/heartbeat";
pub const EXTERNAL: &str = "/api/v1/endpoints/{key}/external";

/// Starts a probe of any target. Each request is a change, whatever its method: a page of another
/// origin must not start one.
pub const PROBE_TARGET: &str = "/probe";

/// The prefixes of routes of one service.
pub const OF_SERVICE: [&str; 2] = ["/v1/services/{id}", "/services/{id}"];

/// What a request requires of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Required {
    /// Nothing, even where every read requires a token.
    Nothing,
    /// To be known: any token will do.
    AnyScope,
    Scope(Scope),
    /// The scope `read`; while reads are open, a token all the same when `API_TOKEN` is set.
    Confidential,
    /// The token of the service, or the scope `heartbeat`.
    OwnToken,
}

/// What a token that is limited to groups receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// Only what concerns services of its groups; the rest does not exist.
    Within,
    /// 403: the route concerns the whole monitor.
    Refused,
}

use Limited::{Refused, Within};
use Required::{AnyScope, Confidential, Nothing, OwnToken};

/// A row of [`ROUTES`].
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// GET stands for HEAD and OPTIONS too.
    pub method: &'static str,
    pub pattern: &'static str,
    pub required: Required,
    pub limited: Limited,
}

const fn row(
    method: &'static str,
    pattern: &'static str,
    required: Required,
    limited: Limited,
) -> Route {
    Route { method, pattern, required, limited }
}

const READ: Required = Required::Scope(Scope::Read);
const WRITE: Required = Required::Scope(Scope::Write);
const PROBE: Required = Required::Scope(Scope::Probe);
const METRICS: Required = Required::Scope(Scope::Metrics);
const ADMIN: Required = Required::Scope(Scope::Admin);

/// The API. A test compares this table and [`QUERIES`] with the OpenAPI document.
pub const ROUTES: &[Route] = &[
    row("GET", "/v1/services", READ, Within),
    row("POST", "/v1/services", WRITE, Within),
    row("GET", "/v1/services/{id}", READ, Within),
    row("PATCH", "/v1/services/{id}", WRITE, Within),
    row("DELETE", "/v1/services/{id}", WRITE, Within),
    row("GET", "/v1/services/{id}/events", READ, Within),
    row("GET", "/v1/services/{id}/ticks", READ, Within),
    row("GET", "/v1/services/{id}/series", READ, Within),
    row("GET", "/v1/services/{id}/uptime", READ, Within),
    row("GET", "/v1/services/{id}/slo", READ, Within),
    row("POST", "/v1/services/{id}/probe", PROBE, Within),
    row("GET", HEARTBEAT, OwnToken, Within),
    row("POST", HEARTBEAT, OwnToken, Within),
    row("POST", EXTERNAL, OwnToken, Within),
    row("GET", "/v1/overview", READ, Within),
    row("GET", "/v1/stream", READ, Within),
    row("GET", "/v1/uptime", READ, Within),
    row("GET", "/v1/events", READ, Within),
    row("GET", "/v1/maintenance", READ, Within),
    row("POST", "/v1/maintenance", WRITE, Within),
    row("GET", "/v1/maintenance/{id}", READ, Within),
    row("PATCH", "/v1/maintenance/{id}", WRITE, Within),
    row("DELETE", "/v1/maintenance/{id}", WRITE, Within),
    row("GET", "/v1/channels", Confidential, Refused),
    row("POST", "/v1/channels", WRITE, Refused),
    row("GET", "/v1/channels/{id}", Confidential, Refused),
    row("PATCH", "/v1/channels/{id}", WRITE, Refused),
    row("DELETE", "/v1/channels/{id}", WRITE, Refused),
    row("POST", "/v1/channels/{id}/test", WRITE, Refused),
    row("GET", "/v1/channel-kinds", READ, Within),
    row("GET", "/v1/policies", READ, Refused),
    row("POST", "/v1/policies", WRITE, Refused),
    row("GET", "/v1/policies/{id}", READ, Refused),
    row("PATCH", "/v1/policies/{id}", WRITE, Refused),
    row("DELETE", "/v1/policies/{id}", WRITE, Refused),
    row("GET", "/v1/silences", READ, Within),
    row("POST", "/v1/silences", WRITE, Within),
    row("GET", "/v1/silences/{id}", READ, Within),
    row("PATCH", "/v1/silences/{id}", WRITE, Within),
    row("DELETE", "/v1/silences/{id}", WRITE, Within),
    row("GET", "/v1/alerts", READ, Within),
    row("GET", "/v1/alerts/{id}", READ, Within),
    row("POST", "/v1/alerts/{id}/acknowledge", WRITE, Within),
    row("DELETE", "/v1/alerts/{id}/acknowledge", WRITE, Within),
    row("GET", "/v1/deliveries", READ, Refused),
    row("POST", "/v1/deliveries/{id}/retry", WRITE, Refused),
    row("GET", "/v1/audit", ADMIN, Refused),
    row("GET", "/v1/tokens", ADMIN, Refused),
    row("POST", "/v1/tokens", ADMIN, Refused),
    row("DELETE", "/v1/tokens/{id}", ADMIN, Refused),
    row("GET", "/v1/session", AnyScope, Within),
    row("POST", "/v1/session", Nothing, Within),
    row("DELETE", "/v1/session", AnyScope, Within),
    row("GET", "/v1/_internal/health", Nothing, Within),
    row("GET", "/v1/_internal/ready", Nothing, Within),
    row("GET", "/v1/_internal/storage", READ, Refused),
    row("GET", "/v1/_internal/instances", READ, Refused),
    row("GET", "/metrics", METRICS, Within),
    row("GET", PROBE_TARGET, PROBE, Refused),
    row("GET", "/openapi.json", READ, Within),
];

/// The API of Prometheus. Its queries change nothing, by POST neither.
pub const QUERIES: &[Route] = &[
    row("GET", "/api/v1/query", READ, Within),
    row("POST", "/api/v1/query", READ, Within),
    row("GET", "/api/v1/query_range", READ, Within),
    row("POST", "/api/v1/query_range", READ, Within),
    row("GET", "/api/v1/labels", READ, Within),
    row("POST", "/api/v1/labels", READ, Within),
    row("GET", "/api/v1/series", READ, Within),
    row("POST", "/api/v1/series", READ, Within),
    row("GET", "/api/v1/query_exemplars", READ, Within),
    row("POST", "/api/v1/query_exemplars", READ, Within),
    row("GET", "/api/v1/label/{name}/values", READ, Within),
    row("GET", "/api/v1/metadata", READ, Within),
    row("GET", "/api/v1/rules", READ, Within),
    row("GET", "/api/v1/alerts", READ, Within),
    row("GET", "/api/v1/status/buildinfo", READ, Within),
    row("POST", "/api/v1/read", READ, Within),
];

/// The pages, and what is sent with them. Like the reads and changes that they show.
pub const PAGES: &[Route] = &[
    row("GET", "/", READ, Within),
    row("GET", "/services", READ, Within),
    row("GET", "/services/new", READ, Within),
    row("POST", "/services/new", WRITE, Within),
    row("GET", "/services/{id}", READ, Within),
    row("GET", "/services/{id}/edit", READ, Within),
    row("POST", "/services/{id}/edit", WRITE, Within),
    row("POST", "/services/{id}/pause", WRITE, Within),
    row("POST", "/services/{id}/resume", WRITE, Within),
    row("POST", "/services/{id}/probe", PROBE, Within),
    row("POST", "/services/{id}/delete", WRITE, Within),
    row("GET", "/events", READ, Within),
    row("GET", "/alerts", READ, Within),
    row("POST", "/alerts/{id}/acknowledge", WRITE, Within),
    row("POST", "/alerts/{id}/unacknowledge", WRITE, Within),
    row("POST", "/silences", WRITE, Within),
    row("POST", "/silences/{id}/delete", WRITE, Within),
    row("GET", "/channels", Confidential, Refused),
    row("GET", "/channels/new", Confidential, Refused),
    row("POST", "/channels/new", WRITE, Refused),
    row("GET", "/channels/{id}/edit", Confidential, Refused),
    row("POST", "/channels/{id}/edit", WRITE, Refused),
    row("POST", "/channels/{id}/test", WRITE, Refused),
    row("POST", "/channels/{id}/delete", WRITE, Refused),
    row("GET", "/maintenance", READ, Within),
    row("POST", "/maintenance", WRITE, Within),
    row("GET", "/maintenance/{id}/edit", READ, Within),
    row("POST", "/maintenance/{id}/edit", WRITE, Within),
    row("POST", "/maintenance/{id}/delete", WRITE, Within),
    row("GET", "/instances", READ, Refused),
    row("GET", "/wall", READ, Within),
    row("GET", "/login", Nothing, Within),
    row("POST", "/login", Nothing, Within),
    row("POST", "/logout", AnyScope, Within),
    row("GET", "/theme", Nothing, Within),
    row("GET", "/assets/{name}", Nothing, Within),
];

/// Whether the method changes nothing by itself.
pub fn is_read(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// Whether a request to this route changes something.
pub fn is_change(method: &Method, pattern: Option<&str>) -> bool {
    let is_query = QUERIES.iter().any(|route| Some(route.pattern) == pattern);
    let has_own_token = required(method, pattern).0 == OwnToken;
    has_own_token || pattern == Some(PROBE_TARGET) || !is_query && !is_read(method)
}

/// What a request requires. A read of a route without a row requires `read`, and a change `admin`,
/// so that a forgotten route is closed. A route with tokens of its own answers every method.
pub fn required(method: &Method, pattern: Option<&str>) -> (Required, Limited) {
    let row_method = if is_read(method) { "GET" } else { method.as_str() };
    let row = ROUTES
        .iter()
        .chain(QUERIES)
        .chain(PAGES)
        .find(|route| Some(route.pattern) == pattern && route.method == row_method);
    match row {
        Some(route) => (route.required, route.limited),
        None if [HEARTBEAT, EXTERNAL].map(Some).contains(&pattern) => (OwnToken, Within),
        None if is_read(method) => (READ, Within),
        None => (ADMIN, Refused),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::api::openapi;

    #[test]
    fn every_operation_of_the_openapi_document_has_a_row_and_every_row_an_operation() {
        let document: Value = serde_json::from_str(openapi::text()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let operations: BTreeSet<String> = paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().keys();
                methods.map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        let rows: Vec<String> = ROUTES
            .iter()
            .chain(QUERIES)
            .map(|route| format!("{} {}", route.method, route.pattern))
            .collect();
        let unique: BTreeSet<String> = rows.iter().cloned().collect();
        assert_eq!(unique.len(), rows.len(), "a row is there twice");
        assert_eq!(unique, operations);
    }

    #[test]
    fn what_has_no_row_is_closed() {
        assert_eq!(required(&Method::GET, None), (READ, Within));
        assert_eq!(required(&Method::POST, None), (ADMIN, Refused));
        assert_eq!(required(&Method::PUT, Some("/v1/services")), (ADMIN, Refused));
        assert_eq!(required(&Method::HEAD, Some("/metrics")), (METRICS, Within));
        assert_eq!(required(&Method::PUT, Some(HEARTBEAT)), (OwnToken, Within), "405");
        assert_eq!(required(&Method::POST, Some("/v1/services")), (WRITE, Within));
        assert_eq!(required(&Method::HEAD, Some(PROBE_TARGET)), (PROBE, Refused));
        assert!(is_change(&Method::GET, Some(PROBE_TARGET)));
        assert!(!is_change(&Method::GET, Some("/metrics")));
    }
}
