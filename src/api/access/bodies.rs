//! JSON request bodies of access, for the OpenAPI document, and their readers.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::error::ApiError;
use crate::api::input::Fields;
use crate::domain::access::{GroupLimit, Scope, Scopes};

/// Longest token of a login, in characters.
const TOKEN_MAX: usize = 1_024;

/// The body of `POST /v1/tokens`. Unknown fields are rejected.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTokenBody {
    /// Unique among the tokens that are not revoked.
    #[schema(min_length = 1, max_length = 255, example = "grafana")]
    name: String,
    /// What the token permits: `metrics`, `read`, `write`, `probe`, `heartbeat`, `admin`. `read`
    /// includes `metrics`, `write` includes `read`, and `admin` includes every scope.
    #[schema(min_items = 1, example = json!(["read"]))]
    scopes: Vec<String>,
    /// The groups of services that exist for the token; the empty text stands for services without
    /// a group. Null for all; a token with the scope `admin` has all.
    #[schema(required = false, max_items = 100, example = json!(["core"]))]
    groups: Option<Vec<String>>,
    /// When the token ends, in unix seconds or RFC 3339; null for never.
    #[schema(required = false)]
    expires_at: Option<i64>,
}

/// The body of `POST /v1/session`. Unknown fields are rejected.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSession {
    /// A token, or `API_TOKEN`.
    token: String,
    /// Whether the session lasts for 90 days, as for a screen on a wall; only for a token with the
    /// scope `read` alone.
    #[schema(required = false, default = false)]
    keep: bool,
}

/// What a new token is to be: its name, what it permits, and its end in unix milliseconds.
pub struct TokenRequest {
    pub name: String,
    pub rights: (Scopes, GroupLimit),
    pub expires_at_ms: Option<i64>,
}

pub fn token(map: &Map<String, Value>) -> Result<TokenRequest, ApiError> {
    let mut fields = Fields::new(map, &["name", "scopes", "groups", "expires_at"]);
    let name = fields.name("name");
    if fields.value("scopes").is_none() {
        fields.require("scopes");
    }
    let words = Scope::ALL.map(Scope::as_str);
    let scopes = fields.words("scopes", words, |word| Scope::parse(word).ok());
    let groups = fields.value("groups").map(|_| fields.texts("groups"));
    let rights = (scopes.into_iter().collect(), groups.map_or(GroupLimit::NONE, GroupLimit::to));
    let expires_at_ms = fields.moment("expires_at");
    fields.done(TokenRequest { name, rights, expires_at_ms })
}

/// The token of a login, and whether its session stays.
pub fn session(map: &Map<String, Value>) -> Result<(String, bool), ApiError> {
    let mut fields = Fields::new(map, &["token", "keep"]);
    let token = fields.text("token", TOKEN_MAX);
    if token.is_none() {
        fields.require("token");
    }
    let keeps = fields.boolean("keep", false);
    fields.done((token.unwrap_or_default(), keeps))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_has_a_name_and_scopes() {
        let read = |body: Value| token(body.as_object().unwrap()).map_err(|it| it.to_string());
        let request = read(json!({
            "name": "grafana", "scopes": ["read", "probe"], "groups": ["core", ""],
            "expires_at": 1_795_413_298
        }))
        .unwrap();
        assert_eq!(request.expires_at_ms, Some(1_795_413_298_000));
        assert_eq!(request.rights.0, Scopes::from_iter([Scope::Read, Scope::Probe]));
        assert_eq!(request.rights.1, GroupLimit::to(["core".to_owned(), String::new()]));
        let all = read(json!({"name": "a", "scopes": "admin", "groups": null})).unwrap();
        assert_eq!(all.rights, (Scopes::ALL, GroupLimit::NONE));
        let error = read(json!({"scope": "read"})).err().unwrap();
        for problem in ["scope: unknown", "name: required", "scopes: required"] {
            assert!(error.contains(problem), "{error}");
        }
        let error = read(json!({"name": "a", "scopes": ["all"]})).err().unwrap();
        assert!(
            error.contains("scopes: invalid value \"all\", expected one of metrics"),
            "{error}"
        );
    }

    #[test]
    fn a_login_needs_a_token() {
        let read = |body: Value| session(body.as_object().unwrap()).map_err(|it| it.to_string());
        assert_eq!(read(json!({"token": "x"})), Ok(("x".to_owned(), false)));
        assert_eq!(read(json!({"token": "x", "keep": true})), Ok(("x".to_owned(), true)));
        assert!(read(json!({"keep": 1})).unwrap_err().contains("token: required"));
    }
}
