//! An HTTP/1.1 response, and reading its body.

use awc::http::{Version, header};
use futures_util::StreamExt;
use http::{Method, StatusCode};

use crate::domain::service::options::HttpVersion;
use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::http::client;
use crate::probe::http::connection::Connection;
use crate::probe::limits::Pieces;

const WHEN: &str = "reading the body";

/// A response whose head was received.
pub struct Http1Response {
    response: awc::ClientResponse,
    status: StatusCode,
    connection: Connection,
    /// Whether the request was HEAD.
    head_only: bool,
}

/// How to read a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyMode {
    /// Read to the end or the limit, and discard.
    Discard,
    /// Return the body; a longer one than the limit is a failure.
    Keep,
}

impl Http1Response {
    /// `response` came over `connection`, to a request of `method`.
    pub fn new(
        response: awc::ClientResponse,
        connection: Connection,
        method: &Method,
    ) -> Result<Self, Failure> {
        let status = client::status_of(response.status())?;
        Ok(Self { response, status, connection, head_only: method == Method::HEAD })
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn version(&self) -> Option<HttpVersion> {
        match self.response.version() {
            Version::HTTP_10 => Some(HttpVersion::Http10),
            Version::HTTP_11 => Some(HttpVersion::Http11),
            _ => None,
        }
    }

    /// See [`redirect_location`].
    pub fn location(&self) -> Option<String> {
        let location = self.response.headers().get(header::LOCATION);
        redirect_location(self.status, location.map(|location| location.as_bytes()))
    }

    /// Refuses an interim response that was passed on because no final response followed.
    pub fn refuse_interim(&self) -> Result<(), Failure> {
        let status = self.status;
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::new(
                Reason::Protocol,
                format!("{status} without a final response"),
            ));
        }
        Ok(())
    }

    /// Reads the body to its end or to `limit` bytes; empty with [`BodyMode::Discard`].
    pub async fn read_body(mut self, mode: BodyMode, limit: usize) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        if self.head_only
            || matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        {
            // No body, whatever the content-length (RFC 9110, sections 8.6 and 15.4.5).
            return Ok(body);
        }
        let end = self.body_end();
        let (mut read, mut pieces) = (0, Pieces::default());
        if end == BodyEnd::Chunked {
            self.connection.expect_chunks();
        }
        // awc reads past the end of an HTTP/1.0 body, and nothing of a body after an upgrade.
        while end != BodyEnd::Length(read) {
            let Some(chunk) = self.response.next().await else { break };
            let chunk = chunk.map_err(|error| failure::of_body(&error))?;
            read += chunk.len();
            if end == BodyEnd::Chunked {
                self.connection.body_decoded(chunk.len());
                let added = pieces.add(chunk.len(), "chunks of few bytes");
                added.map_err(|exceeded| exceeded.failure(WHEN))?;
            }
            match mode {
                BodyMode::Keep if read > limit => return Err(body_too_large(limit)),
                BodyMode::Keep => body.extend_from_slice(&chunk),
                BodyMode::Discard if read >= limit => return Ok(body),
                BodyMode::Discard => {}
            }
        }
        // awc accepts the end of the connection as the end of any body, and does not read a body
        // that only the end of the connection ends (RFC 9112, section 6.3).
        let remaining = match end {
            BodyEnd::Chunked if self.connection.peer_closed() => {
                return Err(failure::of_short_body());
            }
            BodyEnd::Chunked => return Ok(body),
            BodyEnd::Length(length) => length.saturating_sub(read),
            BodyEnd::Connection => usize::MAX,
        };
        // One byte beyond the limit, to detect a body that is too large.
        let max = (limit - read).saturating_add(1).min(remaining);
        let output = (mode == BodyMode::Keep).then_some(&mut body);
        let rest = self.connection.read_rest(max, output).await;
        let rest = rest.map_err(|error| failure::of_io(WHEN, &error))?;
        if mode == BodyMode::Keep && read + rest > limit {
            return Err(body_too_large(limit));
        }
        let is_short = matches!(end, BodyEnd::Length(length) if read + rest < length);
        if is_short && rest < max { Err(failure::of_short_body()) } else { Ok(body) }
    }

    /// How the body ends (RFC 9112, section 6.3).
    fn body_end(&self) -> BodyEnd {
        let header = |name| self.response.headers().get(name).and_then(|value| value.to_str().ok());
        let coding = header(header::TRANSFER_ENCODING).unwrap_or_default().to_ascii_lowercase();
        if coding.contains("chunked") && self.response.version() == Version::HTTP_11 {
            return BodyEnd::Chunked;
        }
        let length = header(header::CONTENT_LENGTH).and_then(|length| length.trim().parse().ok());
        length.filter(|_| coding.is_empty()).map_or(BodyEnd::Connection, BodyEnd::Length)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyEnd {
    /// With the last chunk.
    Chunked,
    /// After this number of bytes.
    Length(usize),
    /// With the end of the connection.
    Connection,
}

/// The status code with its standard phrase.
pub fn status_text(status: StatusCode) -> String {
    let phrase = status.canonical_reason().unwrap_or("unknown status");
    format!("{} {phrase}", status.as_u16())
}

/// The target of a redirect; `None` for another status and for a redirect without a location.
pub fn redirect_location(status: StatusCode, location: Option<&[u8]>) -> Option<String> {
    let is_redirect = matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = location.filter(|_| is_redirect)?;
    Some(String::from_utf8_lossy(location).into_owned())
}

/// The failure of a body beyond `limit` bytes.
pub fn body_too_large(limit: usize) -> Failure {
    Failure::new(Reason::TooLarge, format!("{WHEN}: more than {limit} bytes"))
}
