//! Access to the API: hosts, origins and tokens (contract, 421 and `API_TOKEN`).

mod decision;
mod forwarded;
mod host;
mod throttle;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN, X_FORWARDED_FOR};
use ipnet::IpNet;
use subtle::ConstantTimeEq;

pub use decision::WriteAccess;
use decision::{Credential, Facts, Policy, Refusal};
use host::OwnHosts;
use throttle::Throttle;

use crate::api::error::ApiError;
use crate::config::{Config, Secret};
use crate::domain::audit::{Actor, AuditSource};
use crate::metrics::{AuthFailure, Telemetry};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The routes with tokens of their own, which their handlers judge. Each request is a write,
/// whatever its method.
pub const HEARTBEAT: &str = "/v1/services/{id}/heartbeat";
pub const EXTERNAL: &str = "/api/v1/endpoints/{key}/external";

/// The routes whose responses are for clients with the API token, when one is configured.
pub const CHANNELS: &str = "/v1/channels";
pub const CHANNEL: &str = "/v1/channels/{id}";
pub const AUDIT: &str = "/v1/audit";

/// Decides which requests reach a handler. Clones share the counts of wrong tokens.
#[derive(Clone)]
pub struct Guard {
    policy: Arc<Policy>,
    token: Option<Secret>,
    /// For the message of 421.
    domain: Arc<str>,
    throttle: Arc<Mutex<Throttle>>,
    trusted_proxies: Arc<[IpNet]>,
    telemetry: Telemetry,
}

impl WriteAccess {
    /// The access that `config` grants: by `API_TOKEN`, or without it only while `API_HOST` is a
    /// loopback address (contract, `API_TOKEN`).
    pub fn from_config(config: &Config) -> Self {
        match &config.api.token {
            Some(_) => Self::Token,
            None if config.api.listens_on_loopback() => Self::Loopback,
            None => Self::Denied,
        }
    }
}

impl Guard {
    pub fn new(config: &Config, telemetry: &Telemetry) -> Self {
        let names = config.api.own_names();
        let policy = Policy {
            own_hosts: OwnHosts::new(config.api.host, names),
            writes: WriteAccess::from_config(config),
        };
        Self {
            policy: Arc::new(policy),
            token: config.api.token.clone(),
            domain: config.api.domain.as_str().into(),
            throttle: Arc::new(Mutex::new(Throttle::new(Instant::now()))),
            trusted_proxies: config.api.trusted_proxies.as_slice().into(),
            telemetry: telemetry.clone(),
        }
    }

