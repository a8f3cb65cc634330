//! A request, as the service says it, and as a redirect changes it.

use actix_http::body::None as NoBody;
use awc::http::{Method, StatusCode, Uri, header};
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use url::{Position, Url};

use super::http2;
use crate::domain::{Failure, Reason};
use crate::probe::context::ProbeContext;
use crate::probe::failure;
use crate::probe::http::response::Answer;
use crate::probe::net::connection;
use crate::probe::net::connection::Connection;
use crate::spec::is_sensitive;

/// How a probe calls itself.
pub const USER_AGENT: &str = concat!("service-healthcheck/", env!("CARGO_PKG_VERSION"));

/// A request that is about to be sent; what it holds was filled in already.
pub struct Request {
    /// Where to.
    pub url: Url,
    method: Method,
    headers: Vec<(String, String)>,
    body: Option<String>,
    /// What it shows to be let in; it goes to no other origin.
    authorization: Option<String>,
}

impl Request {
    /// The request that the service of `way` sends to `url` first.
    pub fn new(way: &ProbeContext<'_>, url: &Url) -> Result<Self, Failure> {
        let options = way.options();
        Ok(Self {
            url: url.clone(),
            method: options.method.clone().unwrap_or(Method::GET),
            headers: headers(way)?,
            body: options.body.as_ref().map(|body| way.fill(body)).transpose()?,
            authorization: authorization(way, url)?,
        })
    }

    /// The request that a redirect of that status to `location` asks for (RFC 9110, sections 10.2.2 and 15.4): POST becomes
    /// GET where browsers make it so, and nothing secret leaves its origin: scheme, host and port.
    pub fn redirected(mut self, status: u16, location: &str) -> Result<Self, Failure> {
        let next = next_hop(&self.url, location)?;
        let rewrites = match StatusCode::from_u16(status) {
            Ok(StatusCode::SEE_OTHER) => self.method != Method::HEAD,
            Ok(StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND) => self.method == Method::POST,
            _ => false,
        };
        if rewrites {
            self.method = Method::GET;
            self.body = None;
            self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        }
        if next.origin() != self.url.origin() {
            self.authorization = None;
            self.headers
                .retain(|(name, _)| !is_sensitive(name) && !name.eq_ignore_ascii_case("host"));
        }
        // What cannot be asked for lies with who sent us there.
        let asked = uri("http", &next).is_ok() && Uri::try_from(next.as_str()).is_ok();
        if !asked {
            let told = format!("a redirect leads to what cannot be asked for: {location:?}");
            return Err(Failure::new(Reason::RedirectBlocked, told));
        }
        self.url = next;
        Ok(self)
    }

    /// It as HTTP/2 sends it, and its body.
    pub fn over_two(&self) -> Result<(http::Request<()>, Bytes), Failure> {
        let own = [("user-agent", USER_AGENT), ("accept", "*/*")];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let authorization = self.authorization.iter();
        let authorization = authorization.map(|value| ("authorization".to_owned(), value.clone()));
        let headers = own.chain(authorization).chain(self.headers.iter().cloned());
        // What HTTP/1.1 calls `Host` is the authority here (RFC 9113, section 8.3.1).
        let (mut host, mut rest) = (host(&self.url).to_owned(), Vec::new());
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("host") {
                host = value;
            } else {
                rest.push((name, value));
            }
        }
        let path = &self.url[Position::BeforePath..Position::AfterQuery];
        let uri = format!("{}://{host}{path}", self.url.scheme());
        let asked = http2::request(self.method.as_str(), &uri, rest)?;
        Ok((asked, self.body.clone().unwrap_or_default().into()))
    }

    /// Sends it over `connection` and waits for the head of the answer.
    pub async fn send(
        &self,
        client: &awc::Client,
        connection: Connection,
    ) -> Result<Answer, Failure> {
        // awc must not secure the connection a second time, so to it every URL is http.
        let uri = uri("http", &self.url)?;
        let mut request = client
            .request(self.method.clone(), uri)
            .insert_header((header::HOST, host(&self.url)))
            .insert_header((header::USER_AGENT, USER_AGENT))
            .insert_header((header::ACCEPT, "*/*"))
            .force_close()
            // Also keeps awc from adding an `accept-encoding` of its own.
            .no_decompress();
        if let Some(authorization) = &self.authorization {
            request = request.insert_header((header::AUTHORIZATION, authorization.as_str()));
        }
        for (name, value) in &self.headers {
            request = request.insert_header((name.as_str(), value.as_str()));
        }
        let response = match &self.body {
            // Not `send()`, which would add a `content-length: 0` that no plain client sends.
            None => connection::over(connection.clone(), request.send_body(NoBody::new())).await,
            Some(body) => {
                connection::over(connection.clone(), request.send_body(body.clone())).await
            }
        };
        let response = response.map_err(|error| failure::of_request(&error))?;
        Ok(Answer::new(response, connection, &self.method))
    }
}

