//! An answer whose head was read.

use awc::http::header::{self, HeaderValue};
use awc::http::{Method, StatusCode, Version};
use futures_util::StreamExt;

use crate::domain::service::options::HttpVersion;
use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::net::connection::Connection;

/// An answer under reading.
pub struct Answer {
    response: awc::ClientResponse,
    connection: Connection,
    /// Whether only the head was asked for.
    head_only: bool,
}

/// What is kept of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: it is read to its end or to the limit, and what lies beyond does not matter.
    Nothing,
    /// All of it: a body beyond the limit is a failure.
    Whole,
}

impl Answer {
    /// The answer `response` to a request of that method, which came over `connection`.
    pub fn new(response: awc::ClientResponse, connection: Connection, method: &Method) -> Self {
        Self { response, connection, head_only: method == Method::HEAD }
    }

    /// The status code.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The version of HTTP that was spoken.
    pub fn version(&self) -> Option<HttpVersion> {
        match self.response.version() {
            Version::HTTP_10 => Some(HttpVersion::Http10),
            Version::HTTP_11 => Some(HttpVersion::Http11),
            _ => None,
        }
    }

    /// Where the answer leads, if it is a redirect.
    pub fn location(&self) -> Option<String> {
        location(self.response.status(), self.response.headers().get(header::LOCATION))
    }

    /// Refuses an interim answer that could not be passed over: it is not the answer.
    pub fn refuse_interim(&self) -> Result<(), Failure> {
        let status = self.response.status();
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::new(Reason::Protocol, format!("{status} and no answer after it")));
        }
        Ok(())
    }

    /// Reads the body to its end or up to `limit` bytes, and gives what is kept of it.
    pub async fn read(mut self, keep: Kept, limit: usize) -> Result<Vec<u8>, Failure> {
        let mut kept = Vec::new();
        let status = self.response.status();
        if self.head_only || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            // They have no body, whatever their content-length says (RFC 9110, sections 8.6 and 15.4.5).
            return Ok(kept);
        }
        let end = self.end();
        let mut read = 0;
        // What awc reads. Of HTTP/1.0 it reads on behind the end, and a body behind an upgrade not at all.
        while end != End::At(read) {
            let Some(chunk) = self.response.next().await else { break };
            let chunk = chunk.map_err(|error| failure::of_body(&error))?;
            read += chunk.len();
            match keep {
                Kept::Whole if read > limit => return Err(too_large(limit)),
                Kept::Whole => kept.extend_from_slice(&chunk),
                Kept::Nothing if read >= limit => return Ok(kept),
                Kept::Nothing => {}
            }
        }
        // awc takes the end of the connection for the end of a body, whatever the head promised; and a body that only
        // the end of the connection ends (RFC 9112, section 6.3) it does not read at all.
        let left = match end {
            End::Chunked if self.connection.ended() => return Err(failure::of_short_body()),
            End::Chunked => return Ok(kept),
            End::At(length) => length.saturating_sub(read),
            End::OfConnection => usize::MAX,
        };
        // One byte beyond the limit, to tell a body that is too large from one that fits.
        let most = (limit - read).saturating_add(1).min(left);
        let into = (keep == Kept::Whole).then_some(&mut kept);
        let drained = self.connection.drain(most, into).await;
        let drained = drained.map_err(|error| failure::of_io("reading the body", &error))?;
        if keep == Kept::Whole && read + drained > limit {
            return Err(too_large(limit));
        }
        let is_short = matches!(end, End::At(length) if read + drained < length);
        if is_short && drained < most { Err(failure::of_short_body()) } else { Ok(kept) }
    }

    /// Where the body ends (RFC 9112, section 6.3).
    fn end(&self) -> End {
        let header = |name| self.response.headers().get(name).and_then(|it| it.to_str().ok());
        let coding = header(header::TRANSFER_ENCODING).unwrap_or_default().to_ascii_lowercase();
        if coding.contains("chunked") && self.response.version() == Version::HTTP_11 {
            return End::Chunked;
        }
        let length = header(header::CONTENT_LENGTH).and_then(|length| length.trim().parse().ok());
        length.filter(|_| coding.is_empty()).map_or(End::OfConnection, End::At)
    }
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With its last chunk.
    Chunked,
    /// Behind so many bytes.
    At(usize),
    /// With the connection.
    OfConnection,
}

/// Where an answer of that status leads, if it is a redirect. One without a location is an answer like any other.
pub fn location(status: StatusCode, location: Option<&HeaderValue>) -> Option<String> {
    let redirects = matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = location.filter(|_| redirects)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

fn too_large(limit: usize) -> Failure {
    Failure::new(Reason::TooLarge, format!("reading the body: more than {limit} bytes"))
}
