//! A request built from the service's options, and its changes by redirects.

use std::borrow::Cow;

use actix_http::body::None as NoBody;
use awc::http::header::HeaderValue;
use awc::http::{Uri, header};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;
use url::{Position, Url};

use crate::domain::secret::names::is_secret_header;
use crate::domain::secret::url::mask_redirect;
use crate::domain::{Failure, Reason, Requests};
use crate::probe::context::ProbeContext;
use crate::probe::failure;
use crate::probe::http::client::{self, USER_AGENT, host, uri};
use crate::probe::http::connection::Connection;
use crate::probe::http::cookies::Cookies;
use crate::probe::http::credentials;
use crate::probe::http::credentials::basic;
use crate::probe::http::fields::Fields;
use crate::probe::http::http2;
use crate::probe::http::response::Http1Response;
use crate::probe::http::supplied::with_connection;
use crate::probe::net::proxy::{self, Proxy};
use crate::probe::net::tls::Alpn;
use crate::probe::timings::Phase;

/// A request, its variables filled in, and its placeholders as far as they are the same on each
/// hop.
#[derive(Clone)]
pub struct Request {
    pub url: Url,
    method: Method,
    headers: Vec<(String, String)>,
    body: Option<String>,
    /// The body is a GraphQL query, to be sent in JSON.
    graphql: bool,
    /// Dropped by a redirect to another origin.
    authorization: Option<String>,
    /// Set by responses of earlier hops.
    cookies: Cookies,
    /// Whether the detail of a failure shows the target of a redirect.
    shown: Requests,
}

