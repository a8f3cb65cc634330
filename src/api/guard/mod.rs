//! Access to the API: hosts, origins, tokens and sessions (contract, 421; docs/security.md).

mod credential;
mod decision;
mod forwarded;
mod host;
mod routes;
mod throttle;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use actix_web::http::header::{HOST, HeaderName, ORIGIN, X_FORWARDED_FOR};
use actix_web::{HttpMessage, HttpRequest};
use ipnet::IpNet;

use credential::session_key;
pub use credential::{SECURE_SESSION_COOKIE, SESSION_COOKIE, bearer_token};
pub use decision::WriteAccess;
use decision::{Credential, Facts, Policy, Refusal};
use host::OwnHosts;
pub use routes::{EXTERNAL, HEARTBEAT, OF_SERVICE};
use routes::{Required, is_change, required};
use throttle::Throttle;

use crate::actors::access_registry::AccessRegistry;
use crate::api::error::ApiError;
use crate::clock::unix_ms;
use crate::config::{Config, Secret};
use crate::domain::access::{Caller, Found, Proof, Scopes, TokenHash, TokenState, Who};
use crate::domain::audit::{Actor, AuditSource};
use crate::metrics::{AuthFailure, Telemetry};
use crate::storage::access::Uses;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Decides which requests reach a handler, and who sends them. Clones share the counts of wrong
/// tokens.
#[derive(Clone)]
pub struct Guard {
    policy: Arc<Policy>,
    /// `API_TOKEN`.
    token: Option<Secret>,
    registry: AccessRegistry,
    /// For the message of 421.
    domain: Arc<str>,
    throttle: Arc<Mutex<Throttle>>,
    trusted_proxies: Arc<[IpNet]>,
    /// Whether the API speaks TLS.
    has_tls: bool,
    telemetry: Telemetry,
}

impl WriteAccess {
    /// The access that `config` grants: by `API_TOKEN`, or without it only while `API_HOST` is a
    /// loopback address (contract, `API_TOKEN`). Where reads require a token, changes do too.
    pub fn from_config(config: &Config) -> Self {
        match &config.api.token {
            Some(_) => Self::Token,
            None if !config.api.listens_on_loopback() => Self::Denied,
            None if config.api.reads_are_open() => Self::Loopback,
            None => Self::Token,
        }
    }
}

impl Guard {
    pub fn new(config: &Config, registry: AccessRegistry, telemetry: &Telemetry) -> Self {
        let (names, has_tls) = (config.api.own_names(), config.api.tls.is_some());
        let policy = Policy {
            own_hosts: OwnHosts::new(config.api.host, names).with_tls(has_tls),
            writes: WriteAccess::from_config(config),
            reads_are_open: config.api.reads_are_open(),
        };
        Self {
            policy: Arc::new(policy),
            token: config.api.token.clone(),
            registry,
            domain: config.api.domain.as_str().into(),
            throttle: Arc::new(Mutex::new(Throttle::new(Instant::now()))),
            trusted_proxies: config.api.trusted_proxies.as_slice().into(),
            has_tls,
            telemetry: telemetry.clone(),
        }
    }

    /// The caller of the request. Errors: 421 for a foreign host; 403 for a change from a foreign
    /// origin, while changes are disabled, and for a token without the scope; 401 without the token
    /// that the request requires; 429 after too many wrong ones.
    pub fn check(&self, request: &HttpRequest) -> Result<Caller, ApiError> {
        let route = request.match_pattern();
        let (required, limited) = required(request.method(), route.as_deref());
        let facts = Facts {
            is_change: is_change(request.method(), route.as_deref()),
            required,
            limited,
            credential: self.credential(request, required, unix_ms()),
            target: request.uri().authority().map(|authority| authority.as_str()),
            hosts: &texts(request, &HOST),
            origins: &texts(request, &ORIGIN),
            fetch_sites: &texts(request, &SEC_FETCH_SITE),
        };
        let decided = self.policy.decide(&facts);
        decided.map_err(|refusal| self.refused(request, &facts, &refusal))
    }

    /// What the text of a token stands for.
    fn judge(&self, token: &str, now_ms: i64) -> Credential {
        if self.is_api_token(token) {
            return Credential::Known(Caller::api_token(Proof::Header));
        }
        match self.registry.lock().find(token, now_ms) {
            Found::Active(token) => Credential::Known(Caller::token(token, Proof::Header)),
            Found::Ended(state) => Credential::Ended(state),
            Found::Unknown => Credential::Unknown,
            Found::OtherForm => Credential::Other,
        }
    }

