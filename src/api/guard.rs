//! Authorisation of writes (contract, `API_TOKEN`).

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

use crate::api::error::ApiError;
use crate::config::{Config, Secret};

/// Which requests may write.
#[derive(Debug, Clone)]
pub enum WriteAccess {
    /// Requests with this bearer token.
    Token(Secret),
    /// Every request, since the API listens on a loopback address only.
    Loopback,
    /// No request.
    Denied,
}

impl WriteAccess {
    /// The access that `config` grants: by `API_TOKEN`, or without it only while `API_HOST` is a
    /// loopback address (contract, `API_TOKEN`).
    pub fn from_config(config: &Config) -> Self {
        match &config.api.token {
            Some(token) => Self::Token(token.clone()),
            None if config.api.listens_on_loopback() => Self::Loopback,
            None => Self::Denied,
        }
    }

    /// Returns 401 when the token is missing or wrong, and 403 when no request may write.
    pub fn check(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let expected = match self {
            Self::Loopback => return Ok(()),
            Self::Denied => return Err(ApiError::forbidden()),
            Self::Token(token) => token.reveal(),
        };
        match bearer_token(request) {
            Some(token) if tokens_equal(token, expected) => Ok(()),
            _ => Err(ApiError::unauthorized()),
        }
    }
}

/// Compares two tokens in constant time: the duration does not depend on how many bytes match.
pub fn tokens_equal(token: &str, expected: &str) -> bool {
    bool::from(token.as_bytes().ct_eq(expected.as_bytes()))
}

/// The token of an `Authorization: Bearer` header.
pub fn bearer_token(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_the_exact_token_grants_write_access() {
        let config =
            Config::from_lookup(|name| (name == "API_TOKEN").then(|| "s3cret".to_owned())).unwrap();
        let access = WriteAccess::from_config(&config);
        for (header, is_granted) in [
            ("Bearer s3cret", true),
            ("bearer  s3cret", true),
            ("Bearer s3cre", false),
            ("Bearer s3crett", false),
            ("Basic s3cret", false),
            ("s3cret", false),
            ("Bearer ", false),
        ] {
            let request =
                TestRequest::default().insert_header((AUTHORIZATION, header)).to_http_request();
            assert_eq!(access.check(&request).is_ok(), is_granted, "{header}");
        }
        let without = TestRequest::default().to_http_request();
        assert_eq!(access.check(&without).unwrap_err().status_code(), 401);
        assert_eq!(WriteAccess::Denied.check(&without).unwrap_err().status_code(), 403);
        assert!(WriteAccess::Loopback.check(&without).is_ok());
    }
}
