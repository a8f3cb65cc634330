//! The client credentials grant of OAuth 2.0 (RFC 6749, section 4.4): the token for the header
//! `Authorization`, fetched over connections of the probe and within its deadline.

use std::time::Instant;

use serde_json::Value;
use url::form_urlencoded;

use crate::domain::service::options::ClientCredentials;
use crate::domain::{Failure, Reason};
use crate::probe::context::{ProbeContext, SentToken};
use crate::probe::http::credentials::basic;
use crate::probe::http::request::{self, Request};
use crate::probe::http::response::{BodyMode, status_text};
use crate::probe::timings::Phase;
use crate::probe::tokens::{ClientAuth, Login, SharedSlot, Token};

/// Largest response of a token endpoint, in bytes.
const RESPONSE_LIMIT: usize = 64 * 1024;

/// Longest token, in bytes.
const TOKEN_LIMIT: usize = 16 * 1024;

/// The filled-in values of a login.
struct Client {
    id: String,
    secret: String,
    scope: String,
}

/// The header `Authorization` of a probe's request.
pub async fn authorization(context: &ProbeContext<'_>) -> Result<Option<String>, Failure> {
    let Some(oauth2) = &context.options().oauth2 else { return request::authorization(context) };
    let url = context.server_url(&oauth2.token_url)?;
    let client = Client {
        id: context.fill(&oauth2.client_id)?,
        secret: context.fill(&oauth2.client_secret)?,
        scope: oauth2.scopes.join(" "),
    };
    let slot = context.resources.rules.tokens.slot(login(context, oauth2, &client)?);
    let shown = oauth2.token_url.shown(context.resources.rules.requests);
    let fetch = Box::pin(fetch(context, url, client, &slot));
    let authorization = context.at(&format!("the token endpoint {shown}"), fetch).await?;
    context.timings.set_secret(
        authorization.split_once(' ').map_or(authorization.as_str(), |it| it.1).to_owned(),
    );
    Ok(Some(authorization))
}

/// Everything that decides which token comes from where.
fn login(
    context: &ProbeContext<'_>,
    oauth2: &ClientCredentials,
    client: &Client,
) -> Result<Login, Failure> {
    let options = context.options();
    let url = context.server_url(&oauth2.token_url)?;
    let proxy = context.proxy()?.map(|proxy| proxy.url);
    let parts = (url.as_str(), &client.id, &client.secret, &client.scope);
    let request = format!("{parts:?} {:?} {:?} {proxy:?}", options.resolver, options.ip_family);
    Ok(Login { request, tls: context.tls_options_for(&url).into_owned() })
}

/// The token in `slot`, or a new one.
async fn fetch(
    context: &ProbeContext<'_>,
    url: url::Url,
    client: Client,
    slot: &SharedSlot,
) -> Result<String, Failure> {
    context.enter(Phase::Processing);
    let mut known = slot.lock().await;
    if let Some(token) = known.token.as_ref().filter(|token| token.is_usable(Instant::now())) {
        let authorization = token.authorization.clone();
        return Ok(sent(context, slot, authorization, false));
    }
    known.token = None;
    let (mut client_auth, mut is_second) = (known.client_auth, false);
    let token = loop {
        let form = form(&url, &client, client_auth);
        let response = form.send(context).await?;
        let status = response.head().status;
        context.enter(Phase::Transfer);
        let body = response.read_body(BodyMode::Keep { limit: RESPONSE_LIMIT }).await?;
        // As many clients do: a server that does not take the credentials in one form may take
        // them in the other.
        if matches!(status.as_u16(), 400 | 401) && !is_second {
            is_second = true;
            client_auth = match client_auth {
                ClientAuth::Header => ClientAuth::Form,
                ClientAuth::Form => ClientAuth::Header,
            };
            continue;
        }
        if !status.is_success() {
            let code = error_code(&body).map(|code| format!(": {code}")).unwrap_or_default();
            let detail = format!("{}{code}", status_text(status));
            return Err(Failure::new(Reason::Token, detail));
        }
        break parse(&body, Instant::now())?;
    };
    known.client_auth = client_auth;
    let authorization = token.authorization.clone();
    known.token = Some(token);
    Ok(sent(context, slot, authorization, true))
}

