//! Where a request shows its token: `Authorization`, or the cookie of a session.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, COOKIE};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cookie::Cookie;
use subtle::ConstantTimeEq;

use crate::domain::access::SessionKey;

/// The cookie of a session, and its name over TLS, which browsers bind to the host.
pub const SESSION_COOKIE: &str = "shc_session";
pub const SECURE_SESSION_COOKIE: &str = "__Host-shc_session";

/// Compares two tokens in constant time: the duration does not depend on how many bytes match.
/// Nothing equals an empty token.
pub fn tokens_equal(token: &str, expected: &str) -> bool {
    !expected.is_empty() && bool::from(token.as_bytes().ct_eq(expected.as_bytes()))
}

/// The token of an `Authorization: Bearer` header; `None` for an empty one.
pub fn bearer_token(request: &HttpRequest) -> Option<&str> {
    of_scheme(request, "bearer")
}

/// The token of `Authorization`: of `Bearer`, or the password of `Basic` with any user name.
pub fn shown_token(request: &HttpRequest) -> Option<String> {
    if let Some(token) = bearer_token(request) {
        return Some(token.to_owned());
    }
    let decoded = STANDARD.decode(of_scheme(request, "basic")?).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (_, password) = decoded.split_once(':')?;
    (!password.is_empty()).then(|| password.to_owned())
}

fn of_scheme<'r>(request: &'r HttpRequest, expected: &str) -> Option<&'r str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    (scheme.eq_ignore_ascii_case(expected) && !rest.is_empty()).then_some(rest)
}

/// The key of the session cookie; of the secure one when there are both. Over the TLS of this
/// service, only of the secure one: the other one may be of a page without TLS.
pub fn session_key(request: &HttpRequest, has_tls: bool) -> Option<SessionKey> {
    let plain = Some(SESSION_COOKIE).filter(|_| !has_tls);
    std::iter::once(SECURE_SESSION_COOKIE).chain(plain).find_map(|name| {
        let headers = request.headers().get_all(COOKIE).filter_map(|value| value.to_str().ok());
        let mut cookies = headers.flat_map(Cookie::split_parse).filter_map(Result::ok);
        cookies.find_map(|cookie| {
            (cookie.name() == name).then(|| SessionKey::parse(cookie.value())).flatten()
        })
    })
}

/// Whether the query has a token, as a heartbeat may.
pub fn has_token_parameter(request: &HttpRequest) -> bool {
    let mut pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
    pairs.any(|(name, value)| name == "token" && !value.is_empty())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn shown(authorization: &str) -> Option<String> {
        let request = TestRequest::get().insert_header((AUTHORIZATION, authorization));
        shown_token(&request.to_http_request())
    }

    #[test]
    fn a_token_is_a_bearer_or_the_password_of_basic() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(shown("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(shown("bearer  abc ").as_deref(), Some("abc"));
        assert_eq!(shown(&basic("grafana:abc")).as_deref(), Some("abc"));
        assert_eq!(shown(&basic(":a:b")).as_deref(), Some("a:b"));
        for text in ["Bearer ", "abc", "Basic abc", "Digest x"] {
            assert_eq!(shown(text), None, "{text}");
        }
        for text in ["grafana", "grafana:", ""] {
            assert_eq!(shown(&basic(text)), None, "{text:?}");
        }
    }

    #[test]
    fn the_secure_cookie_comes_first_and_another_value_is_none() {
        let key = |nth: u8| SessionKey::from_random([nth; 32]);
        let with = |cookies: &str, has_tls| {
            let request = TestRequest::get().insert_header((COOKIE, cookies));
            session_key(&request.to_http_request(), has_tls)
        };
        let of = |cookies: &str| with(cookies, false);
        let cookie = |name: &str, nth| format!("{name}={}", key(nth).reveal());
        let plain = cookie(SESSION_COOKIE, 1);
        assert_eq!(of(&format!("a=b; {plain}; c=d")), Some(key(1)));
        let secure = cookie(SECURE_SESSION_COOKIE, 2);
        assert_eq!(of(&format!("{plain}; {secure}")), Some(key(2)));
        assert_eq!(with(&format!("{plain}; {secure}"), true), Some(key(2)));
        assert_eq!(with(&plain, true), None, "a page without TLS may have set it");
        assert_eq!(of(&format!("{SESSION_COOKIE}=abc; {plain}")), Some(key(1)));
        assert_eq!(of(&format!("x{plain}")), None);
        assert_eq!(of(&format!("{SESSION_COOKIE}=abc")), None);
    }
}