    /// Returns 421 for a foreign host, 403 for a write from a foreign origin or while writes are
    /// disabled, 401 without the token that a write requires, and 429 after too many wrong ones.
    pub fn check(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let route = request.match_pattern();
        let is_heartbeat = route.as_deref() == Some(HEARTBEAT);
        let has_own_token = is_heartbeat || route.as_deref() == Some(EXTERNAL);
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS];
        let is_write = has_own_token || !reads.contains(request.method());
        let is_confidential = [CHANNELS, CHANNEL, AUDIT].map(Some).contains(&route.as_deref());
        let credential = match bearer_token(request) {
            Some(token) if self.is_api_token(token) => Credential::Right,
            Some(_) => Credential::Other,
            None if is_heartbeat && has_token_parameter(request) => Credential::Other,
            None => Credential::Missing,
        };
        let facts = Facts {
            is_write,
            is_confidential,
            has_own_token,
            credential,
            target: request.uri().authority().map(|authority| authority.as_str()),
            hosts: &texts(request, &HOST),
            origins: &texts(request, &ORIGIN),
            fetch_sites: &texts(request, &SEC_FETCH_SITE),
        };
        self.policy.decide(&facts).map_err(|refusal| {
            let error = match &refusal {
                Refusal::Host(host) => ApiError::misdirected(host.as_deref(), &self.domain),
                Refusal::Origin => ApiError::foreign_origin(),
                Refusal::WritesDisabled => ApiError::forbidden(),
                Refusal::Token if is_write => ApiError::unauthorized(),
                Refusal::Token => ApiError::confidential(),
            };
            match credential {
                // Every refused request with a wrong token counts as a wrong token.
                Credential::Other if self.token.is_some() => self.wrong_token(request, error),
                Credential::Missing if refusal == Refusal::Token => {
                    self.telemetry.auth_failure(AuthFailure::Missing);
                    error
                }
                _ => error,
            }
        })
    }

    /// Whether a request without a token may change something.
    pub fn permits_open_writes(&self) -> bool {
        self.policy.writes == WriteAccess::Loopback
    }

    /// Judges the token of a route with tokens of its own: the indexes of those of `expected` that
    /// it equals, at least one. An empty token is never right.
    pub fn check_own_token(
        &self,
        request: &HttpRequest,
        token: Option<&str>,
        expected: &[Option<String>],
    ) -> Result<Vec<usize>, ApiError> {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            self.telemetry.auth_failure(AuthFailure::Missing);
            return Err(ApiError::wrong_heartbeat_token());
        };
        let is_right = |expected: &Option<String>| {
            expected.as_deref().is_some_and(|expected| tokens_equal(token, expected))
        };
        let numbered = expected.iter().enumerate();
        let right: Vec<usize> =
            numbered.filter(|(_, expected)| is_right(expected)).map(|(nth, _)| nth).collect();
        if right.is_empty() {
            return Err(self.wrong_token(request, ApiError::wrong_heartbeat_token()));
        }
        Ok(right)
    }

    /// Where the changes of a request that [`check`](Self::check) has passed come from.
    pub fn audit_source(&self, request: &HttpRequest) -> AuditSource {
        let actor = match self.policy.writes {
            WriteAccess::Token => Actor::ApiToken,
            WriteAccess::Loopback | WriteAccess::Denied => Actor::ThisMachine,
        };
        let address = request.peer_addr().map(|peer| {
            forwarded::client(peer.ip(), &texts(request, &X_FORWARDED_FOR), &self.trusted_proxies)
        });
        AuditSource { actor, address }
    }

    fn is_api_token(&self, token: &str) -> bool {
        self.token.as_ref().is_some_and(|expected| tokens_equal(token, expected.reveal()))
    }

    /// Counts a wrong token: `error`, or 429 when its address has sent too many. The address is
    /// that of the connection, since clients can write any `X-Forwarded-For`.
    /// The error of a request without a right token: `error`, or 429 after too many of them.
    pub fn wrong_token(&self, request: &HttpRequest, error: ApiError) -> ApiError {
        let unknown = IpAddr::from(Ipv4Addr::UNSPECIFIED);
        let address = request.peer_addr().map_or(unknown, |peer| peer.ip());
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        match throttle.wrong_token(address, Instant::now()) {
            None => {
                self.telemetry.auth_failure(AuthFailure::Wrong);
                error
            }
            Some(wait) => {
                self.telemetry.auth_failure(AuthFailure::Throttled);
                ApiError::too_many_wrong_tokens(wait)
            }
        }
    }
}

/// Compares two tokens in constant time: the duration does not depend on how many bytes match.
/// Nothing equals an empty token.
fn tokens_equal(token: &str, expected: &str) -> bool {
    !expected.is_empty() && bool::from(token.as_bytes().ct_eq(expected.as_bytes()))
}