impl Request {
    /// The first request of a probe, with this header `Authorization`.
    pub fn new(context: &ProbeContext<'_>, authorization: Option<String>) -> Result<Self, Failure> {
        let options = context.options();
        let graphql = options.graphql;
        let mut headers = own_headers(context)?;
        let mut body = options.body.as_ref().map(|body| context.fill_text(body)).transpose()?;
        if graphql {
            body.get_or_insert_default();
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
            }
        }
        let method = if graphql { Method::POST } else { Method::GET };
        Ok(Self {
            url: context.url.clone(),
            method: options.method.clone().unwrap_or(method),
            headers,
            body,
            graphql,
            authorization,
            cookies: Cookies::default(),
            shown: context.resources.rules.requests,
        })
    }

    /// A POST of a form to a server beside the target.
    pub fn form(url: Url, form: String, authorization: Option<String>) -> Self {
        let headers =
            [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")];
        Self {
            url,
            method: Method::POST,
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: Some(form),
            graphql: false,
            authorization,
            cookies: Cookies::default(),
            shown: Requests::Masked,
        }
    }

    /// Whether the service's own credentials are sent.
    pub fn has_authorization(&self) -> bool {
        self.authorization.is_some()
    }

    /// The request to send over the newest connection of `context`, with all placeholders filled
    /// in.
    pub fn filled(&self, context: &ProbeContext<'_>) -> Result<Cow<'_, Self>, Failure> {
        let mut texts = self.headers.iter().map(|(_, value)| value).chain(&self.body);
        if !self.graphql && !texts.any(|text| text.contains('[')) {
            return Ok(Cow::Borrowed(self));
        }
        let mut filled = self.clone();
        let values = filled.headers.iter_mut().map(|(_, value)| value);
        for text in values.chain(&mut filled.body) {
            *text = context.fill_for(text, &self.url)?;
        }
        if self.graphql {
            filled.body = filled.body.map(|query| json!({"query": query}).to_string());
        }
        Ok(Cow::Owned(filled))
    }

    /// Takes the cookies that a response to this request sets, with the header `fields`.
    pub fn store_cookies(&mut self, fields: &Fields) {
        self.cookies.store(&self.url, fields);
    }

    /// The header `Cookie`, if responses have set cookies for the URL.
    fn cookie(&self) -> Option<Vec<u8>> {
        let mut headers = self.headers.iter();
        let written = headers.find(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        self.cookies.header(&self.url, written.map(|(_, value)| value.as_str()))
    }

    /// Follows a redirect of `status` to `location` (RFC 9110, sections 10.2.2 and 15.4). As in
    /// browsers, POST becomes GET. Secrets are not sent to another origin (scheme, host and port).
    pub fn redirected(mut self, status: u16, location: &str) -> Result<Self, Failure> {
        let blocked = |why: &str| redirect_blocked(&mask_redirect(location, self.shown), why);
        let next = next_hop(&self.url, location).map_err(blocked)?;
        let becomes_get = match StatusCode::from_u16(status) {
            Ok(StatusCode::SEE_OTHER) => self.method != Method::HEAD,
            Ok(StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND) => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = None;
            self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        }
        if next.origin() != self.url.origin() {
            self.authorization = None;
            self.headers
                .retain(|(name, _)| !is_secret_header(name) && !name.eq_ignore_ascii_case("host"));
        }
        // Checked here, since a URL that cannot be requested is a fault of the target.
        let is_valid = uri("http", &next).is_ok() && Uri::try_from(next.as_str()).is_ok();
        if !is_valid {
            return Err(blocked("cannot be requested"));
        }
        self.url = next;
        Ok(self)
    }

    /// The body, with whose length the request is sent. A method that defines a meaning for a body
    /// is sent with the length 0 when there is none (RFC 9110, section 8.6).
    fn body_to_send(&self) -> Option<&str> {
        let expects_body = matches!(self.method, Method::POST | Method::PUT | Method::PATCH);
        let body = self.body.as_deref().filter(|body| !body.is_empty());
        body.or_else(|| expects_body.then_some(""))
    }

    /// Head and body for HTTP/2.
    pub fn to_http2(&self) -> Result<(http::Request<()>, Bytes), Failure> {
        let default = [("user-agent", USER_AGENT), ("accept", "*/*")];
        let default = default.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let authorization = self.authorization.iter();
        let authorization = authorization.map(|value| ("authorization".to_owned(), value.clone()));
        let headers = default.chain(authorization).chain(self.headers.iter().cloned());
        // HTTP/2 has `:authority` in place of `Host` (RFC 9113, section 8.3.1).
        let (mut authority, mut others) = (host(&self.url).to_owned(), Vec::new());
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("host") {
                authority = value;
            } else {
                others.push((name, value));
            }
        }
        let path = &self.url[Position::BeforePath..Position::AfterQuery];
        let uri = format!("{}://{authority}{path}", self.url.scheme());
        let body = self.body_to_send();
        if let Some(body) = body {
            others.push(("content-length".to_owned(), body.len().to_string()));
        }
        let mut head = http2::request_head(self.method.as_str(), &uri, others)?;
        if let Some(cookie) = self.cookie() {
            let value = http::HeaderValue::from_bytes(&cookie);
            let value = value.map_err(|why| failure::of_invalid_request(&why))?;
            head.headers_mut().insert(http::header::COOKIE, value);
        }
        Ok((head, body.unwrap_or_default().to_owned().into()))
    }

    /// Sends the request over HTTP/1.1, through the service's proxy, and waits for the head of the
    /// response.
    pub async fn send(&self, context: &ProbeContext<'_>) -> Result<Http1Response, Failure> {
        match context.proxy()? {
            // As usual, a proxy forwards requests without TLS itself (RFC 9112, section 3.2.2).
            Some(proxy) if self.url.scheme() == "http" => {
                Box::pin(self.send_to_proxy(context, &proxy)).await
            }
            _ => {
                let connection = context.open(&self.url, Alpn::Http1).await?;
                context.enter(Phase::Processing);
                let uri = uri("http", &self.url)?;
                self.filled(context)?.send_over(context, connection, uri, None).await
            }
        }
    }

    async fn send_to_proxy(
        &self,
        context: &ProbeContext<'_>,
        proxy: &Proxy,
    ) -> Result<Http1Response, Failure> {
        let connection = Connection::over(context.open_proxy(proxy, &self.url).await?);
        context.enter(Phase::Processing);
        let request = self.filled(context)?;
        let (uri, authorization) = (absolute_uri(&self.url)?, proxy.authorization());
        let sent = request.send_over(context, connection, uri, authorization);
        let response = context.at(&proxy.name(), sent).await?;
        if response.head().status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let refused = async { Err(proxy::refusal(407, &proxy::authority(&self.url))) };
            return context.at(&proxy.name(), refused).await;
        }
        Ok(response)
    }

    /// `uri` has the scheme `http`, which keeps awc from a second TLS handshake.
    async fn send_over(
        &self,
        context: &ProbeContext<'_>,
        connection: Connection,
        uri: Uri,
        proxy_authorization: Option<String>,
    ) -> Result<Http1Response, Failure> {
        let client = &context.resources.http_client;
        let mut request = client::request(client, &self.method, uri, host(&self.url), "*/*")?;
        if let Some(authorization) = &self.authorization {
            request = request.insert_header((header::AUTHORIZATION, authorization.as_str()));
        }
        if let Some(authorization) = proxy_authorization {
            request = request.insert_header((header::PROXY_AUTHORIZATION, authorization));
        }
        for (name, value) in &self.headers {
            request = request.insert_header((name.as_str(), header_value(value.as_bytes())?));
        }
        if let Some(cookie) = self.cookie() {
            request = request.insert_header((header::COOKIE, header_value(&cookie)?));
        }
        let response = match self.body_to_send() {
            // `send()` would add `content-length: 0`.
            None => with_connection(connection.clone(), request.send_body(NoBody::new())).await,
            Some(body) => {
                let sent = request.send_body(body.to_owned());
                Box::pin(with_connection(connection.clone(), sent)).await
            }
        };
        let response = response.map_err(|error| failure::of_request(&error))?;
        Http1Response::new(response, connection, &self.method)
    }
}

