//! HTTP/1.1 by awc over a connection of our own.

use actix_http::body::None as NoBody;
use awc::http::{StatusCode, Uri, Version, header};
use futures_util::StreamExt;
use percent_encoding::percent_decode_str;
use url::{Position, Url};

use super::connection::{self, Connection, HandOver};
use super::failure;
use crate::domain::{Failure, Reason};

/// Most of a body that is read, in bytes; what lies beyond it does not make a service down.
const MAX_BODY_BYTES: usize = 1024 * 1024;

const USER_AGENT: &str = concat!("service-healthcheck/", env!("CARGO_PKG_VERSION"));

/// A client without limits of its own: the pool bounds the probes, the deadline bounds each of them.
pub fn client() -> awc::Client {
    let connector = awc::Connector::new().connector(HandOver).limit(0);
    awc::Client::builder()
        .connector(connector)
        .disable_timeout()
        .disable_redirects()
        .no_default_headers()
        .finish()
}

/// An answer whose head was read.
pub struct Answer {
    response: awc::ClientResponse,
    connection: Connection,
}

/// Asks for `url` over `connection` and waits for the head of the answer.
pub async fn ask(
    client: &awc::Client,
    connection: Connection,
    url: &Url,
) -> Result<Answer, Failure> {
    let host = &url[Position::BeforeHost..Position::AfterPort];
    // awc must not secure the connection a second time, so to it every URL is http.
    let uri: Uri = format!("http://{host}{}", &url[Position::BeforePath..Position::AfterQuery])
        .parse()
        .map_err(|error| {
            Failure::new(Reason::Redirect, format!("the URL cannot be asked: {error}"))
        })?;
    let mut request = client
        .get(uri)
        .insert_header((header::HOST, host))
        .insert_header((header::USER_AGENT, USER_AGENT))
        .insert_header((header::ACCEPT, "*/*"))
        .force_close()
        // Also keeps awc from adding an `accept-encoding` of its own.
        .no_decompress();
    if has_credentials(url) {
        let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let password = url.password().map(decoded).unwrap_or_default();
        request = request.basic_auth(decoded(url.username()), password);
    }
    // Not `send()`, which would add a `content-length: 0` that no plain client sends.
    let response = connection::over(connection.clone(), request.send_body(NoBody::new()))
        .await
        .map_err(|error| failure::of_request(&error))?;
    Ok(Answer { response, connection })
}

impl Answer {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The version of HTTP that was spoken.
    pub fn version(&self) -> Option<&'static str> {
        match self.response.version() {
            Version::HTTP_10 => Some("1.0"),
            Version::HTTP_11 => Some("1.1"),
            _ => None,
        }
    }

    /// Where the answer to `asked` leads, if it is a redirect. One without a location is an answer like any other.
    pub fn redirect(&self, asked: &Url) -> Result<Option<Url>, Failure> {
        let redirects = matches!(
            self.response.status(),
            StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT
        );
        match self.response.headers().get(header::LOCATION) {
            Some(location) if redirects => {
                let location = String::from_utf8_lossy(location.as_bytes());
                next_hop(asked, &location).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Refuses an interim answer that could not be passed over: it is not the answer.
    pub fn refuse_interim(&self) -> Result<(), Failure> {
        let status = self.response.status();
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::new(Reason::Protocol, format!("{status} and no answer after it")));
        }
        Ok(())
    }

    /// The plain rule: an answer below 400 is up.
    pub fn judge(&self) -> Result<(), Failure> {
        let status = self.response.status();
        if status.as_u16() < 400 {
            return Ok(());
        }
        let phrase = status.canonical_reason().unwrap_or("unknown status");
        Err(Failure::new(Reason::Status, format!("{} {phrase}", status.as_u16())))
    }

    /// Reads the body to its end or up to [`MAX_BODY_BYTES`], and appends it to `kept`, if it is to be kept.
    pub async fn read(mut self, mut kept: Option<&mut Vec<u8>>) -> Result<(), Failure> {
        if matches!(self.response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            // They have no body, whatever their content-length says (RFC 9110, sections 8.6 and 15.4.5).
            return Ok(());
        }
        let mut read = 0;
        while let Some(chunk) = self.response.next().await {
            let chunk = chunk.map_err(|error| failure::of_body(&error))?;
            read += chunk.len();
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(&chunk);
            }
            if read >= MAX_BODY_BYTES {
                return Ok(());
            }
        }
        // awc takes the end of the connection for the end of a body, whatever the head promised; and a body that only
        // the end of the connection ends (RFC 9112, section 6.3) it does not read at all.
        let headers = self.response.headers();
        let tells_its_end = headers.contains_key(header::CONTENT_LENGTH)
            || headers.contains_key(header::TRANSFER_ENCODING);
        if !tells_its_end {
            let drained = self.connection.drain(MAX_BODY_BYTES - read, kept).await;
            return drained.map_err(|error| failure::of_io("reading the body", &error));
        }
        if self.connection.ended() { Err(failure::of_short_body()) } else { Ok(()) }
    }
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// The URL that `location` means, seen from `asked` (RFC 9110, section 10.2.2). Credentials stay with their
/// origin: scheme, host and port.
fn next_hop(asked: &Url, location: &str) -> Result<Url, Failure> {
    let refuse = |why: &str| {
        Failure::new(Reason::Redirect, format!("a redirect leads to what {why}: {location:?}"))
    };
    let mut next = asked.join(location).map_err(|_| refuse("is no URL"))?;
    if !matches!(next.scheme(), "http" | "https") {
        return Err(refuse("is not http or https"));
    }
    if next.origin() == asked.origin() && next.username().is_empty() && has_credentials(asked) {
        // Both calls only fail for URLs without a host.
        let _ = next.set_username(asked.username());
        let _ = next.set_password(asked.password());
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(asked: &str, location: &str) -> Result<String, Reason> {
        next_hop(&asked.parse().unwrap(), location)
            .map(|url| url.to_string())
            .map_err(|failure| failure.reason)
    }

    #[test]
    fn a_location_is_read_relative_to_what_was_asked() {
        assert_eq!(hop("http://a/b/c?d", "e"), Ok("http://a/b/e".into()));
        assert_eq!(hop("http://a/b", "//c/d"), Ok("http://c/d".into()));
        assert_eq!(hop("http://a/b", "https://c/"), Ok("https://c/".into()));
        assert_eq!(hop("http://a/b", "ftp://c/"), Err(Reason::Redirect));
        assert_eq!(hop("http://a/b", "http://[/"), Err(Reason::Redirect));
    }

    #[test]
    fn credentials_do_not_follow_to_another_host() {
        assert_eq!(hop("http://u:p@a/", "/x"), Ok("http://u:p@a/x".into()));
        for elsewhere in ["http://b/x", "http://a:81/x", "https://a/x"] {
            assert_eq!(hop("http://u:p@a/", elsewhere), Ok(elsewhere.into()));
        }
    }
}