fn sent(
    context: &ProbeContext<'_>,
    slot: &SharedSlot,
    authorization: String,
    is_new: bool,
) -> String {
    let slot = SharedSlot::clone(slot);
    context.sent_token(SentToken { slot, authorization: authorization.clone(), is_new });
    authorization
}

fn form(url: &url::Url, client: &Client, client_auth: ClientAuth) -> Request {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if !client.scope.is_empty() {
        form.append_pair("scope", &client.scope);
    }
    let authorization = match client_auth {
        ClientAuth::Header => Some(basic(&encode(&client.id), &encode(&client.secret))),
        ClientAuth::Form => {
            form.append_pair("client_id", &client.id);
            form.append_pair("client_secret", &client.secret);
            None
        }
    };
    Request::form(url.clone(), form.finish(), authorization)
}

/// The token in a response of the token endpoint (RFC 6749, section 5.1).
fn parse(body: &[u8], now: Instant) -> Result<Token, Failure> {
    let invalid = |why: &str| Failure::new(Reason::Token, format!("the response has {why}"));
    let json: Value = serde_json::from_slice(body).map_err(|_| invalid("no JSON"))?;
    let token = json["access_token"].as_str().filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| invalid("no access_token"))?;
    let kind = match json["token_type"].as_str() {
        Some(kind) if !kind.is_empty() && !kind.eq_ignore_ascii_case("bearer") => kind,
        _ => "Bearer",
    };
    let is_header = |text: &str| text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    if token.len() > TOKEN_LIMIT || !is_header(token) || !is_header(kind) {
        return Err(invalid("an access_token that cannot be sent in a header"));
    }
    // Some servers write a number as a text.
    let expires_in = &json["expires_in"];
    let expires_in =
        expires_in.as_f64().or_else(|| expires_in.as_str().and_then(|text| text.parse().ok()));
    Ok(Token::new(format!("{kind} {token}"), expires_in.filter(|it| !it.is_nan()), now))
}

/// The error code of RFC 6749, section 5.2, such as `invalid_client`.
fn error_code(body: &[u8]) -> Option<String> {
    let json: Value = serde_json::from_slice(body).ok()?;
    let code = json["error"].as_str()?;
    let is_code = code.len() <= 50 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (is_code && !code.is_empty()).then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_has_a_token_or_a_reason() {
        let now = Instant::now();
        for (body, expected) in [
            (r#"{"access_token": "t", "expires_in": 3600}"#, Ok("Bearer t")),
            (
                r#"{"access_token": "t", "token_type": "bearer", "expires_in": "60"}"#,
                Ok("Bearer t"),
            ),
            (r#"{"access_token": "t", "token_type": "DPoP"}"#, Ok("DPoP t")),
            ("access_token=t", Err("the response has no JSON")),
            (r#"{"token": "t"}"#, Err("the response has no access_token")),
            (r#"{"access_token": ""}"#, Err("the response has no access_token")),
            (
                "{\"access_token\": \"a\\nb\"}",
                Err("the response has an access_token that cannot be sent in a header"),
            ),
        ] {
            let parsed = parse(body.as_bytes(), now);
            let parsed = parsed.map(|token| token.authorization).map_err(|failure| {
                assert_eq!(failure.reason, Reason::Token);
                failure.detail
            });
            assert_eq!(parsed.as_deref().map_err(String::as_str), expected, "{body}");
        }
        assert_eq!(
            error_code(br#"{"error": "invalid_client"}"#).as_deref(),
            Some("invalid_client")
        );
        assert_eq!(error_code(br#"{"error": "s3cret: <b>"}"#), None);
    }
}