/// The service's headers for its own URL, with variables and placeholders filled in.
pub fn headers(context: &ProbeContext<'_>) -> Result<Vec<(String, String)>, Failure> {
    let headers = own_headers(context)?.into_iter();
    headers.map(|(name, value)| Ok((name, context.fill_for(&value, context.url)?))).collect()
}

/// The service's headers, with the variables and placeholders filled in that are the same on each
/// hop.
fn own_headers(context: &ProbeContext<'_>) -> Result<Vec<(String, String)>, Failure> {
    let has_token = context.options().oauth2.is_some();
    let is_replaced = |name: &str| has_token && name.eq_ignore_ascii_case("authorization");
    let headers = context.options().headers.iter().filter(|(name, _)| !is_replaced(name));
    headers.map(|(name, value)| Ok((name.clone(), context.fill_text(value)?))).collect()
}

/// A header value, also with bytes beyond ASCII.
pub fn header_value(value: &[u8]) -> Result<HeaderValue, Failure> {
    HeaderValue::from_bytes(value).map_err(|why| failure::of_invalid_request(&why))
}

/// The header `Authorization`, from the service's options without `oauth2`, or from the credentials
/// in its URL.
pub fn authorization(context: &ProbeContext<'_>) -> Result<Option<String>, Failure> {
    let (options, url) = (context.options(), context.url);
    if let Some(auth) = &options.basic_auth {
        return Ok(Some(basic(&context.fill(&auth.username)?, &context.fill(&auth.password)?)));
    }
    if let Some(token) = &options.bearer_token {
        return Ok(Some(format!("Bearer {}", context.fill(token)?)));
    }
    Ok(credentials::of_url(url))
}

/// `url` as its own path, so that awc writes the absolute form (RFC 9112, section 3.2.2).
fn absolute_uri(url: &Url) -> Result<Uri, Failure> {
    let host = host(url);
    let path = &url[Position::BeforePath..Position::AfterQuery];
    let uri = Uri::builder().scheme("http").authority(host);
    let uri = uri.path_and_query(format!("{}://{host}{path}", url.scheme())).build();
    uri.map_err(|error| failure::of_invalid_request(&error))
}