    /// Notes the use of a token or a session. Returns what is to be stored about it.
    pub fn note_use(&self, caller: &Caller) -> Uses {
        let now_ms = unix_ms();
        let mut registry = self.registry.lock();
        let tokens = caller.token_id().filter(|id| registry.use_token(*id, now_ms));
        let session = match caller.proof {
            Proof::Cookie(hash) => registry.use_session(hash, now_ms),
            Proof::None | Proof::Header => None,
        };
        Uses {
            tokens: tokens.map(|id| (id, now_ms)).into_iter().collect(),
            sessions: session.map(|it| (it.hash, it.expires_at_ms)).into_iter().collect(),
        }
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
            expected.as_deref().is_some_and(|expected| credential::tokens_equal(token, expected))
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
        let caller = request.extensions().get::<Caller>().cloned();
        let nobody = || Caller::anonymous(Who::Open, Scopes::NONE);
        self.audit_source_of(&caller.unwrap_or_else(nobody), request)
    }

    /// As [`audit_source`](Self::audit_source), for a caller that the request logs in.
    pub fn audit_source_of(&self, caller: &Caller, request: &HttpRequest) -> AuditSource {
        let actor = match &caller.who {
            Who::Token { id, name } => Actor::Token { id: *id, name: name.clone() },
            Who::ApiToken => Actor::ApiToken,
            Who::ThisMachine | Who::Open => Actor::ThisMachine,
        };
        let address = request.peer_addr().map(|peer| {
            forwarded::client(peer.ip(), &texts(request, &X_FORWARDED_FOR), &self.trusted_proxies)
        });
        AuditSource { actor, address }
    }

    /// Whether the client uses TLS, here or at a proxy, as far as is known. For a request that
    /// [`check`](Self::check) has passed: its origin is this service.
    pub fn is_secure(&self, request: &HttpRequest) -> bool {
        let origin = texts(request, &ORIGIN).first().copied();
        let peer = request.peer_addr().map(|peer| peer.ip());
        let proto = texts(request, &X_FORWARDED_PROTO);
        forwarded::is_secure(self.has_tls, origin, (peer, &proto), &self.trusted_proxies)
    }

    /// The hash of `API_TOKEN`, with which its sessions are found.
    pub fn api_token_hash(&self) -> Option<TokenHash> {
        self.token.as_ref().map(|token| TokenHash::of(token.reveal().as_bytes()))
    }

    /// The error of a request with an unknown token: `error`, or 429 when its address has sent too
    /// many.
    pub fn wrong_token(&self, request: &HttpRequest, error: ApiError) -> ApiError {
        self.throttled(request, error, AuthFailure::Unknown)
    }

    /// Judges the token of a login: an active one.
    pub fn login(&self, request: &HttpRequest, token: &str) -> Result<Caller, ApiError> {
        match self.judge(token, unix_ms()) {
            Credential::Known(caller) => Ok(caller),
            other => Err(self.throttled(request, ApiError::wrong_token(), failure(&other))),
        }
    }

    fn is_api_token(&self, token: &str) -> bool {
        let expected = self.token.as_ref();
        expected.is_some_and(|expected| credential::tokens_equal(token, expected.reveal()))
    }

    fn credential(&self, request: &HttpRequest, required: Required, now_ms: i64) -> Credential {
        let judged = credential::shown_token(request).map(|token| self.judge(&token, now_ms));
        match judged {
            // `Authorization` may be of a proxy in between.
            Some(Credential::Other) => {}
            Some(judged) => return judged,
            None if required == Required::OwnToken && credential::has_token_parameter(request) => {
                return Credential::Other;
            }
            None => {}
        }
        let other = judged.unwrap_or(Credential::Missing);
        let Some(key) = session_key(request, self.has_tls) else { return other };
        let registry = self.registry.lock();
        match registry.session(&key, self.api_token_hash(), now_ms) {
            None => other,
            Some((session, token)) => {
                let proof = Proof::Cookie(session.hash);
                let caller = token.map(|token| Caller::token(token, proof));
                Credential::Known(caller.unwrap_or_else(|| Caller::api_token(proof)))
            }
        }
    }