/// The headers that the service says, filled in.
pub fn headers(way: &ProbeContext<'_>) -> Result<Vec<(String, String)>, Failure> {
    let headers = way.options().headers.iter();
    headers.map(|(name, value)| Ok((name.clone(), way.fill(value)?))).collect()
}

/// The header `Authorization`: what the service says, or else what its `url` holds.
pub fn authorization(way: &ProbeContext<'_>, url: &Url) -> Result<Option<String>, Failure> {
    let options = way.options();
    if let Some(auth) = &options.basic_auth {
        return Ok(Some(basic(&way.fill(&auth.username)?, &way.fill(&auth.password)?)));
    }
    if let Some(token) = &options.bearer_token {
        return Ok(Some(format!("Bearer {}", way.fill(token)?)));
    }
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let password = url.password().map(decoded).unwrap_or_default();
    Ok(Some(basic(&decoded(url.username()), &password)))
}

/// RFC 7617.
fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")))
}

/// Host and port of `url`, as the header `Host` has them.
pub fn host(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}

/// `url` under another scheme, without credentials and fragment.
pub fn uri(scheme: &str, url: &Url) -> Result<Uri, Failure> {
    let path = &url[Position::BeforePath..Position::AfterQuery];
    format!("{scheme}://{}{path}", host(url)).parse().map_err(|error| unusable(&error))
}

/// A request that cannot be made from what the service says.
pub fn unusable(why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Reason::LocalConfig, format!("the request cannot be made: {why}"))
}

/// The URL that `location` means, seen from `asked`.
fn next_hop(asked: &Url, location: &str) -> Result<Url, Failure> {
    let refuse = |why: &str| {
        let told = format!("a redirect leads to what {why}: {location:?}");
        Failure::new(Reason::RedirectBlocked, told)
    };
    let next = asked.join(location).map_err(|_| refuse("is no URL"))?;
    if !matches!(next.scheme(), "http" | "https") {
        return Err(refuse("is not http or https"));
    }
    Ok(next)
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
            authorization: Some("Bearer t".to_owned()),
        }
    }

    fn hop(asked: &str, location: &str) -> Result<String, Reason> {
        let redirected = request(asked, Method::GET).redirected(302, location);
        redirected.map(|request| request.url.to_string()).map_err(|failure| failure.reason)
    }

    #[test]
    fn a_location_is_read_relative_to_what_was_asked() {
        assert_eq!(hop("http://a/b/c?d", "e"), Ok("http://a/b/e".into()));
        assert_eq!(hop("http://a/b", "//c/d"), Ok("http://c/d".into()));
        assert_eq!(hop("http://a/b", "https://c/"), Ok("https://c/".into()));
        assert_eq!(hop("http://a/b", "ftp://c/"), Err(Reason::RedirectBlocked));
        assert_eq!(hop("http://a/b", "http://[/"), Err(Reason::RedirectBlocked));
    }

    #[test]
    fn nothing_secret_leaves_its_origin() {
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