/// Resolves `location` relative to `base`. The error says what is wrong with the location.
fn next_hop(base: &Url, location: &str) -> Result<Url, &'static str> {
    let next = base.join(location).map_err(|_| "is not a URL")?;
    if !matches!(next.scheme(), "http" | "https") {
        return Err("is not http or https");
    }
    Ok(next)
}

fn redirect_blocked(location: &str, why: &str) -> Failure {
    let detail = format!("a redirect leads to a location that {why}: {location:?}");
    Failure::new(Reason::RedirectBlocked, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str, method: Method) -> Request {
        let headers = [("Authorization", "s3cret"), ("X-Plain", "x"), ("Content-Type", "a/b")];
        Request {
            url: url.parse().unwrap(),
            method,
            headers: headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
            body: Some("sent".to_owned()),
            graphql: false,
            authorization: Some("Bearer t".to_owned()),
            cookies: Cookies::default(),
            shown: Requests::Masked,
        }
    }

    fn hop(base: &str, location: &str) -> Result<String, Reason> {
        let redirected = request(base, Method::GET).redirected(302, location);
        redirected.map(|request| request.url.to_string()).map_err(|failure| failure.reason)
    }

    #[test]
    fn a_location_is_relative_to_the_requested_url() {
        assert_eq!(hop("http://a/b/c?d", "e"), Ok("http://a/b/e".into()));
        assert_eq!(hop("http://a/b", "//c/d"), Ok("http://c/d".into()));
        assert_eq!(hop("http://a/b", "https://c/"), Ok("https://c/".into()));
        assert_eq!(hop("http://a/b", "ftp://c/"), Err(Reason::RedirectBlocked));
        assert_eq!(hop("http://a/b", "http://[/"), Err(Reason::RedirectBlocked));
    }

    #[test]
    fn the_target_of_a_blocked_redirect_is_shown_without_its_query() {
        let detail = |shown| {
            let request = Request { shown, ..request("http://a/", Method::GET) };
            request.redirected(302, "ftp://u:s3cret@c/d?ticket=7").err().unwrap().detail
        };
        let why = "a redirect leads to a location that is not http or https: ";
        assert_eq!(detail(Requests::Masked), format!("{why}\"ftp://u:***@c/d?***\""));
        assert_eq!(detail(Requests::Shown), format!("{why}\"ftp://u:***@c/d?ticket=7\""));
    }

    #[test]
    fn secrets_are_not_sent_to_another_origin() {
        let same = request("http://a/", Method::GET).redirected(302, "/x").unwrap();
        assert!(same.authorization.is_some() && same.headers.len() == 3);
        for elsewhere in ["http://b/x", "http://a:81/x", "https://a/x"] {
            let next = request("http://a/", Method::GET).redirected(307, elsewhere).unwrap();
            assert!(next.authorization.is_none(), "{elsewhere}");
            assert!(next.headers.iter().all(|(name, _)| name != "Authorization"), "{elsewhere}");
            assert_eq!(next.headers.len(), 2);
        }
    }

    #[test]
    fn a_redirect_keeps_or_rewrites_the_method_as_browsers_do() {
        for (method, status, expected) in [
            (Method::POST, 301, Method::GET),
            (Method::POST, 302, Method::GET),
            (Method::PUT, 302, Method::PUT),
            (Method::PUT, 303, Method::GET),
            (Method::HEAD, 303, Method::HEAD),
            (Method::POST, 307, Method::POST),
            (Method::POST, 308, Method::POST),
        ] {
            let next = request("http://a/", method.clone()).redirected(status, "/x").unwrap();
            assert_eq!(next.method, expected, "{method} {status}");
            assert_eq!(next.body.is_some(), next.method == method && method != Method::GET);
        }
    }
}