    fn refused(&self, request: &HttpRequest, facts: &Facts<'_>, refusal: &Refusal) -> ApiError {
        let error = match (refusal, &facts.credential) {
            (Refusal::Host(host), _) => ApiError::misdirected(host.as_deref(), &self.domain),
            (Refusal::Origin, _) => ApiError::foreign_origin(),
            (Refusal::CookieOrigin, _) => ApiError::foreign_page(),
            (Refusal::WritesDisabled, _) => ApiError::forbidden(),
            (Refusal::Token, Credential::Ended(state)) => ApiError::ended_token(*state),
            (Refusal::Token, _) if facts.is_change => ApiError::unauthorized(),
            (Refusal::Token, _) => ApiError::confidential(),
            (Refusal::Scope(scope), Credential::Known(caller)) => {
                ApiError::missing_scope(*scope, &caller.actor())
            }
            (Refusal::Scope(scope), _) => ApiError::missing_scope(*scope, "this caller"),
            (Refusal::Groups, _) => ApiError::limited_to_groups(),
        };
        match (refusal, &facts.credential) {
            (Refusal::Scope(_) | Refusal::Groups, _) => {
                self.telemetry.auth_failure(AuthFailure::Scope);
                error
            }
            (Refusal::Token, Credential::Missing) => {
                self.telemetry.auth_failure(AuthFailure::Missing);
                error
            }
            // Every refused request with a wrong token counts as one.
            (Refusal::Token, credential)
            | (_, credential @ (Credential::Unknown | Credential::Ended(_))) => {
                self.throttled(request, error, failure(credential))
            }
            (_, Credential::Other) if self.token.is_some() => self.wrong_token(request, error),
            _ => error,
        }
    }

    /// Counts a wrong token: `error`, or 429 when its address has sent too many. The address is
    /// that of the connection, since clients can write any `X-Forwarded-For`.
    fn throttled(&self, request: &HttpRequest, error: ApiError, failure: AuthFailure) -> ApiError {
        self.telemetry.auth_failure(failure);
        let unknown = IpAddr::from(Ipv4Addr::UNSPECIFIED);
        let address = request.peer_addr().map_or(unknown, |peer| peer.ip());
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        match throttle.wrong_token(address, Instant::now()) {
            None => error,
            Some(wait) => ApiError::too_many_wrong_tokens(wait),
        }
    }
}

fn failure(credential: &Credential) -> AuthFailure {
    match credential {
        Credential::Missing => AuthFailure::Missing,
        Credential::Ended(TokenState::Expired) => AuthFailure::Expired,
        Credential::Ended(_) => AuthFailure::Revoked,
        _ => AuthFailure::Unknown,
    }
}

/// The values of all headers `name`; one that is no text is empty.
fn texts<'r>(request: &'r HttpRequest, name: &HeaderName) -> Vec<&'r str> {
    request.headers().get_all(name).map(|value| value.to_str().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::http::header::AUTHORIZATION;
    use actix_web::test::TestRequest;

    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn guard(variables: &[(&str, &str)]) -> Guard {
        let config = Config::from_lookup(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        Guard::new(&config.unwrap(), AccessRegistry::default(), &Telemetry::new())
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
            assert_eq!(status(guard.check(&post(&header)).map(drop)), expected, "{header}");
        }
    }

    #[test]
    fn after_too_many_wrong_tokens_the_right_one_still_passes() {
        let guard = guard(&[("API_TOKEN", TOKEN)]);
        let mut answers: Vec<u16> =
            (0..12).map(|_| status(guard.check(&post("Bearer wrong")).map(drop))).collect();
        assert!(answers.iter().all(|status| [401, 429].contains(status)), "{answers:?}");
        assert_eq!(answers.pop(), Some(429), "{answers:?}");
        assert_eq!(status(guard.check(&post(&format!("Bearer {TOKEN}"))).map(drop)), 200);
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
        let answers: Vec<u16> =
            (0..12).map(|_| status(guard.check(&read("wrong")).map(drop))).collect();
        assert_eq!((answers[0], answers[11]), (421, 429), "{answers:?}");
        assert_eq!(status(guard.check(&read(TOKEN)).map(drop)), 200);
    }

    #[test]
    fn a_change_has_its_client_as_the_trusted_proxy_names_it() {
        let request = || {
            let request = TestRequest::post().peer_addr("10.0.0.1:4711".parse().unwrap());
            request.insert_header((X_FORWARDED_FOR, "1.1.1.1, 192.0.2.7")).to_http_request()
        };
        let of = |guard: &Guard, caller| {
            let request = request();
            request.extensions_mut().insert(caller);
            guard.audit_source(&request)
        };
        let behind = guard(&[("API_TOKEN", TOKEN), ("API_TRUSTED_PROXIES", "10.0.0.0/8, ::1")]);
        let api_token = Caller::api_token(Proof::Header);
        let source = of(&behind, api_token.clone());
        assert_eq!(source.actor, Actor::ApiToken);
        assert_eq!(source.address, Some("192.0.2.7".parse().unwrap()));
        let open = guard(&[]);
        let open = of(&open, Caller::anonymous(Who::ThisMachine, Scopes::ALL));
        assert_eq!(open.actor, Actor::ThisMachine);
        assert_eq!(open.address, Some("10.0.0.1".parse().unwrap()));
        let token = Caller { who: Who::Token { id: 7, name: "a".to_owned() }, ..api_token };
        let actor = of(&behind, token).actor;
        assert_eq!(actor, Actor::Token { id: 7, name: "a".to_owned() });
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