/// The token of an `Authorization: Bearer` header; `None` for an empty one.
pub fn bearer_token(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn has_token_parameter(request: &HttpRequest) -> bool {
    let mut pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
    pairs.any(|(name, value)| name == "token" && !value.is_empty())
}

/// The values of all headers `name`; one that is no text is empty.
fn texts<'r>(request: &'r HttpRequest, name: &HeaderName) -> Vec<&'r str> {
    request.headers().get_all(name).map(|value| value.to_str().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::test::TestRequest;

    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn guard(variables: &[(&str, &str)]) -> Guard {
        let config = Config::from_lookup(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        Guard::new(&config.unwrap(), &Telemetry::new())
    }

    fn post(authorization: &str) -> HttpRequest {
        TestRequest::post()
            .peer_addr("10.0.0.1:4711".parse().unwrap())
            .insert_header((HOST, "localhost"))
            .insert_header((AUTHORIZATION, authorization))
            .to_http_request()
    }

    fn status(result: Result<(), ApiError>) -> u16 {
        result.map_or_else(|error| error.status_code().as_u16(), |()| 200)
    }

    #[test]
    fn only_the_exact_token_grants_write_access() {
        let guard = guard(&[("API_TOKEN", TOKEN)]);
        for (header, expected) in [
            (format!("Bearer {TOKEN}"), 200),
            (format!("bearer  {TOKEN}"), 200),
            (format!("Bearer {}", &TOKEN[1..]), 401),
            (format!("Bearer {TOKEN}f"), 401),
            (format!("Basic {TOKEN}"), 401),
            (TOKEN.to_owned(), 401),
            ("Bearer ".to_owned(), 401),
        ] {
            assert_eq!(status(guard.check(&post(&header))), expected, "{header}");
        }
    }

    #[test]
    fn after_too_many_wrong_tokens_the_right_one_still_passes() {
        let guard = guard(&[("API_TOKEN", TOKEN)]);
        let mut answers: Vec<u16> =
            (0..12).map(|_| status(guard.check(&post("Bearer wrong")))).collect();
        assert!(answers.iter().all(|status| [401, 429].contains(status)), "{answers:?}");
        assert_eq!(answers.pop(), Some(429), "{answers:?}");
        assert_eq!(status(guard.check(&post(&format!("Bearer {TOKEN}")))), 200);
        let own = post("Bearer wrong");
        let judge = |token| {
            let expected = [None, Some("another".to_owned()), Some(TOKEN.to_owned())];
            guard.check_own_token(&own, token, &expected)
        };
        assert_eq!(status(judge(Some("wrong")).map(drop)), 429);
        assert_eq!(judge(Some(TOKEN)).unwrap(), [2]);
        assert_eq!(status(judge(None).map(drop)), 401);
    }

    #[test]
    fn a_wrong_token_at_a_foreign_host_counts_too() {
        let guard = guard(&[("API_TOKEN", TOKEN)]);
        let read = |token: &str| {
            TestRequest::get()
                .insert_header((HOST, "evil.example"))
                .insert_header((AUTHORIZATION, format!("Bearer {token}")))
                .to_http_request()
        };
        let answers: Vec<u16> = (0..12).map(|_| status(guard.check(&read("wrong")))).collect();
        assert_eq!((answers[0], answers[11]), (421, 429), "{answers:?}");
        assert_eq!(status(guard.check(&read(TOKEN))), 200);
    }

    #[test]
    fn a_change_has_its_client_as_the_trusted_proxy_names_it() {
        let request = || {
            let request = TestRequest::post().peer_addr("10.0.0.1:4711".parse().unwrap());
            request.insert_header((X_FORWARDED_FOR, "1.1.1.1, 192.0.2.7")).to_http_request()
        };
        let behind = guard(&[("API_TOKEN", TOKEN), ("API_TRUSTED_PROXIES", "10.0.0.0/8, ::1")]);
        let source = behind.audit_source(&request());
        assert_eq!(source.actor, Actor::ApiToken);
        assert_eq!(source.address, Some("192.0.2.7".parse().unwrap()));
        let open = guard(&[]).audit_source(&request());
        assert_eq!(open.actor, Actor::ThisMachine);
        assert_eq!(open.address, Some("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn an_empty_token_is_never_right() {
        let guard = guard(&[]);
        let request = post("Bearer ");
        for token in [None, Some("")] {
            for expected in [None, Some(String::new())] {
                let judged = guard.check_own_token(&request, token, &[expected]);
                assert_eq!(status(judged.map(drop)), 401);
            }
        }
        for expected in [vec![], vec![None], vec![Some(String::new())]] {
            let judged = guard.check_own_token(&request, Some("x"), &expected);
            assert_eq!(status(judged.map(drop)), 401);
        }
    }
}
