//! Who may write (contract, `API_TOKEN`).

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

use super::Writes;
use crate::api::error::ApiError;

/// Lets a write pass, or says why not.
pub fn may_write(request: &HttpRequest, writes: &Writes) -> Result<(), ApiError> {
    let token = match writes {
        Writes::FromThisMachine => return Ok(()),
        Writes::Refused => return Err(ApiError::forbidden()),
        Writes::WithToken(token) => token.reveal(),
    };
    match bearer(request) {
        Some(shown) if is_same(shown, token) => Ok(()),
        _ => Err(ApiError::unauthorized()),
    }
}

/// Whether `shown` is `token`, compared in a time that does not tell how much of it was right.
pub fn is_same(shown: &str, token: &str) -> bool {
    bool::from(shown.as_bytes().ct_eq(token.as_bytes()))
}

/// The token that the request shows.
pub fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, shown) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| shown.trim())
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::test::TestRequest;

    use super::*;
    use crate::config::Config;

    #[test]
    fn only_the_very_token_opens() {
        let config =
            Config::from_lookup(|name| (name == "API_TOKEN").then(|| "s3cret".to_owned())).unwrap();
        let writes = Writes::WithToken(config.api_token.unwrap());
        for (header, passes) in [
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
            assert_eq!(may_write(&request, &writes).is_ok(), passes, "{header}");
        }
        let without = TestRequest::default().to_http_request();
        assert_eq!(may_write(&without, &writes).unwrap_err().status_code(), 401);
        assert_eq!(may_write(&without, &Writes::Refused).unwrap_err().status_code(), 403);
        assert!(may_write(&without, &Writes::FromThisMachine).is_ok());
    }
}
